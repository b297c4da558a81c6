"""Where things are: the playbooks that toilctl carries, and its files below the XDG directories."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from toilctl.values.errors import HostError

_PACKAGE = Path(__file__).parents[1]
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_OF_THE_DISK: Final = (*_FULL, errno.EROFS, errno.EACCES, errno.EPERM)


def ansible_dir() -> Path:
    """Return the directory with playbooks/, roles/, inventory/ and ansible.cfg: the wheel's data, else the checkout."""
    packaged = _PACKAGE / "ansible"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def state_dir() -> Path:
    """Return ``$XDG_STATE_HOME/toilctl`` (``~/.local/state/toilctl``)."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/toilctl`` (``~/.cache/toilctl``): what can be made again."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def cluster_dir(region: str, name: str) -> Path:
    """Return where this machine keeps a cluster's known hosts and logs; never what only it would know."""
    return state_dir() / "clusters" / region / name


def seen_clusters() -> list[tuple[str, str]]:
    """Return region and name of the clusters that this machine has connected to and not destroyed."""
    found = (state_dir() / "clusters").glob("*/*/known_hosts")
    return sorted((path.parents[1].name, path.parent.name) for path in found)


def journals_dir() -> Path:
    """Return where this machine keeps the autoscalers' journals of clusters that are gone: REGION/NAME/*.jsonl.gz."""
    return state_dir() / "journals"


def made(directory: Path) -> Path:
    """Make a directory of ours, which nobody else may read, where it is not there yet.

    :raises HostError: when it cannot be made.
    """
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in a sentence why this machine's disk does not take something.

    :param path: what it is, where the system does not tell.
    :raises HostError: for whatever the system says.
    """
    try:
        yield
    except OSError as error:
        raise _unwritable(error, path) from error


def explain(error: BaseException) -> HostError | None:
    """Return the error that the system's own means when it says that a disk is full, or not to be written."""
    return _unwritable(error) if isinstance(error, OSError) and error.errno in _OF_THE_DISK else None


def _unwritable(error: OSError, path: Path | None = None) -> HostError:
    where = str(error.filename or path or "A file")
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return HostError(f"{where} cannot be written: {reason}.", "Make room there.", path=where)
    own = {"XDG_STATE_HOME": state_dir(), "XDG_CACHE_HOME": cache_dir()}
    variable = next((name for name, directory in own.items() if where.startswith(str(directory.parent))), "TMPDIR")
    return HostError(
        f"{where} cannot be written: {reason}.",
        f"Make it writable for you, or let toilctl write elsewhere: export {variable}=DIRECTORY", path=where,
    )  # fmt: skip


def _xdg(variable: str, default: str) -> Path:
    # The XDG specification: a relative path is invalid and counts as unset.
    configured = Path(os.environ.get(variable, ""))
    base = configured if configured.is_absolute() else Path.home() / default
    return base / "toilctl"
