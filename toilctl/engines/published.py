"""What Toil's workflows on the leader publish of their jobs: files that only grow, read as far as they are new.

``toilctl/nodes/plugin/publication/publication.py`` writes them and describes their form. A workflow holds a lock
on its file while it lives; the file of a dead one tells how long jobs took, and nothing else any more.
"""

from __future__ import annotations

import fcntl
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

DIRECTORY: Final = "/var/lib/toilctl/demand"
DIRECTORY_VARIABLE: Final = "TOILCTL_DEMAND_DIR"
_SUFFIX: Final = ".jsonl"
_HISTORY: Final = 20_000
"""How many run times are kept; estimates need the last 50 of each name."""
_PIECE: Final = 2**22
"""How much of a file is read at once, in bytes; a line that is longer than that is none of a workflow's."""
_LOOK: Final = 2**28
"""How much of a file is read at one look, in bytes: what is left waits for the next one."""
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
    """Its first line, which is another one each time that the file is written anew."""
    workflow: PublishedWorkflow | None
    """None for a file of another form, which is left alone."""
    offset: int = 0
    cut: bool = False
    """Whether what comes next is the rest of a line that is too long."""
    unread: int = 0
    """Lines that could not be read."""


class Published:
    """All workflows that publish; each call reads what is new. No file keeps the others from counting."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or Path(os.environ.get(DIRECTORY_VARIABLE, DIRECTORY))
        self._followed: dict[Path, _Follower] = {}
        self._runs: deque[tuple[str, float]] = deque(maxlen=_HISTORY)
        self._problems: dict[str, str] = {}

    def workflows(self) -> tuple[PublishedWorkflow, ...]:
        """Return the workflows that run now, by the names of their files."""
        self._problems = {}
        there = dict.fromkeys(self._there())
        self._followed = {path: one for path, one in self._followed.items() if path in there}
        return tuple(found for path in there if (found := self._look(path)))

    def run_times_s(self) -> Mapping[str, float]:
        """Return how long jobs of each name take, from all that ended well."""
        return estimates(self._runs)

    def problems(self) -> tuple[str, ...]:
        """Return what could not be read at the last look, a sentence each."""
        told = [f"{self._directory}/{name}: {why}." for name, why in islice(self._problems.items(), _TOLD)]
        more = len(self._problems) - len(told)
        return (*told, *([f"{self._directory}: {more} more files cannot be read."] if more else []))

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

    def _look(self, path: Path) -> PublishedWorkflow | None:
        """Read what is new of a file; return its workflow if that lives."""
        try:
            for _ in range(_TRIES):
                with files.open_regular(path) as opened:
                    # Before the reading: what a workflow writes last, before it dies, must not be missed.
                    alive = _is_held(opened)
                    if alive or os.path.samestat(path.lstat(), os.fstat(opened.fileno())):
                        return self._follow(path, opened, alive=alive)
                    # It was written anew a moment ago: the new file is the held one.
        except FileNotFoundError:
            pass
        except OSError as error:
            self._problems[_named(path)] = _why(error)
        return None

    def _follow(self, path: Path, opened: BinaryIO, *, alive: bool) -> PublishedWorkflow | None:
        follower = self._follower(path, opened)
        if follower.workflow is None:
            self._problems[_named(path)] = "it is no file of a workflow's, and does not count"
            return None
        self._read(follower, follower.workflow, opened)
        if not alive:
            follower.workflow.gone()
            return None
        if follower.unread:
            self._problems[_named(path)] = f"lines that cannot be read: {follower.unread}; the others count"
        return follower.workflow

    def _follower(self, path: Path, opened: BinaryIO) -> _Follower:
        head = opened.readline(_HEAD)
        known = self._followed.get(path)
        if known is None or known.head != head:
            known = self._followed[path] = _Follower(head, published_lines.header(head), len(head))
        return known

    def _read(self, follower: _Follower, workflow: PublishedWorkflow, opened: BinaryIO) -> None:
        until = follower.offset + _LOOK
        others = sum(len(one.workflow.jobs) for one in self._followed.values() if one.workflow) - len(workflow.jobs)
        ended = False
        while follower.offset < until:
            opened.seek(follower.offset)
            data = opened.read(_PIECE)
            end = data.rfind(b"\n") + 1
            if not end and len(data) < _PIECE:
                return
            follower.offset += end or len(data)
            begin = data.find(b"\n") + 1 if follower.cut else 0
            follower.unread += not end and not follower.cut
            follower.cut, ended = not end, ended or bool(end)
            events, broken = _parsed(data[begin:end])
            follower.unread += broken + self._take(workflow, events, _MOST_JOBS - others)
        if not ended:
            # A hole of a terabyte, say: looking for its end would cost every look as much.
            follower.offset = max(follower.offset, os.fstat(opened.fileno()).st_size)

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
