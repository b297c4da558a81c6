"""How long jobs take: what is known of their kind, what is left of those that run, and what those say of the others."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from toilctl.values.jobs import Job

_LEAST_RUN_S: Final = 1.0
"""A job takes its engine about this long however little it does."""
_OVERRUN_FACTOR: Final = 2.0
_OVERRUN_LAG_S: Final = 30.0
"""Estimates are averages, and an engine's list lags: a job a little over its estimate is about to end."""
_LIFE_PER_AGE: Final = 2.0
"""Of processes that have run for some time, half run at least as long again.

M. Harchol-Balter and A. B. Downey, "Exploiting process lifetime distributions for dynamic load balancing", ACM
Transactions on Computer Systems 15(3), 1997, measured that.
"""


def estimate(name: str, run_times_s: Mapping[str, float]) -> float | None:
    """Return how many seconds a job of a name takes, None when nobody knows."""
    run_s = run_times_s.get(name)
    return max(run_s, _LEAST_RUN_S) if run_s is not None and math.isfinite(run_s) and run_s >= 0 else None


def raised(run_times_s: Mapping[str, float], running: Iterable[Job], now: datetime) -> Mapping[str, float]:
    """Return the estimates, higher where the jobs that run say so.

    History knows of a kind's jobs only those that have ended, which are at first the short ones. Where half of those
    that run, or more, have overrun their estimate, it is refuted: then the kind is taken to need twice what so many of
    them have run already. A few of many say nothing, since of jobs that run at a moment, long ones are more than of
    all jobs.
    """
    ages = defaultdict[str, list[float]](list)
    for job in running:
        if job.since and not job.service:
            ages[job.name].append(_elapsed_s(job, now))
    found = dict(run_times_s)
    for name, of_name in ages.items():
        run_s, age_s = estimate(name, run_times_s), sorted(of_name)[len(of_name) // 2]
        if run_s is not None and _overran(age_s, run_s):
            found[name] = age_s * _LIFE_PER_AGE
    return found


def left_s(job: Job, run_times_s: Mapping[str, float], now: datetime) -> float | None:
    """Return how long a job is still expected to run; None when nobody knows, as after it overran its estimate."""
    run_s = estimate(job.name, run_times_s)
    if run_s is None:
        return None
    elapsed = _elapsed_s(job, now)
    return None if _overran(elapsed, run_s) else max(0.0, run_s - elapsed)


def _elapsed_s(job: Job, now: datetime) -> float:
    return (now - job.since).total_seconds() if job.since else 0.0


def _overran(elapsed_s: float, run_s: float) -> bool:
    return elapsed_s > max(run_s * _OVERRUN_FACTOR, run_s + _OVERRUN_LAG_S)
