"""Files that any process may have left there: what is no file keeps nobody waiting, and a line has an end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

LONGEST_LINE = 2**16
"""Bytes of a line, with its end; toilctl and Toil write no longer ones."""


def open_regular(path: str | Path, *, follow: bool = False, buffering: int = -1) -> BinaryIO:
    """Open a file for reading.

    :param follow: whether a link in its place is followed, where links are legitimate.
    :raises OSError: when it is not there, or no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    except ValueError as error:
        # Such as a zero byte in it.
        raise OSError(errno.EINVAL, f"no path: {error}") from None
    _check(descriptor, path)
    return os.fdopen(descriptor, "rb", buffering=buffering)


def append(path: str | Path, line: bytes) -> None:
    """Add a line to a file, at once and whole; where there is none, it is made.

    :raises OSError: when that cannot be, or it is no regular file.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o644)
    _check(descriptor, path)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def lines(opened: BinaryIO, most_bytes: int, longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """Yield lines with their line feeds, and pass over those that are too long.

    :param most_bytes: how much is read at most, but for the rest of the last line.
    """
    is_begun = False
    while most_bytes > 0 and (part := opened.readline(longest)):
        most_bytes -= len(part)
        is_whole = part.endswith(b"\n") or len(part) < longest
        if is_whole and not is_begun:
            yield part
        is_begun = not is_whole


def _check(descriptor: int, path: str | Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", str(path))
