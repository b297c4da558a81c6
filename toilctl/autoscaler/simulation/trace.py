"""What a recorded run asked of its cluster: the jobs of ``trace-PID.jsonl`` files, as values.

``toilctl/nodes/plugin/publication/trace.py`` writes them; the lines' form is publication.py's beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from toilctl.values import outside
from toilctl.values.errors import UsageError
from toilctl.values.job_names import kind
from toilctl.values.jobs import Shape

_FORMAT: Final = 1
_KILLED: Final = 137
_MIB: Final = 2**20


@dataclass(frozen=True)
class TraceJob:
    """A job as it arrived and ran."""

    name: str
    shape: Shape
    arrived_s: float
    """Since the recording began."""
    run_s: float
    service: bool = False
    succeeded: bool = True


@dataclass(frozen=True)
class JobTrace:
    """The jobs of a run by their arrival, and what could not be used."""

    jobs: tuple[TraceJob, ...]
    recorded_s: float
    """From the beginning of the first file to the last job's end."""
    unfinished: int
    """Jobs that never ended, or of which nobody knows how long they ran."""
    killed: int
    damaged_lines: int


@dataclass
class _JobRecord:
    """One job's lines."""

    name: str
    shape: Shape
    service: bool
    arrived: float
    """Times are seconds since the epoch."""
    started: float | None = None
    ended: float | None = None
    status: int = 0
    wall_s: float | None = None

    @property
    def killed(self) -> bool:
        return self.ended is not None and self.status == _KILLED and self.wall_s is None

    @property
    def run_s(self) -> float | None:
        """Seconds; None when nobody knows."""
        if self.ended is None or self.started is None:
            return self.wall_s
        return max(0.0, self.ended - self.started)


def read(files: Mapping[str, Iterable[str]]) -> JobTrace:
    """Bring the lines of some files together, by the files' names; a damaged line counts, and nothing else.

    :raises UsageError: for a file that is no trace, and when no job has ended.
    """
    begins, damaged = [], 0
    records: list[_JobRecord] = []
    for name, lines in files.items():
        left = iter(lines)
        begins.append(_begin(name, next(left, "")))
        found, bad = _records(left)
        records += found
        damaged += bad
    trace = _trace(sorted(records, key=lambda one: one.arrived), min(begins, default=0.0), damaged)
    if not trace.jobs:
        raise UsageError(
            f"No job in {', '.join(files)} has ended, so there is nothing to replay.",
            "Take the trace of a run whose jobs did.", files=list(files),
        )  # fmt: skip
    return trace


def _begin(name: str, line: str) -> float:
    """Return when a file was begun, from its first line."""
    try:
        header = outside.document(line)
        known = isinstance(header, dict) and header["toilctl"] == _FORMAT
        # A later generation is of a workflow's published file, which forgets jobs that ended.
        if known and header.get("generation") == 1:
            return _number(header["started"])
    except (ValueError, TypeError, KeyError, OverflowError):
        pass
    raise UsageError(f"{name} is no trace of a run's jobs.", file=name)


def _records(lines: Iterator[str]) -> tuple[list[_JobRecord], int]:
    records: dict[str, _JobRecord] = {}
    damaged = 0
    for line in lines:
        try:
            _take(records, outside.document(line))
        except (ValueError, TypeError, LookupError, OverflowError):
            damaged += 1
    return list(records.values()), damaged


def _take(records: dict[str, _JobRecord], event: Any) -> None:
    """Take in one line's event."""
    if not isinstance(event, list):
        raise TypeError
    what, key = event[0], str(event[1])
    if what == "q":
        _, _, name, cores, memory, disk, preemptible, service, since, *_ = event
        shape = _shape(_number(cores), _number(memory), _number(disk), preemptible == 1)
        records[key] = _JobRecord(kind(str(name)), shape, service == 1, _number(since))
    elif what == "r" and key in records:
        records[key].started = _number(event[3])
    elif what == "e" and key in records:
        _, _, status, wall_s, at, *_ = event
        taken = None if wall_s is None else _number(wall_s)
        one, ended = records[key], _number(at)
        one.status, one.wall_s, one.ended = int(status), taken, ended


def _trace(records: list[_JobRecord], begin: float, damaged: int) -> JobTrace:
    jobs = [
        TraceJob(one.name, one.shape, max(0.0, one.arrived - begin), run_s, one.service, one.status == 0)
        for one in records
        if not one.killed and one.ended is not None and (run_s := one.run_s) is not None
    ]
    killed = sum(one.killed for one in records)
    last = max((one.ended for one in records if one.ended is not None), default=begin)
    return JobTrace(tuple(jobs), max(0.0, last - begin), len(records) - len(jobs) - killed, killed, damaged)


def _number(value: Any) -> float:
    """Return a number that is none of infinity's relatives, nor negative.

    :raises ValueError: for another.
    """
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError
    return number


@lru_cache(maxsize=4096)
def _shape(cores: float, memory: float, disk: float, preemptible: bool) -> Shape:
    # Thousands of jobs have the same: kept once.
    return Shape(cores, math.ceil(memory / _MIB), math.ceil(disk / _MIB), preemptible)
