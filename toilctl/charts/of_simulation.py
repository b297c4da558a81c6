"""What a simulation did, as a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import accumulate, pairwise

from toilctl.autoscaler.simulation.outcome import JobRun, LostRun, NodeLife, Simulated
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.charts.picture import INTERRUPTION, Mark, Picture, Steps, counted, sampled
from toilctl.values.node_types import stacking_order
from toilctl.values.units import HOUR_S


def picture_of(found: Simulated, title: str) -> Picture:
    """Draw up what a simulation did. Jobs that never ran are not in it; those that ran in vain wait again."""
    kinds = {life.node_type for life in found.lives}
    return Picture(
        title=title,
        waiting=counted(_waits(found)),
        running=counted((run.started_s, run.ended_s) for run in _runs(found)),
        nodes={
            kind: counted((life.launched_s, life.ended_s) for life in found.of(kind))
            for kind in sorted(kinds, key=stacking_order)
        },
        usd=_spent(found.lives),
        marks=tuple(Mark(life.ended_s, INTERRUPTION) for life in found.lives if life.interrupted),
    )


def _runs(found: Simulated) -> tuple[JobRun | LostRun, ...]:
    return *found.runs, *found.lost


def _waits(found: Simulated) -> Iterator[tuple[float, float]]:
    """Yield when jobs wait: from their arrival until they run, and from each run in vain until the next."""
    lost_s: defaultdict[TraceJob, list[float]] = defaultdict(list)
    for run in sorted(_runs(found), key=lambda one: (one.started_s, one.ended_s)):
        ends_s = lost_s.get(run.job)
        # Of jobs that are equal in all, any may be the one that comes back: that changes no count.
        yield heappop(ends_s) if ends_s and ends_s[0] <= run.started_s else run.job.arrived_s, run.started_s
        if isinstance(run, LostRun):
            heappush(lost_s[run.job], run.ended_s)


def _spent(lives: Iterable[NodeLife]) -> Steps:
    """Return what nodes have cost until each moment at which one comes or goes, in USD."""
    rates: defaultdict[float, float] = defaultdict(float)
    for life in lives:
        rates[life.launched_s] += life.usd_per_hour
        rates[life.ended_s] -= life.usd_per_hour
    times = sorted(rates)
    usd = accumulate(_costs(times, rates), initial=0.0)
    return sampled(Steps(tuple(times), tuple(usd) if times else ()))


def _costs(times: list[float], rates: Mapping[float, float]) -> Iterator[float]:
    """Yield what each interval costs; rates are changes of the cost in USD per hour."""
    rate = 0.0
    for begin_s, end_s in pairwise(times):
        rate += rates[begin_s]
        yield rate * (end_s - begin_s) / HOUR_S
