"""The Mesos that was collected last: later rehearsal clouds of this state directory have it, too."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from toilctl.local.images import tree
from toilctl.system import paths

_DIGEST = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class KeptMesos:
    """A Mesos that was collected."""

    source: str
    """The directory or image that it is from."""
    digest: str
    """Of all its files: the same Mesos has the same digest, wherever it is from."""
    directory: Path
    """Has prefix/ and libraries/."""
    image_id: str = ""
    """Which image it was, when it is from one."""


def directory() -> Path:
    """Return where it is kept: not among the rehearsal cloud's files, which go with the cloud."""
    return paths.state_dir() / "mesos"


def keep(collected: Path, source: str, image_id: str = "") -> KeptMesos:
    """Move what was collected to its place, instead of what was there."""
    digest = tree.digest(collected)
    place = directory() / digest
    if not place.is_dir():
        collected.rename(place)
    part = _record().with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps({"source": source, "digest": digest, "image_id": image_id}, indent=2) + "\n")
    part.replace(_record())
    for other in directory().iterdir():
        if _DIGEST.fullmatch(other.name) and other != place:
            shutil.rmtree(other, ignore_errors=True)
    return KeptMesos(source, digest, place, image_id)


def kept() -> KeptMesos | None:
    """Return what is kept, or None when nothing is."""
    try:
        record = json.loads(_record().read_text())
        mesos = KeptMesos(directory=directory() / record["digest"], **record)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return mesos if mesos.directory.is_dir() else None


def forget() -> None:
    """Remove what is kept."""
    shutil.rmtree(directory(), ignore_errors=True)


def _record() -> Path:
    return directory() / "kept.json"
