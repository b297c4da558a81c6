"""A node in simulated time, and the jobs that run there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from toilctl.autoscaler.model.snapshot import NodeView, NoticeKind, Offer, Offering, SpotNotice
from toilctl.autoscaler.simulation.outcome import NodeLife
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.cluster import NodeState
from toilctl.values.jobs import Job, Shape

_BEGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Simulated time has to begin at some moment; none is special."""
_ROUNDING: Final = 1e-6


def at(seconds: float) -> datetime:
    """Return a moment of simulated time."""
    return _BEGIN + timedelta(seconds=seconds)


def seconds(moment: datetime) -> float:
    """Return a moment of simulated time in seconds: what ``at`` was given, to the microsecond."""
    return (moment - _BEGIN).total_seconds()


class Entry(NamedTuple):
    """A job that waits or runs; of the waiting ones, engine and autoscaler need no more than what they count by."""

    number: int
    """By arrival."""
    traced: TraceJob
    losses: int = 0
    """How often it has lost its node."""

    @property
    def job_id(self) -> str:
        """What its engine calls it."""
        return f"job-{self.number}"


class _Running(NamedTuple):
    """A job that runs, also as its engine tells of it."""

    entry: Entry
    job: Job


@dataclass(eq=False)
class SimulatedNode:
    """A node, and its free room."""

    instance_id: str
    offer: Offer
    offering: Offering
    launched_s: float
    number: int
    joined_s: float | None = None
    jobs: dict[str, _Running] = field(default_factory=dict)
    """Those that run here, by id."""
    since_s: float = 0.0
    """Since when it runs something, or nothing."""
    busy_s: float = 0.0
    """Before the jobs that run here now."""
    cores: float = 0.0
    memory_mib: int = 0
    disk_mib: int = 0
    draining: bool = False
    """Whether it gets no more jobs."""
    noticed_s: float | None = None
    """When EC2 gave notice that it takes the node away; None before."""
    takes_s: float = 0.0
    """When it does, after a notice."""
    _seen: NodeView | None = None
    """What it looks like; None when that has changed since it was last looked at."""

    def __post_init__(self) -> None:
        self._empty()

    def fits(self, shape: Shape) -> bool:
        """Tell whether a job of a shape can start here now."""
        return (
            not self.draining
            and shape.cores <= self.cores + _ROUNDING
            and shape.memory_mib <= self.memory_mib
            and shape.disk_mib <= self.disk_mib
            and (shape.preemptible or not self.offer.node_type.preemptible)
        )

    def join(self, now_s: float) -> None:
        """Take jobs from now on."""
        self._seen = None
        self.joined_s = self.since_s = now_s

    def warn(self, now_s: float, takes_s: float) -> None:
        """Take EC2's notice that the node goes then."""
        self._seen = None
        self.noticed_s, self.takes_s = now_s, takes_s

    def drain(self) -> None:
        """Take no more jobs."""
        self._seen = None
        self.draining = True

    def undrain(self) -> None:
        """Take jobs again."""
        self._seen = None
        self.draining = False

    def start(self, entry: Entry, now_s: float) -> None:
        """Let a job run here."""
        self._seen = None
        if not self.jobs:
            self.since_s = now_s
        traced, shape = entry.traced, entry.traced.shape
        job = Job(entry.job_id, traced.name, shape, self.instance_id, at(now_s), traced.service)
        self.jobs[job.job_id] = _Running(entry, job)
        self.cores -= shape.cores
        self.memory_mib -= shape.memory_mib
        self.disk_mib -= shape.disk_mib

    def end(self, job_id: str, now_s: float) -> None:
        """Take back the room of a job."""
        self._seen = None
        shape = self.jobs.pop(job_id).job.shape
        self.cores += shape.cores
        self.memory_mib += shape.memory_mib
        self.disk_mib += shape.disk_mib
        if not self.jobs:
            self._empty()
            self.busy_s += now_s - self.since_s
            self.since_s = now_s

    def _empty(self) -> None:
        # Thousands of fractions, added and taken away, do not come back to the same.
        whole = self.offer.resources
        self.cores, self.memory_mib, self.disk_mib = whole.cores, whole.memory_mib, whole.disk_mib

    def order(self) -> tuple[bool, float, float, int]:
        """Sort as ``decide`` expects jobs to be placed: the fullest node first, then the cheapest, then the oldest."""
        return not self.jobs, self.cores, self.offer.usd_per_hour, self.number

    def view(self) -> NodeView:
        """Return it as the autoscaler sees it."""
        if self._seen is None:
            self._seen = self._view()
        return self._seen

    def _view(self) -> NodeView:
        there = self.joined_s is not None
        joined = NodeState.DRAINING if self.draining else NodeState.JOINED
        heard_s = self.noticed_s
        instance_type, zone = self.offering.instance_type, self.offering.zone
        return NodeView(
            self.instance_id, self.offer.node_type, instance_type, zone, "running", at(self.launched_s),
            intent="simulated",
            engine_state=joined if there else None,
            running=tuple(self.jobs),
            resources=self.offer.resources if there else None,
            idle_since=at(self.since_s) if there and not self.jobs else None,
            joined_before=there,
            set_up_by="" if there else "simulated",
            usd_per_hour=self.offer.usd_per_hour,
            beside_usd_per_hour=self.offer.beside_usd_per_hour,
            notice=None if heard_s is None else SpotNotice(NoticeKind.TERMINATE, at(heard_s), at(self.takes_s)),
        )  # fmt: skip

    def life(self, now_s: float, *, interrupted: bool = False) -> NodeLife:
        """Return its life, which ends now."""
        busy_s = self.busy_s + (now_s - self.since_s if self.jobs else 0.0)
        return NodeLife(
            self.instance_id, self.offer.node_type, self.launched_s, self.joined_s, now_s, busy_s,
            self.offer.usd_per_hour, self.offering.instance_type, self.offering.zone, interrupted,
            self.noticed_s,
        )  # fmt: skip
