"""One tick's view, taken apart once: what every part of a decision looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from toilctl.autoscaler.demand import Queue, queues
from toilctl.autoscaler.fleet import Fleet
from toilctl.autoscaler.interrupted import again
from toilctl.autoscaler.market import Market
from toilctl.autoscaler.model import Job, Snapshot
from toilctl.autoscaler.policy import Policy


@dataclass(frozen=True)
class Tick:
    """A snapshot with what follows from it alone."""

    snapshot: Snapshot
    policy: Policy
    now: datetime
    fleet: Fleet
    market: Market
    again: tuple[Job, ...]
    """Jobs that run on nodes that EC2 takes away, and need another place."""
    queues: tuple[Queue, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, policy: Policy, now: datetime) -> Tick:
        """Take a snapshot apart."""
        fleet = Fleet.of(snapshot, policy, now)
        market = Market.of(snapshot, policy, fleet, now)
        lost = again(fleet, snapshot.demand.run_times_s, now)
        waiting = queues(snapshot.demand, policy.tuning.target_time_s, lost)
        return cls(snapshot, policy, now, fleet, market, lost, waiting)
