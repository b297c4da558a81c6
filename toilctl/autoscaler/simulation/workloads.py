"""Jobs that nobody recorded, in the patterns that are hard for an autoscaler. The same seed gives the same jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from toilctl.autoscaler.simulation.trace import JobTrace, TraceJob
from toilctl.values.errors import UsageError
from toilctl.values.jobs import Shape
from toilctl.values.units import DAY_S, HOUR_S

_INTERRUPTIBLE: Final = 0.8
"""Of all jobs, the share that may run on a node that EC2 can take away."""
_SPREAD: Final = 0.5
"""Of the run time's logarithm: of a step's jobs, one in 40 takes more than 2.7 times as long as the median."""
_TAIL: Final = 1.5
"""Pareto's exponent: between 1 and 2 the mean is finite and the variance is not."""
_BURST: Final = (200, 800)
"""The least and the most jobs that a step scatters into."""
_SWING: Final = 0.9
"""How far the rate goes below and above its mean in a day, as a share of it."""
_MOST: Final = (0.8, 0.9)
"""The giant's run time, as a share of the whole."""


class ArrivalPattern(StrEnum):
    """What is hard about the jobs."""

    BURSTS = "bursts"
    """Steps that scatter into hundreds of jobs at once, and nothing between them."""
    LONG_TAILS = "long-tails"
    """Few jobs take most of the time."""
    DIURNAL = "diurnal"
    """Many jobs by day and few at night, from midnight on."""
    GIANT = "giant"
    """A job as large as a node that goes on long after thousands of small ones."""


@dataclass(frozen=True)
class _Step:
    """A step of a workflow: what each of its jobs needs, and how long half of them take at most."""

    name: str
    cores: float
    memory_gib: int
    disk_gib: int
    median_s: float
    weight: int
    """How often it is drawn."""

    def job(self, draw: Random, arrived_s: float, run_s: float | None = None) -> TraceJob:
        """Make a job; its run time is lognormal unless told."""
        taken_s = self.median_s * draw.lognormvariate(0.0, _SPREAD) if run_s is None else run_s
        shape = Shape(self.cores, self.memory_gib * 1024, self.disk_gib * 1024, draw.random() < _INTERRUPTIBLE)
        return TraceJob(self.name, shape, arrived_s, taken_s)


_STEPS: Final = (
    _Step("split", 1, 2, 10, 120, 2),
    _Step("align", 8, 16, 30, 1800, 3),
    _Step("sort", 4, 12, 30, 600, 3),
    _Step("call", 2, 6, 10, 1200, 5),
    _Step("merge", 1, 24, 30, 900, 1),
)
"""As variant calling has them."""
_SMALL: Final = (_Step("count", 1, 2, 2, 90, 3), _Step("filter", 2, 4, 5, 180, 1))
_GIANT: Final = ("assemble", Shape(32, 48 * 1024, 30 * 1024, preemptible=False))


def generate(pattern: ArrivalPattern, jobs: int, seconds: float, seed: int) -> JobTrace:
    """Make exactly so many jobs that arrive within so many seconds.

    :returns: a trace as if each job had started when it arrived.
    :raises UsageError: for less than one job, and for seconds that are not above 0, or infinite.
    """
    if jobs < 1 or not 0 < seconds < math.inf:
        raise UsageError(
            f"There is no trace of {jobs} jobs in {seconds:g} s.", "Ask for at least one job, and some seconds.",
            jobs=jobs, seconds=seconds,
        )  # fmt: skip
    # Of an integer, Random leaves out the sign.
    draw = Random(f"{pattern} {seed}")  # noqa: S311 - no secret
    made = sorted(_MAKERS[pattern](draw, jobs, seconds), key=lambda one: one.arrived_s)
    ended_s = max(one.arrived_s + one.run_s for one in made)
    return JobTrace(tuple(made), ended_s, unfinished=0, killed=0, damaged_lines=0)


def _bursts(draw: Random, jobs: int, seconds: float) -> Iterator[TraceJob]:
    at_s, left = 0.0, jobs
    while left:
        (step,), scattered = _drawn(draw, 1), min(left, draw.randint(*_BURST))
        yield from (step.job(draw, at_s) for _ in range(scattered))
        at_s, left = draw.uniform(0, seconds), left - scattered


def _long_tails(draw: Random, jobs: int, seconds: float) -> Iterator[TraceJob]:
    """Arrive evenly. No job takes longer than all have to arrive: else the longest of many would take weeks."""
    for step in _drawn(draw, jobs):
        least_s = step.median_s / 2 ** (1 / _TAIL)
        yield step.job(draw, draw.uniform(0, seconds), min(seconds, least_s * draw.paretovariate(_TAIL)))


def _diurnal(draw: Random, jobs: int, seconds: float) -> Iterator[TraceJob]:
    for step in _drawn(draw, jobs):
        yield step.job(draw, _by_day(draw, seconds))


def _by_day(draw: Random, seconds: float) -> float:
    """Draw a time by thinning (Lewis and Shedler, 1979): at an hour with half the rate, every other one is kept."""
    while True:
        at_s = draw.uniform(0, seconds)
        rate = 1 - _SWING * math.cos(2 * math.pi * at_s / DAY_S)
        if draw.random() * (1 + _SWING) < rate:
            return at_s


def _giant(draw: Random, jobs: int, seconds: float) -> Iterator[TraceJob]:
    """Arrive within the first hour, the giant within the first minutes."""
    within_s = min(HOUR_S, seconds)
    yield TraceJob(*_GIANT, draw.uniform(0, within_s / 10), seconds * draw.uniform(*_MOST))
    for step in _drawn(draw, jobs - 1, _SMALL):
        yield step.job(draw, draw.uniform(0, within_s))


def _drawn(draw: Random, count: int, among: tuple[_Step, ...] = _STEPS) -> list[_Step]:
    return draw.choices(among, [step.weight for step in among], k=count)


_MAKERS: Final[Mapping[ArrivalPattern, Callable[[Random, int, float], Iterator[TraceJob]]]] = {
    ArrivalPattern.BURSTS: _bursts,
    ArrivalPattern.LONG_TAILS: _long_tails,
    ArrivalPattern.DIURNAL: _diurnal,
    ArrivalPattern.GIANT: _giant,
}
