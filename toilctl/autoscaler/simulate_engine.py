"""An engine's stand-in in simulated time: nodes that boot, join and go, and jobs that are placed on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from toilctl.autoscaler.model import Job, NodeView, Offer, Offering, Shape
from toilctl.autoscaler.simulated import JobRun, LostRun, NodeLife
from toilctl.autoscaler.trace import TraceJob
from toilctl.cluster import NodeState

_BEGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Simulated time has to begin at some moment; none is special."""
_ROUNDING: Final = 1e-6
MOST_LOSSES: Final = 20
"""A job that loses its node so often is given up: one that takes much longer than nodes live would never end."""


def at(seconds: float) -> datetime:
    """Return a moment of simulated time."""
    return _BEGIN + timedelta(seconds=seconds)


def seconds(moment: datetime) -> float:
    """Return a moment of simulated time in seconds: what ``at`` was given, to the microsecond."""
    return (moment - _BEGIN).total_seconds()


class _Entry(NamedTuple):
    """A job that waits or runs."""

    number: int
    """By arrival."""
    job: Job
    traced: TraceJob
    losses: int = 0
    """How often it has lost its node."""


@dataclass(eq=False)
class Node:
    """A node, and its free room."""

    instance_id: str
    offer: Offer
    offering: Offering
    launched_s: float
    number: int
    joined_s: float | None = None
    jobs: dict[str, _Entry] = field(default_factory=dict)
    """Those that run here, by id."""
    since_s: float = 0.0
    """Since when it runs something, or nothing."""
    busy_s: float = 0.0
    """Before the jobs that run here now."""
    cores: float = 0.0
    memory_mib: int = 0
    disk_mib: int = 0

    def __post_init__(self) -> None:
        self._empty()

    def fits(self, shape: Shape) -> bool:
        """Tell whether a job of a shape can start here now."""
        return (
            shape.cores <= self.cores + _ROUNDING
            and shape.memory_mib <= self.memory_mib
            and shape.disk_mib <= self.disk_mib
            and (shape.preemptible or not self.offer.node_type.preemptible)
        )

    def start(self, entry: _Entry, now_s: float) -> None:
        """Let a job run here."""
        if not self.jobs:
            self.since_s = now_s
        job = replace(entry.job, node=self.instance_id, since=at(now_s))
        self.jobs[job.job_id] = entry._replace(job=job)
        self.cores -= job.shape.cores
        self.memory_mib -= job.shape.memory_mib
        self.disk_mib -= job.shape.disk_mib

    def end(self, job_id: str, now_s: float) -> None:
        """Take back the room of a job."""
        job = self.jobs.pop(job_id).job
        self.cores += job.shape.cores
        self.memory_mib += job.shape.memory_mib
        self.disk_mib += job.shape.disk_mib
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
        there = self.joined_s is not None
        instance_type, zone = self.offering.instance_type, self.offering.zone
        return NodeView(
            self.instance_id, self.offer.node_type, instance_type, zone, "running", at(self.launched_s),
            intent="simulated",
            engine_state=NodeState.JOINED if there else None,
            running=tuple(self.jobs),
            resources=self.offer.resources if there else None,
            idle_since=at(self.since_s) if there and not self.jobs else None,
            joined_before=there,
            set_up_by="" if there else "simulated",
            usd_per_hour=self.offer.usd_per_hour,
        )  # fmt: skip

    def life(self, now_s: float, *, interrupted: bool = False) -> NodeLife:
        """Return its life, which ends now."""
        busy_s = self.busy_s + (now_s - self.since_s if self.jobs else 0.0)
        return NodeLife(
            self.instance_id, self.offer.node_type, self.launched_s, self.joined_s, now_s, busy_s,
            self.offer.usd_per_hour, self.offering.instance_type, self.offering.zone, interrupted,
        )  # fmt: skip


