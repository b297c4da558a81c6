"""What Toil's workflows on the leader publish of their jobs: files that only grow, read as far as they are new.

``toilctl/nodes/plugin/publication/publication.py`` writes them and describes their form. A workflow holds a lock
on its file while it lives; the file of a dead one tells how long jobs took, and nothing else any more.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from toilctl.engines.run_times import estimates
from toilctl.values.job_names import kind
from toilctl.values.jobs import Job, Shape

DIRECTORY: Final = "/var/lib/toilctl/demand"
DIRECTORY_VARIABLE: Final = "TOILCTL_DEMAND_DIR"
FORMAT: Final = 1
_SUFFIX: Final = ".jsonl"
_MIB: Final = 2**20
_HISTORY: Final = 20_000
"""How many run times are kept; estimates need the last 50 of each name."""


@dataclass
class PublishedWorkflow:
    """A workflow that runs, and its jobs that wait or run."""

    framework: str = ""
    """The engine's id of it; empty where nobody knows."""
    name: str = ""
    limits: tuple[str, ...] = ()
    """What its user typed as Toil's own autoscaling options: ``NODE_TYPE=MIN..MAX``."""
    tuning: str = ""
    """How eager scaling is to be, as ``toilctl.values.tuning`` has it, without what was not typed."""
    storage: str = ""
    """Root volumes, as ``toilctl.values.worker_tags`` has them."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """By the id that Toil's batch system gave; a running job's node is a private address, or empty."""
    store_ids: dict[str, str] = field(default_factory=dict)
    """The jobs' names in the job store, by the same ids, where the framework is not known."""


@dataclass
class _Follower:
    """One file, and how far it was read."""

    head: bytes
    """Its first line, which is another one each time that the file is written anew."""
    offset: int = 0
    workflow: PublishedWorkflow = field(default_factory=PublishedWorkflow)
    readable: bool = True
    """False for a file of another form, which is left alone."""


class Published:
    """All workflows that publish; each call reads what is new."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or Path(os.environ.get(DIRECTORY_VARIABLE, DIRECTORY))
        self._followed: dict[Path, _Follower] = {}
        self._runs: deque[tuple[str, float]] = deque(maxlen=_HISTORY)

    def workflows(self) -> tuple[PublishedWorkflow, ...]:
        """Return the workflows that run now, by the time of their start."""
        try:
            there = sorted(path for path in self._directory.iterdir() if path.suffix == _SUFFIX)
        except FileNotFoundError:
            there = []
        alive = {path: found for path in there if (found := self._follow(path))}
        gone = self._followed.keys() - set(there)
        self._followed = {path: one for path, one in self._followed.items() if path not in gone}
        return tuple(one for one in alive.values() if one is not None)

    def run_times_s(self) -> Mapping[str, float]:
        """Return how long jobs of each name take, from all that ended well."""
        return estimates(self._runs)

    def _follow(self, path: Path) -> PublishedWorkflow | None:
        """Read what is new of a file; return its workflow if that lives."""
        try:
            with path.open("rb") as opened:
                # Before the reading: what a workflow writes last, before it dies, must not be missed.
                alive = _is_held(opened)
                if not alive and not os.path.samestat(path.stat(), os.fstat(opened.fileno())):
                    # It was written anew a moment ago: the new file is the held one.
                    return self._follow(path)
                follower = self._follower(path, opened)
                self._read(follower, opened)
        except FileNotFoundError:
            return None
        return follower.workflow if alive and follower.readable else None

    def _follower(self, path: Path, opened: BinaryIO) -> _Follower:
        head = opened.readline()
        known = self._followed.get(path)
        if known is None or known.head != head:
            known = self._followed[path] = _Follower(head)
        return known

    def _read(self, follower: _Follower, opened: BinaryIO) -> None:
        opened.seek(follower.offset)
        data = opened.read()
        whole = data[: data.rfind(b"\n") + 1]
        if not whole or not follower.readable:
            return
        first, follower.offset = follower.offset == 0, follower.offset + len(whole)
        try:
            # One parse of all lines is several times faster than one of each.
            lines = json.loads(b"[" + whole[:-1].replace(b"\n", b",") + b"]")
            if first:
                follower.readable = _take_header(follower.workflow, lines.pop(0))
            if follower.readable:
                self._runs.extend(_take(follower.workflow, lines))
        except (ValueError, TypeError, IndexError):
            # Somebody else's, or a damaged one: the others count all the same.
            follower.readable = False


def _is_held(opened: BinaryIO) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _take_header(workflow: PublishedWorkflow, header: Any) -> bool:
    if not isinstance(header, dict) or header.get("toilctl") != FORMAT:
        return False
    workflow.framework, workflow.name = str(header.get("framework", "")), str(header.get("name", ""))
    workflow.limits = tuple(map(str, header.get("limits", ())))
    workflow.tuning, workflow.storage = str(header.get("tuning", "")), str(header.get("storage", ""))
    return True


def _take(workflow: PublishedWorkflow, events: list[Any]) -> Iterator[tuple[str, float]]:
    """Take events in; yield name and seconds of each job that ended well."""
    jobs, prefix = workflow.jobs, workflow.framework
    for event in events:
        what, key = event[0], event[1]
        if what == "q":
            _, _, name, cores, memory, disk, preemptible, service, since, store_id = event
            shape = _shape(cores, memory, disk, preemptible)
            jobs[key] = Job(f"{prefix}/{key}", kind(name), shape, None, _time(since), service == 1)
            if not prefix:
                workflow.store_ids[key] = store_id
        elif what == "r" and key in jobs:
            jobs[key] = _running(jobs[key], event[2], _time(event[3]))
        elif what == "e" and (job := jobs.pop(key, None)):
            workflow.store_ids.pop(key, None)
            if event[2] == 0 and event[3] is not None:
                yield job.name, float(event[3])
        elif what == "t":
            yield kind(str(key)), float(event[2])


def _running(job: Job, node: str, since: datetime) -> Job:
    return Job(job.job_id, job.name, job.shape, node, since, job.service)


@lru_cache(maxsize=4096)
def _shape(cores: float, memory: int, disk: int, preemptible: int) -> Shape:
    # Thousands of jobs have the same: kept once.
    return Shape(float(cores), -(-memory // _MIB), -(-disk // _MIB), preemptible == 1)


@lru_cache(maxsize=4096)
def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
