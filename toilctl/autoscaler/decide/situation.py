"""One tick's view, taken apart once: what every part of a decision looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from toilctl.autoscaler.decide.demand import Queue, queues
from toilctl.autoscaler.decide.interruptions import again
from toilctl.autoscaler.decide.run_times import raised
from toilctl.autoscaler.decide.supply import Supplies
from toilctl.autoscaler.decide.workers import Workers
from toilctl.autoscaler.model.snapshot import Snapshot
from toilctl.values.jobs import Job
from toilctl.values.scaling_policy import Policy


@dataclass(frozen=True)
class Situation:
    """A snapshot with what follows from it alone."""

    snapshot: Snapshot
    policy: Policy
    now: datetime
    workers: Workers
    supplies: Supplies
    again: tuple[Job, ...]
    """Jobs that run on nodes that EC2 takes away, and need another place."""
    queues: tuple[Queue, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, policy: Policy, now: datetime) -> Situation:
        """Take a snapshot apart."""
        workers = Workers.of(snapshot, policy, now)
        supplies = Supplies.of(snapshot, policy, workers, now)
        known = snapshot.demand.run_times_s
        lost = again(workers, known, now)
        demand = replace(snapshot.demand, run_times_s=raised(known, workers.running, now))
        waiting = queues(demand, policy.tuning.target_time_s, lost)
        return cls(snapshot, policy, now, workers, supplies, lost, waiting)
