"""Journals and traces as files that somebody copied: within bounds, whatever they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toilctl.values import outside
from toilctl.values.errors import UsageError


def lines(path: Path, next_step: str, most: int = outside.MOST_LINES) -> Iterator[str]:
    """Yield a file's lines, packed by gzip or not; of what is cut off, those that are there.

    :param next_step: which file to name instead.
    :param most: how many lines it may have.
    :raises UsageError: while it is read, when it cannot be, or is larger than any recording, packed or not.
    """
    with readable(path, next_step), path.open("rb") as opened:
        yield from outside.lines(opened.read(outside.MOST_UNPACKED + 1), most_lines=most)


@contextmanager
def readable(path: Path, next_step: str) -> Iterator[None]:
    """Say in a sentence why a file cannot be read.

    :raises UsageError: when it cannot.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        # A path that has a null character is a ValueError, too.
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {reason}.", next_step, file=path) from error
