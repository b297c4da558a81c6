"""Directories of one run: for nobody else to read, and gone with the run; after one that was killed, at the next start.

What Ansible keeps while it runs has variables and modules' arguments in it, and so may have secrets.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from toilctl.system import paths

PREFIX: Final = "toilctl-"
_LOCK: Final = ".lock"
"""Held by the process that made the directory, however that ends; there from when it is held on."""
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW


@contextmanager
def of_run(parent: Path) -> Iterator[Path]:
    """Give a new directory below one that there is, and remove those of earlier runs that were killed.

    :raises HostError: when it cannot be made.
    """
    _sweep(parent)
    with paths.writing(parent):
        directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    held = _hold(directory)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        if held is not None:
            os.close(held)


def _hold(directory: Path) -> int | None:
    """Lock a directory; None where there are no locks: it is never taken for a killed run's then."""
    new = directory / f"{_LOCK}.new"
    try:
        held = os.open(new, _FLAGS, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(directory / _LOCK)
    except OSError:
        os.close(held)
        return None
    return held


def _sweep(parent: Path) -> None:
    for directory in parent.glob(f"{PREFIX}*"):
        # In /tmp there are other people's, too.
        with suppress(OSError):
            if directory.lstat().st_uid == os.getuid() and not directory.is_symlink():
                _remove_if_free(directory)


def _remove_if_free(directory: Path) -> None:
    held = os.open(directory / _LOCK, _FLAGS & ~os.O_CREAT)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(held)