class Engine:
    """Nodes and jobs. Jobs start in the order of their arrival, and a later one where an earlier one has no room."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.runs: dict[str, JobRun] = {}
        """Of jobs that run or ended, by id, in the order of their start."""
        self.lost: list[LostRun] = []
        self.given_up = 0
        """Jobs that have lost their node too often."""
        self._queues: dict[Shape, deque[_Entry]] = {}
        self._blocked: set[Shape] = set()
        """Shapes that have no room on any node, but perhaps on those that changed since."""
        self._changed: set[Node] = set()
        self._numbers = 0
        self.waiting = self.running = self.booting = 0
        """How many jobs, and nodes."""

    @property
    def shapes(self) -> Iterable[Shape]:
        """Those of waiting jobs."""
        return self._queues.keys()

    def jobs(self) -> Iterator[Job]:
        """Return all jobs, as the engine tells of them."""
        for queue in self._queues.values():
            for entry in queue:
                yield entry.job
        for node in self.nodes.values():
            for entry in node.jobs.values():
                yield entry.job

    def arrive(self, job: TraceJob) -> None:
        """Queue a job."""
        self._numbers += 1
        known = Job(f"job-{self._numbers}", job.name, job.shape, None, at(job.arrived_s), job.service)
        self._queues.setdefault(job.shape, deque()).append(_Entry(self._numbers, known, job))
        self.waiting += 1

    def launch(self, offer: Offer, offering: Offering, now_s: float) -> Node:
        """Add a node that boots."""
        self._numbers += 1
        node = Node(f"i-{self._numbers}", offer, offering, now_s, self._numbers)
        self.nodes[node.instance_id] = node
        self.booting += 1
        return node

    def join(self, node: Node, now_s: float) -> None:
        """Let a node take jobs."""
        node.joined_s = node.since_s = now_s
        self.booting -= 1
        self._changed.add(node)

    def end(self, node: Node, job_id: str, now_s: float) -> None:
        """Let a job end."""
        node.end(job_id, now_s)
        self.running -= 1
        self._changed.add(node)

    def remove(self, node: Node, now_s: float, *, interrupted: bool = False) -> NodeLife:
        """Remove a node; what runs there waits again, in front of younger jobs of its shape."""
        del self.nodes[node.instance_id]
        self._changed.discard(node)
        self.booting -= node.joined_s is None
        life = node.life(now_s, interrupted=interrupted)
        # The youngest first, so that each of the others goes to the very front.
        for entry in sorted(node.jobs.values(), reverse=True):
            self._lose(entry, node, now_s)
        node.jobs.clear()
        return life

    def _lose(self, entry: _Entry, node: Node, now_s: float) -> None:
        run, losses = self.runs.pop(entry.job.job_id), entry.losses + 1
        self.lost.append(LostRun(run.job, node.instance_id, run.started_s, now_s))
        self.running -= 1
        if losses >= MOST_LOSSES:
            self.given_up += 1
            return
        job = replace(entry.job, node=None, since=at(run.job.arrived_s))
        self._return(entry._replace(job=job, losses=losses))

    def _return(self, entry: _Entry) -> None:
        """Queue a job again at its place; only others that came back are older and wait, so it is near the front."""
        queue = self._queues.setdefault(entry.job.shape, deque())
        older = []
        while queue and queue[0].number < entry.number:
            older.append(queue.popleft())
        queue.appendleft(entry)
        queue.extendleft(reversed(older))
        self.waiting += 1

    def drop(self, shape: Shape) -> int:
        """Forget the waiting jobs of a shape; return how many."""
        dropped = len(self._queues.pop(shape, ()))
        self._blocked.discard(shape)
        self.waiting -= dropped
        return dropped

    def place(self, now_s: float) -> Iterator[tuple[Node, str, TraceJob]]:
        """Start what has room; yield where, under which id, and what."""
        heads = [(queue[0].number, shape) for shape, queue in self._queues.items() if self._candidates(shape)]
        heapify(heads)
        while heads:
            _, shape = heappop(heads)
            node = _best(shape, self._candidates(shape))
            if node is None:
                self._blocked.add(shape)
                continue
            queue = self._queues[shape]
            entry = queue.popleft()
            node.start(entry, now_s)
            job_id = entry.job.job_id
            self.runs[job_id] = JobRun(entry.traced, node.instance_id, now_s)
            self.waiting -= 1
            self.running += 1
            yield node, job_id, entry.traced
            if queue:
                heappush(heads, (queue[0].number, shape))
            else:
                del self._queues[shape]
                self._blocked.discard(shape)
        self._changed.clear()

    def _candidates(self, shape: Shape) -> Iterable[Node]:
        return self._changed if shape in self._blocked else self.nodes.values()


def _best(shape: Shape, nodes: Iterable[Node]) -> Node | None:
    fitting = [node for node in nodes if node.joined_s is not None and node.fits(shape)]
    return min(fitting, key=Node.order, default=None)
