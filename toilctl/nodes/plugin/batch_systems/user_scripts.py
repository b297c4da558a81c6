"""User scripts travel to workers whichever directory they are in."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

REFUSED_DIRECTORIES = frozenset(
    {"/tmp", "/var", "/etc", "/bin", "/sbin", "/home", "/dev", "/sys", "/usr", "/run"}  # noqa: S108
)
"""Directories that Toil does not pack, so that a script there (``/tmp/sort.py``) could not run at all."""


@functools.cache
def pack_everywhere() -> None:
    """Let a script in one of the refused directories take along the Python files beside it, and nothing else."""
    from toil.resource import DirectoryResource

    pack_all = DirectoryResource._load

    def load(path: str) -> io.BytesIO:
        return _pack_python_files(Path(path)) if path in REFUSED_DIRECTORIES else pack_all(path)

    DirectoryResource._load = staticmethod(load)


def _pack_python_files(directory: Path) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(directory.glob("*.py")):
            archive.write(file, file.name)
    packed.seek(0)
    return packed
