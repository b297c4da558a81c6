"""What Toil's workflows on the leader publish of their jobs: files that only grow, read as far as they are new.

``toilctl/nodes/plugin/publication/publication.py`` writes them and describes their form. A workflow holds a lock
on its file while it lives; the file of a dead one tells how long jobs took, and nothing else any more.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from toilctl.engines import published_lines
from toilctl.engines.client import UNREADABLE
from toilctl.engines.published_lines import PublishedWorkflow
from toilctl.engines.run_times import estimates
from toilctl.system import files
from toilctl.values.wording import number

DIRECTORY: Final = "/var/lib/toilctl/demand"
DIRECTORY_VARIABLE: Final = "TOILCTL_DEMAND_DIR"
_SUFFIX: Final = ".jsonl"
_HISTORY: Final = 20_000
"""How many run times are kept; estimates need the last 50 of each name."""
_PIECE: Final = 2**22
"""How much of a file is read at once, in bytes; a line that is longer than that is none of a workflow's."""
_LOOK: Final = 2**28
"""How much of all files is read at one look, in bytes: what is left waits for the next one."""
_LINE: Final = 64
"""What a line costs of that beside its bytes, so that many short ones take no longer than others."""
_LONG: Final = 2**24
"""After how many bytes without the end of a line all that is there is passed over: a hole of a terabyte, say."""
_TAIL: Final = 2**22
"""How much is read of a dead workflow's file, in bytes, from its end."""
_HEAD: Final = 2**16
_MOST_FILES: Final = 10_000
_MOST_JOBS: Final = 300_000
"""How many jobs count that have not ended, of all workflows together: three times what a cluster is made for."""
_TRIES: Final = 3
_TOLD: Final = 5
"""How many problems are told one by one."""


@dataclass
class _Follower:
    """One file, and how far it was read."""

    head: bytes
    """A digest of its first line, which is another one each time that the file is written anew."""
    workflow: PublishedWorkflow | None
    """None for a file of another form, which is left alone."""
    offset: int = 0
    cut: bool = False
    """Whether what comes next is the rest of a line that is too long."""
    blind: int = 0
    """How much was read of that line."""
    size: int = 0
    """How large the file was when all of it was read, but for a line that is not whole."""
    behind: int = 0
    """How much of it waits for another look."""
    unread: int = 0
    """Lines that could not be read."""


