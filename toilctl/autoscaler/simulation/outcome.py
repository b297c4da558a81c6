"""What came of a simulation: each node's life and each job's start, and the sums that people ask for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from toilctl.autoscaler.model.plan import Infeasible, Waiting
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.node_types import NodeType
from toilctl.values.units import HOUR_S

_MOST_WAIT_LESS: Final = 0.95


@dataclass(frozen=True)
class NodeLife:
    """A node from its launch to its end; times are seconds of the simulation."""

    instance_id: str
    node_type: NodeType
    launched_s: float
    joined_s: float | None
    """None when it went, or the simulation ended, before."""
    ended_s: float
    busy_s: float
    """How long it ran at least one job."""
    usd_per_hour: float
    instance_type: str = ""
    """Which of its node type's was had."""
    zone: str = ""
    interrupted: bool = False
    """Whether EC2 took it away."""
    noticed_s: float | None = None
    """When EC2 gave notice of that; None when it did not."""

    @property
    def seconds(self) -> float:
        """How long it cost money."""
        return self.ended_s - self.launched_s

    @property
    def idle_s(self) -> float:
        """How long it could have run jobs, and ran none."""
        return 0.0 if self.joined_s is None else self.ended_s - self.joined_s - self.busy_s

    @property
    def usd(self) -> float:
        """What it cost."""
        return self.seconds * self.usd_per_hour / HOUR_S


@dataclass(frozen=True)
class JobRun:
    """A job, where it ran to its end, and since when."""

    job: TraceJob
    instance_id: str
    started_s: float

    @property
    def ended_s(self) -> float:
        """When it ended."""
        return self.started_s + self.job.run_s

    @property
    def waited_s(self) -> float:
        """How long it waited, with the time in which it ran in vain."""
        return self.started_s - self.job.arrived_s


@dataclass(frozen=True)
class LostRun:
    """A job's run in vain, since its node went; it began again, or was given up."""

    job: TraceJob
    instance_id: str
    started_s: float
    ended_s: float

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self.ended_s - self.started_s


@dataclass(frozen=True)
class WaitTimes:
    """How long jobs waited, in seconds; 0 when there are none."""

    median_s: float
    most_s: float
    """95 in 100 waited no longer."""
    longest_s: float


@dataclass(frozen=True)
class Simulated:
    """Everything that happened."""

    lives: tuple[NodeLife, ...]
    """By launch."""
    runs: tuple[JobRun, ...]
    """By start."""
    infeasible: tuple[Infeasible, ...] = ()
    """Jobs that no allowed node type can run, one for each shape, by shape."""
    stuck: int = 0
    """Jobs that waited when nothing happened any more, or lost their node too often."""
    lost: tuple[LostRun, ...] = ()
    """By end."""
    refusals: int = 0
    """How often an offering that a launch asked for had no capacity."""
    waiting: tuple[Waiting, ...] = ()
    """Those of the stuck jobs that waited to the end, and why, by shape; the others lost their node too often."""

    @property
    def interruptions(self) -> int:
        """How many nodes EC2 took away."""
        return sum(life.interrupted for life in self.lives)

    @property
    def lost_s(self) -> float:
        """What jobs ran in vain, in job-seconds: of two that a node ran when it went, both count."""
        return math.fsum(run.seconds for run in self.lost)

    @property
    def makespan_s(self) -> float:
        """From the beginning to the last job's end."""
        return max((run.ended_s for run in self.runs), default=0.0)

    @property
    def usd(self) -> float:
        """What all nodes cost."""
        return math.fsum(life.usd for life in self.lives)

    @cached_property
    def waits(self) -> WaitTimes:
        """How long jobs waited."""
        waited = sorted(run.waited_s for run in self.runs)
        return WaitTimes(_share(waited, 0.5), _share(waited, _MOST_WAIT_LESS), _share(waited, 1.0))

    def of(self, node_type: NodeType) -> tuple[NodeLife, ...]:
        """Return the lives of a node type's nodes."""
        return tuple(life for life in self.lives if life.node_type == node_type)


def most_at_once(lives: Iterable[NodeLife]) -> int:
    """Return how many nodes there were at most; one that goes makes place for one that comes at the same time."""
    changes = sorted(change for life in lives for change in ((life.launched_s, 1), (life.ended_s, -1)))
    most = there = 0
    for _, change in changes:
        there += change
        most = max(most, there)
    return most


def _share(ordered: list[float], share: float) -> float:
    """Return the least value that is not below a share of all."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0
