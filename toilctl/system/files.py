"""Files that others write: only regular ones are read, none is waited for, and none leads to another place."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading: a FIFO keeps nobody waiting, and a symbolic link is not followed.

    :raises OSError: when it is anything else, or cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Return what a regular file has.

    :raises OSError: as ``open_regular``, and when the file has more bytes than that.
    """
    with open_regular(path) as opened:
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes", str(path))
    return content


def replace_regular(path: Path, text: str) -> None:
    """Put a file there at once, whatever lies where its first version is written.

    :raises OSError: when it cannot be written.
    """
    new = path.with_suffix(".part")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "w") as out:
        out.write(text)
    new.replace(path)
