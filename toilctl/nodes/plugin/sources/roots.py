"""Which directories a workflow's code comes from: its project, PYTHONPATH, and an active virtualenv."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from pathlib import Path

SHARED_WITH_MANY = frozenset(
    {"/", "/tmp", "/var", "/var/tmp", "/etc", "/bin", "/sbin", "/lib", "/home", "/dev", "/sys", "/proc",  # noqa: S108
     "/usr", "/run", "/opt", "/srv", "/mnt", "/media"}
)  # fmt: skip
"""Directories that are nobody's project."""
ON_ALL_WORKERS = "toilctl-workers.pth"
"""Marks a virtualenv that ``toilctl deploy`` put on all workers, too."""


def is_project(directory: Path) -> bool:
    """Tell whether all of a directory may be a project: a home is none, nor is what the system has."""
    return str(directory) not in SHARED_WITH_MANY and directory != Path("~").expanduser()


def environment() -> Path | None:
    """Return where an active virtualenv has its own packages; None without one, or where Toil is among them."""
    if sys.prefix == sys.base_prefix:
        return None
    import toil

    for directory in map(Path, site.getsitepackages([sys.prefix])):
        if directory.is_dir() and not Path(toil.__file__).is_relative_to(sys.prefix):
            return None if (directory / ON_ALL_WORKERS).exists() else directory
    return None


def of_python_path(plugin: Path) -> Iterator[Path]:
    """Give the directories in PYTHONPATH that a user put there."""
    for word in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        directory = Path(word or ".").absolute()
        if word and directory.is_dir() and directory != plugin and is_project(directory):
            yield directory
