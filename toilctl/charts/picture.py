"""What a plot shows, as values: jobs, nodes and cost over time, of a simulation or of anything else that has them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Final

from toilctl.values.node_types import NodeType

MOST_POINTS: Final = 2000
"""More than a plot has dots beside each other."""
INTERRUPTION: Final = "interruption"


@dataclass(frozen=True)
class Steps:
    """A step function of time: value i holds from ``times_s[i]`` until the next; before the first, it is 0.

    Times are seconds since the beginning, ascending.
    """

    times_s: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, time_s: float) -> float:
        """Return the value at a time."""
        place = bisect_right(self.times_s, time_s)
        return self.values[place - 1] if place else 0.0

    @property
    def highest(self) -> float:
        """The highest value."""
        return max(self.values, default=0.0)


@dataclass(frozen=True)
class Mark:
    """Something that happened to the nodes, such as an interruption; marks of one text are of one kind."""

    at_s: float
    text: str


@dataclass(frozen=True)
class Span:
    """What held for a while and concerns all, such as a pause; spans of one text are of one kind."""

    begin_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Picture:
    """Jobs, nodes and cost over time."""

    title: str
    waiting: Steps
    """How many jobs wait."""
    running: Steps
    nodes: Mapping[NodeType, Steps]
    """How many nodes of each type cost money, in the order in which they are to be stacked."""
    usd: Steps
    """What was spent until each of the times; between two of them it grows evenly."""
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()
    began_at: datetime | None = None
    """When second 0 was; None where time is simulated."""

    @property
    def ends_s(self) -> float:
        """When the last change is; 0 when there is none."""
        steps = (self.waiting, self.running, *self.nodes.values(), self.usd)
        return max((one.times_s[-1] for one in steps if one.times_s), default=0.0)


def counted(spans: Iterable[tuple[float, float]]) -> Steps:
    """Return how many of some spans of time, each from its first second until before its last, hold at once."""
    changes: defaultdict[float, int] = defaultdict(int)
    for began_s, ended_s in spans:
        changes[began_s] += 1
        changes[ended_s] -= 1
    times = sorted(time_s for time_s, change in changes.items() if change)
    return thinned(Steps(tuple(times), tuple(accumulate(changes[time_s] for time_s in times))))


def thinned(steps: Steps, most: int = MOST_POINTS) -> Steps:
    """Return steps of at most so many points; those that have no more stay as they are.

    Of others, time is cut into ``most - 1`` equal intervals, and each shows its highest value. So a peak never
    vanishes, however short it is; what lies between two peaks of an interval does. The last value is kept.
    """
    if len(steps.times_s) <= most:
        return steps
    edges = _edges(steps, most)
    peaks = [max(steps.values[slice(*_within(steps, *interval))]) for interval in pairwise(edges)]
    return stepped(zip(edges, [*peaks, steps.values[-1]], strict=True))


def _within(steps: Steps, begin_s: float, end_s: float) -> tuple[int, int]:
    """Return the first place of the values that hold in an interval, and that behind the last."""
    return bisect_right(steps.times_s, begin_s) - 1, bisect_left(steps.times_s, end_s)


def _edges(steps: Steps, count: int) -> list[float]:
    """Return times at equal distances, from the first to the last."""
    first, last = steps.times_s[0], steps.times_s[-1]
    return [first + (last - first) * number / (count - 1) for number in range(count - 1)] + [last]


def stepped(points: Iterable[tuple[float, float]]) -> Steps:
    """Return points, ascending in time, as steps; those at which nothing changes are left out."""
    kept: list[tuple[float, float]] = []
    for time_s, value in points:
        if not kept or kept[-1][1] != value:
            kept.append((time_s, value))
    return Steps(tuple(time_s for time_s, _ in kept), tuple(value for _, value in kept))


def peaks(steps: Steps, ends_s: float, count: int) -> tuple[float, ...]:
    """Return the highest value in each of so many equal parts of the time from 0 on; none when there is no time."""
    edges = [ends_s * number / count for number in range(count + 1)] if ends_s > 0 else []
    return tuple(max(steps.at(begin_s), *_changes(steps, begin_s, end_s)) for begin_s, end_s in pairwise(edges))


def _changes(steps: Steps, begin_s: float, end_s: float) -> tuple[float, ...]:
    """Return what values change to from a time on and before another, and a 0."""
    return *steps.values[bisect_left(steps.times_s, begin_s) : bisect_left(steps.times_s, end_s)], 0.0


def sampled(line: Steps) -> Steps:
    """Return a line with at most ``MOST_POINTS`` points, all of them on it, and the last one kept."""
    if len(line.times_s) <= MOST_POINTS:
        return line
    edges = _edges(line, MOST_POINTS)
    between = [_interpolated(line, time_s) for time_s in edges[:-1]]
    return Steps(tuple(edges), (*between, line.values[-1]))


def _interpolated(line: Steps, time_s: float) -> float:
    """Return a line's value at a time from the first on, and before the last."""
    after = bisect_right(line.times_s, time_s)
    begin_s, end_s = line.times_s[after - 1 : after + 1]
    begin, end = line.values[after - 1 : after + 1]
    return begin + (end - begin) * (time_s - begin_s) / (end_s - begin_s)