class Published:
    """All workflows that publish; each call reads what is new. No file keeps the others from counting."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or Path(os.environ.get(DIRECTORY_VARIABLE, DIRECTORY))
        self._followed: dict[Path, _Follower] = {}
        self._runs: deque[tuple[str, float]] = deque(maxlen=_HISTORY)
        self._problems: dict[str, str] = {}
        self._left = 0
        """How much may still be read at this look."""
        self._jobs = 0
        """How many jobs all workflows have."""

    def workflows(self) -> tuple[PublishedWorkflow, ...]:
        """Return the workflows that run now, by the names of their files.

        Half of what may be read is shared out among all files; the rest is for those that have the least left, so that
        no file with much to read keeps others waiting.
        """
        self._problems = {}
        there = dict.fromkeys(self._there())
        self._followed = {path: one for path, one in self._followed.items() if path in there}
        self._jobs = sum(map(_count, self._followed.values()))
        self._left = _LOOK
        share = _LOOK // 2 // max(1, len(there))
        found = {path: self._look(path, share) for path in there}
        behind = {path: one.behind for path, one in self._followed.items() if one.behind}
        for path in sorted(behind, key=lambda path: (found[path] is None, behind[path])):
            if self._left > 0:
                found[path] = self._look(path, self._left)
        return tuple(one for one in found.values() if one)

    def run_times_s(self) -> Mapping[str, float]:
        """Return how long jobs of each name take, from all that ended well."""
        return estimates(self._runs)

    def problems(self) -> tuple[str, ...]:
        """Return what could not be read at the last look, a sentence each."""
        told = [f"{self._directory}/{name}: {why}." for name, why in islice(self._problems.items(), _TOLD)]
        more = len(self._problems) - len(told)
        late = sum(one.behind > 0 for one in self._followed.values())
        has = f"{number(late, 'file')} {'has' if late == 1 else 'have'}"
        return (
            *told, *([f"{self._directory}: {more} more files cannot be read."] if more else []),
            *([f"{self._directory}: {has} more than is read at once; the rest counts from the next looks on."]
              if late else []),
        )  # fmt: skip

    def _there(self) -> list[Path]:
        try:
            with os.scandir(self._directory) as found:
                names = list(islice((one.name for one in found if one.name.endswith(_SUFFIX)), _MOST_FILES + 1))
        except FileNotFoundError:
            return []
        except OSError as error:
            self._problems["."] = _why(error)
            return []
        if len(names) > _MOST_FILES:
            self._problems["."] = f"it has more than {_MOST_FILES} files, and some do not count"
        return [self._directory / name for name in sorted(names[:_MOST_FILES])]

    def _look(self, path: Path, most: int) -> PublishedWorkflow | None:
        """Read so many bytes of what is new of a file; return its workflow if that lives."""
        try:
            for _ in range(_TRIES):
                with files.open_regular(path) as opened:
                    # Before the reading: what a workflow writes last, before it dies, must not be missed.
                    alive = _is_held(opened)
                    if alive or os.path.samestat(path.lstat(), os.fstat(opened.fileno())):
                        return self._follow(path, opened, most, alive=alive)
                    # It was written anew a moment ago: the new file is the held one.
        except FileNotFoundError:
            pass
        except OSError as error:
            self._problems[_named(path)] = _why(error)
        return None

    def _follow(self, path: Path, opened: BinaryIO, most: int, *, alive: bool) -> PublishedWorkflow | None:
        follower = self._follower(path, opened)
        workflow = follower.workflow
        if workflow is None:
            self._problems[_named(path)] = "it is no file of a workflow's, and does not count"
            return None
        before = len(workflow.jobs)
        if alive:
            self._read(follower, workflow, opened, most)
        else:
            self._read_dead(follower, workflow, opened, most)
        self._jobs += len(workflow.jobs) - before
        if not alive:
            return None
        if follower.unread:
            self._problems[_named(path)] = f"lines that cannot be read: {follower.unread}; the others count"
        return workflow

    def _follower(self, path: Path, opened: BinaryIO) -> _Follower:
        line = opened.readline(_HEAD)
        head = hashlib.sha256(line).digest()
        known = self._followed.get(path)
        if known is None or known.head != head:
            self._jobs -= _count(known) if known else 0
            known = self._followed[path] = _Follower(head, published_lines.header(line), len(line))
        return known

    def _read_dead(self, follower: _Follower, workflow: PublishedWorkflow, opened: BinaryIO, most: int) -> None:
        """Read the end of a file at once, or not yet: how long a job took says nothing without its name."""
        size = os.fstat(opened.fileno()).st_size
        if follower.offset < size - _TAIL:
            follower.offset, follower.cut = size - _TAIL, True
        follower.behind = max(0, size - follower.offset)
        if follower.behind <= most:
            self._read(follower, workflow, opened, most)
        workflow.gone()

    def _read(self, follower: _Follower, workflow: PublishedWorkflow, opened: BinaryIO, most: int) -> None:
        size = os.fstat(opened.fileno()).st_size
        follower.behind = 0
        room = _MOST_JOBS - self._jobs + len(workflow.jobs)
        while max(follower.offset, follower.size) < size:
            opened.seek(follower.offset)
            data = opened.read(min(_PIECE, most))
            if (cost := _cost(data)) > most:
                data = data[: len(data) * most // cost]
                cost = _cost(data)
            if not data:
                follower.behind = size - follower.offset
                return
            most, self._left = max(0, most - cost), self._left - cost
            end = data.rfind(b"\n") + 1
            if not end and not follower.cut and len(data) < _PIECE:
                whole = follower.offset + len(data) >= size
                follower.size, follower.behind = (size, 0) if whole else (0, size - follower.offset)
                return
            follower.offset += end or len(data)
            self._piece(follower, workflow, data, end, room)
            if follower.blind >= _LONG:
                follower.offset = max(follower.offset, size)

    def _piece(self, follower: _Follower, workflow: PublishedWorkflow, data: bytes, end: int, room: int) -> None:
        """Take in the lines that end in a piece of a file, of which the last one does so before ``end``."""
        begin = data.find(b"\n") + 1 if follower.cut else 0
        follower.unread += not end and not follower.cut
        follower.cut, follower.blind = not end, 0 if end else follower.blind + len(data)
        events, broken = _parsed(data[begin:end])
        follower.unread += broken + self._take(workflow, events, room)

    def _take(self, workflow: PublishedWorkflow, events: Iterable[Any], room: int) -> int:
        """Take events in; return how many could not be read."""
        broken = 0
        for event in events:
            try:
                taken = published_lines.take(workflow, event, room)
            except UNREADABLE:
                broken += 1
                continue
            if taken:
                self._runs.append(taken)
        return broken


def _parsed(lines: bytes) -> tuple[list[Any], int]:
    """Return what some whole lines say, and how many of them cannot be read."""
    try:
        # One parse of all lines is several times faster than one of each.
        return json.loads(b"[" + lines.rstrip(b"\n").replace(b"\n", b",") + b"]"), 0
    except UNREADABLE:
        pass
    events: list[Any] = []
    broken = 0
    for line in filter(None, lines.split(b"\n")):
        try:
            events.append(json.loads(line))
        except UNREADABLE:
            broken += 1
    return events, broken


def _count(follower: _Follower) -> int:
    return len(follower.workflow.jobs) if follower.workflow else 0


def _cost(data: bytes) -> int:
    return len(data) + _LINE * data.count(b"\n")


def _is_held(opened: BinaryIO) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _named(path: Path) -> str:
    """Return a file's name, which may be any bytes, as text that can be shown."""
    return ascii(path.name)[1:-1][:200]


def _why(error: OSError) -> str:
    return f"it cannot be read: {(error.strerror or str(error)).lower()}"
