"""The files of a deployment: which of them are not here yet, and how they take the place of older ones."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from toilctl_plugin.regular_files import open_regular

from ..refused import RefusedError

_CHUNK = 1 << 20
EXECUTABLE = "+x"


def digest(path: Path) -> str | None:
    """Return what tells a file's content, and whether it is executable; None when it is not there."""
    found = hashlib.sha256()
    try:
        with open_regular(path, follow=True) as opened:
            for chunk in iter(lambda: opened.read(_CHUNK), b""):
                found.update(chunk)
            return found.hexdigest() + (EXECUTABLE if path.stat().st_mode & 0o100 else "")
    except OSError:
        return None


def check_names(wanted: Mapping[str, str]) -> None:
    """Make sure that files stay in their directory.

    :raises RefusedError: when a name leads out of it.
    """
    for name in wanted:
        if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise RefusedError("usage", f"{name!r} is no file below a directory.", "Give it another name.")


def lacking(wanted: Mapping[str, str], *directories: Path) -> list[str]:
    """Return which files are in none of the directories as they are wanted."""
    return [name for name, found in wanted.items() if all(digest(one / name) != found for one in directories)]


def check_arrived(wanted: Mapping[str, str], *directories: Path) -> None:
    """Make sure that all files are here.

    :raises RefusedError: when one is not.
    """
    missing = lacking(wanted, *directories)
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise RefusedError(
            "conflict", f"{missing[0]} has not arrived as it was{more}: it was changed while it was sent.",
            "Type the same command again.", files=missing[:20],
        )  # fmt: skip


def copy(wanted: Mapping[str, str], target: Path, *directories: Path) -> None:
    """Make a copy of files that are in one of the directories, the first that has them as wanted."""
    for name, found in wanted.items():
        source = next(one / name for one in directories if digest(one / name) == found)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target / name)


def take(wanted: Mapping[str, str], before: Mapping[str, str], incoming: Path, target: Path) -> list[str]:
    """Move what has come into its place, remove what was sent before and is not wanted any more, and return that.

    What is there besides was made by runs, and stays.
    """
    target.mkdir(parents=True, exist_ok=True)
    removed = [name for name in before if name not in wanted and (target / name).is_file()]
    for name in removed:
        (target / name).unlink()
        _remove_empty(target / name, target)
    for name in wanted:
        if (incoming / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (incoming / name).replace(target / name)
    shutil.rmtree(incoming, ignore_errors=True)
    return removed


def _remove_empty(path: Path, top: Path) -> None:
    """Remove the directories above a path that have nothing left but compiled modules."""
    for directory in path.parents:
        if directory == top:
            return
        shutil.rmtree(directory / "__pycache__", ignore_errors=True)
        try:
            directory.rmdir()
        except OSError:
            return
