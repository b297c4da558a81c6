"""One archive with the toilctl that runs here and all it needs, for a leader without a package index.

The archive is a Python zip application: ``python3 ARCHIVE DIRECTORY`` installs it (``installer.py``). In it are wheels,
rebuilt from what is installed here in the same versions, and the plugins of Ansible collections that our playbooks use.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toilctl.bundle import archive, contents, distributions
from toilctl.system import collections, paths

_KEPT: Final = 5


@dataclass(frozen=True)
class Bundle:
    """An archive that is there."""

    path: Path
    digest: str
    """SHA-256 of all that is in it, hexadecimal."""
    version: str
    """toilctl's."""


def make() -> Bundle:
    """Return the archive of the toilctl that runs here, made anew only if anything in it changed.

    :raises HostError: when something that the leader needs is not here, or does not run on a leader.
    """
    parts = [contents.part(one) for one in distributions.needed()]
    version = next(part.version for part in parts if part.name == "toilctl")
    manifest = archive.manifest(parts, collections.files(), version)
    file = paths.cache_dir() / "bundles" / f"toilctl-{version}-{manifest.digest[:16]}.pyz"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, archive.pieces(manifest))
    os.utime(file)
    _forget_old(file.parent)
    return Bundle(file, manifest.digest, version)


def _write(file: Path, pieces: Iterable[tuple[str, bytes]]) -> None:
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".bundle-", delete=False) as out:
        try:
            archive.write_zip(out, pieces, compressed=False)
        except BaseException:
            Path(out.name).unlink()
            raise
    Path(out.name).chmod(0o644)
    Path(out.name).replace(file)


def _forget_old(directory: Path) -> None:
    by_use = sorted(directory.glob("*.pyz"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in by_use[_KEPT:]:
        file.unlink(missing_ok=True)
