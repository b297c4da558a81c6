"""What files and directories have in them, as one short digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

COMPILED: Final = "__pycache__"
"""What Python adds to directories by itself counts as nothing."""


def digest(*parts: str | Path) -> str:
    """Return 12 hex digits for strings, files and directories, by the names and contents of the files in them."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(f"{part}\n".encode())
        elif part.is_file():
            total.update(f"{_content(part)}\n".encode())
        else:
            for file in sorted(path for path in part.rglob("*") if path.is_file() and COMPILED not in path.parts):
                total.update(f"{file.relative_to(part)}\0{_content(file)}\n".encode())
    return total.hexdigest()[:12]


def _content(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
