"""How many slots waiting jobs need so that all have run within the target time, and which running jobs make place."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nsmallest
from itertools import chain
from typing import Final

from toilctl.autoscaler.decide.run_times import estimate, left_s
from toilctl.values.capacity import Resources
from toilctl.values.jobs import Demand, Job, Shape

NAMES_SHOWN: Final = 3
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Queue:
    """Waiting jobs of one shape that are treated alike."""

    shape: Shape
    count: int
    names: tuple[str, ...]
    """Some of the jobs' names, sorted."""
    service: bool = False
    held: str = ""
    """Why the engine would not run them even on an empty node."""
    short: Mapping[float, int] = field(default_factory=dict)
    """How many of the jobs take how many seconds; less than the target time. The others need a slot each."""

    def slots(self, target_s: float, elsewhere: int = 0) -> int:
        """Return how many must run at the same time.

        :param elsewhere: how many of the short jobs, longest first, are done by slots that are busy now.
        """
        share = 0.0
        for run_s in sorted(self.short, reverse=True):
            done = min(elsewhere, self.short[run_s])
            elsewhere -= done
            share += (self.short[run_s] - done) / math.floor(target_s / run_s)
        return self.count - sum(self.short.values()) + math.ceil(share - _ROUNDING)


def queues(demand: Demand, target_s: float, again: Iterable[Job] = ()) -> tuple[Queue, ...]:
    """Group the waiting jobs, by shape and by whether they are services or held; sorted.

    :param again: running jobs that will need another place.
    """
    # Plain tuples hash several times faster than shapes, and there may be 100,000 jobs.
    counts = Counter(
        (job.shape.cores, job.shape.memory_mib, job.shape.disk_mib, job.shape.preemptible,
         job.service, job.held, job.name)
        for job in chain((job for job in demand.jobs if job.node is None), again)
    )  # fmt: skip
    for job, count in demand.counted:
        shape = job.shape
        alike = shape.cores, shape.memory_mib, shape.disk_mib, shape.preemptible, job.service, job.held, job.name
        counts[alike] += count
    grouped: dict[tuple[float, int, int, bool, bool, str], list[tuple[str, int]]] = {}
    for (*key, name), count in counts.items():
        grouped.setdefault(tuple(key), []).append((name, count))  # type: ignore[arg-type]
    return tuple(_queue(key, grouped[key], demand.run_times_s, target_s) for key in sorted(grouped))


def _queue(
    key: tuple[float, int, int, bool, bool, str],
    names: Sequence[tuple[str, int]],
    run_times_s: Mapping[str, float],
    target_s: float,
) -> Queue:
    cores, memory_mib, disk_mib, preemptible, service, held = key
    short: Counter[float] = Counter()
    for name, count in names:
        run_s = estimate(name, run_times_s)
        # What runs until others are done, or longer than the target time, makes no place for another in time.
        if run_s is not None and run_s < target_s and not service:
            short[run_s] += count
    return Queue(
        Shape(cores, memory_mib, disk_mib, preemptible),
        sum(count for _, count in names),
        tuple(nsmallest(NAMES_SHOWN, (name for name, _ in names))),
        service, held, short,
    )  # fmt: skip


@dataclass
class Turnover:
    """Running short jobs of one shape, on preemptible nodes or on others: when they end, others run there."""

    shape: Shape
    preemptible: bool
    slots: int = 0
    seconds: float = 0.0
    """What is left of the target time after they end, over all slots."""

    def take(self, shape: Shape, run_s: float, count: int) -> int:
        """Let up to so many jobs run here; return how many do."""
        side_by_side = 0 if self.preemptible and not shape.preemptible else times(shape, self.shape)
        jobs = min(count, side_by_side * self.slots * math.floor(self.seconds / self.slots / run_s + _ROUNDING))
        if jobs:
            self.seconds -= jobs * run_s / side_by_side
        return jobs


def turnovers(
    running: Iterable[Job], hosts: Mapping[str, bool], run_times_s: Mapping[str, float], target_s: float, now: datetime
) -> list[Turnover]:
    """Find the slots that will be free within the target time.

    :param hosts: the nodes that will take other jobs afterwards, and whether each is preemptible.
    """
    found: dict[tuple[Shape, bool], Turnover] = {}
    for job in running:
        left = None if job.service else left_s(job, run_times_s, now)
        if job.node is None or job.node not in hosts or left is None or left >= target_s:
            continue
        preemptible = hosts[job.node]
        one = found.setdefault((job.shape, preemptible), Turnover(job.shape, preemptible))
        one.slots += 1
        one.seconds += target_s - left
    return [found[key] for key in sorted(found)]


def reuse(waiting: Sequence[Queue], slots: Sequence[Turnover]) -> tuple[int, ...]:
    """Return how many short jobs of each queue the slots of running jobs can do as well; big shapes choose first."""
    taken = [0] * len(waiting)
    for number in sorted(range(len(waiting)), key=lambda one: waiting[one].shape, reverse=True):
        taken[number] = sum(_taken(waiting[number], slots)) if slots else 0
    return tuple(taken)


def _taken(queue: Queue, slots: Sequence[Turnover]) -> Iterator[int]:
    for run_s in sorted(queue.short, reverse=True):
        left = queue.short[run_s]
        for one in slots:
            if left == 0:
                break
            jobs = one.take(queue.shape, run_s, left)
            left -= jobs
            yield jobs


def times(inner: Shape, outer: Shape | Resources) -> int:
    """Return how often a shape fits into the place of another, or into a node."""
    pairs = (
        (inner.cores, outer.cores), (inner.memory_mib, outer.memory_mib), (inner.disk_mib, outer.disk_mib),
    )  # fmt: skip
    return min((math.floor(there / needed + _ROUNDING) for needed, there in pairs if needed), default=1)
