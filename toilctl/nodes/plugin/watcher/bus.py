"""A workflow's message bus: the file in which Toil's leader tells which jobs it issued and which ended.

One message is one line: the name of its class, and its fields, by tabs. Toil's own parser gives up at a message with
a field more or less than that version knows; this one reads what it needs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ..processes import PROC
from ..regular_files import LONGEST_LINE, open_regular

CHUNK = 1 << 20
FIRST = b"toil.bus."


def held_by(pid: int, path: str | None) -> str | None:
    """Return where to open the bus that a process writes now, None when it writes none.

    :param path: what the workflow's configuration says; until Toil 8 it may say nothing.
    """
    try:
        links = [str(link) for link in (PROC / str(pid) / "fd").iterdir()]
    except PermissionError:
        return path
    except OSError:
        return None
    wanted = _identity(path) if path else None
    return next((link for link in links if _is_bus(link, wanted)), None)


class Bus:
    """A bus, read as far as it is new."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stream = open_regular(path, follow=True, buffering=0)
        self._identity = _identity(path)
        self._rest = b""
        self._issued: dict[str, str] = {}
        self.new: dict[str, str] = {}
        """Jobs that are issued and that nobody has taken yet: job store ids by batch id."""
        self.lost = 0
        """How many jobs have ended without a word: so many more are issued here than the leader counts."""
        self._messages: dict[bytes, Callable[[list[bytes]], Iterator[tuple[str, int]]]] = {
            b"JobIssuedMessage": self._take_issued,
            b"JobCompletedMessage": lambda fields: self._end(_text(fields[1]), int(fields[2])),
            b"JobFailedMessage": lambda fields: self._end(_text(fields[1]), 1),
            # Sent of a job that is issued only when it was killed.
            b"JobUpdatedMessage": lambda fields: self._end(_text(fields[0]), 1),
            b"QueueSizeMessage": self._count,
        }

    def is_written(self) -> bool:
        """Tell whether the process still has it open."""
        return _identity(self._path) == self._identity

    def issued(self) -> dict[str, str]:
        """Return the batch ids of all jobs that are issued and have not ended, by job store id."""
        return dict(self._issued)

    def read(self) -> Iterator[tuple[str, int]]:
        """Take in what is new; yield batch id and exit status of each job that ended."""
        if os.fstat(self._stream.fileno()).st_size < self._stream.tell():
            yield from [ended for store_id in list(self._issued) for ended in self._end(store_id, 1)]
            self._stream.seek(0)
            self._rest = b""
        while data := self._stream.read(CHUNK):
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                yield from self._take(line)
            # So much that it is known to be too long.
            self._rest = self._rest[: LONGEST_LINE + 1]

    def forget(self, store_id: str) -> None:
        """Leave out a job that has ended without a word."""
        self._end(store_id, 1)

    def close(self) -> None:
        """Let the file go."""
        self._stream.close()

    def _take(self, line: bytes) -> Iterator[tuple[str, int]]:
        if len(line) > LONGEST_LINE:
            return iter(())
        topic, *fields = line.split(b"\t")
        take = self._messages.get(topic.rpartition(b".")[2])
        try:
            return take(fields) if take else iter(())
        except (IndexError, ValueError):
            return iter(())

    def _take_issued(self, fields: list[bytes]) -> Iterator[tuple[str, int]]:
        _, store_id, batch_id = map(_text, fields[:3])
        before = self._end(store_id, 1)
        self._issued[store_id] = batch_id
        self.new[batch_id] = store_id
        return before

    def _end(self, store_id: str, status: int) -> Iterator[tuple[str, int]]:
        batch_id = self._issued.pop(store_id, None)
        if batch_id is None:
            return iter(())
        self.new.pop(batch_id, None)
        return iter([(batch_id, 0 if status == 0 else 1)])

    def _count(self, fields: list[bytes]) -> Iterator[tuple[str, int]]:
        self.lost = len(self._issued) - int(fields[0])
        return iter(())


def _text(field: bytes) -> str:
    return field.decode("unicode_escape") if b"\\" in field else field.decode()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _is_bus(link: str, wanted: tuple[int, int] | None) -> bool:
    found = _identity(link)
    if found is None or wanted:
        return found is not None and found == wanted
    try:
        with open_regular(link, follow=True, buffering=0) as opened:
            return opened.read(len(FIRST)) == FIRST
    except OSError:
        return False
