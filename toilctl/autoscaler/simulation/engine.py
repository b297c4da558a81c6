"""An engine's stand-in in simulated time: nodes that boot, join and go, and jobs that are placed on them."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final

from toilctl.autoscaler.model.snapshot import Offer, Offering
from toilctl.autoscaler.simulation.node import Entry, SimulatedNode
from toilctl.autoscaler.simulation.outcome import JobRun, LostRun, NodeLife
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.jobs import Demand, Job, Shape

MOST_LOSSES: Final = 20
"""A job that loses its node so often is given up: one that takes much longer than nodes live would never end."""


@dataclass(eq=False)
class _Queue:
    """The waiting jobs of a shape, oldest first; never empty between two calls."""

    shape: Shape
    entries: deque[Entry] = field(default_factory=deque)
    blocked: bool = False
    """Whether there is no room for them on any node, but perhaps on those that changed since."""


class SimulatedEngine:
    """Nodes and jobs. Jobs start in the order of their arrival, and a later one where an earlier one has no room."""

    def __init__(self) -> None:
        self.nodes: dict[str, SimulatedNode] = {}
        self.runs: dict[str, JobRun] = {}
        """Of jobs that run or ended, by id, in the order of their start."""
        self.lost: list[LostRun] = []
        self.given_up = 0
        """Jobs that have lost their node too often."""
        self._gone_usd = 0.0
        """What nodes have cost that are gone."""
        self._queues: dict[Shape, _Queue] = {}
        self._counted: Counter[tuple[Shape, str, bool]] = Counter()
        """The waiting jobs by shape, name, and whether they are services."""
        self._changed: set[SimulatedNode] = set()
        self._numbers = 0
        self.waiting = self.running = self.booting = 0
        """How many jobs, and nodes."""

    @property
    def shapes(self) -> Iterable[Shape]:
        """Those of waiting jobs."""
        return self._queues.keys()

    @property
    def doomed(self) -> bool:
        """Whether EC2 is about to take a node away: then time alone may call for another plan."""
        return any(node.noticed_s is not None for node in self.nodes.values())

    def usd(self, now_s: float) -> float:
        """Return what all nodes have cost so far."""
        return self._gone_usd + math.fsum(node.life(now_s).usd for node in self.nodes.values())

    def demand(self, run_times_s: Mapping[str, float]) -> Demand:
        """Return all jobs, as the engine tells of them: the running ones, and how many wait."""
        running = tuple(one.job for node in self.nodes.values() for one in node.jobs.values())
        counts = self._counted.items()
        waiting = tuple((Job("", name, shape, service=service), many) for (shape, name, service), many in counts)
        return Demand(running, run_times_s, waiting)

    def arrive(self, job: TraceJob) -> None:
        """Queue a job."""
        self._numbers += 1
        self._queue_of(job.shape).entries.append(Entry(self._numbers, job))
        self._count(job, 1)

    def _queue_of(self, shape: Shape) -> _Queue:
        if shape not in self._queues:
            self._queues[shape] = _Queue(shape)
        return self._queues[shape]

    def _count(self, job: TraceJob, change: int) -> None:
        self.waiting += change
        alike = job.shape, job.name, job.service
        self._counted[alike] += change
        if not self._counted[alike]:
            del self._counted[alike]

    def launch(self, offer: Offer, offering: Offering, now_s: float) -> SimulatedNode:
        """Add a node that boots."""
        self._numbers += 1
        node = SimulatedNode(f"i-{self._numbers}", offer, offering, now_s, self._numbers)
        self.nodes[node.instance_id] = node
        self.booting += 1
        return node

    def join(self, node: SimulatedNode, now_s: float) -> None:
        """Let a node take jobs."""
        node.join(now_s)
        self.booting -= 1
        self._changed.add(node)

    def end(self, node: SimulatedNode, job_id: str, now_s: float) -> None:
        """Let a job end."""
        node.end(job_id, now_s)
        self.running -= 1
        self._changed.add(node)

    def remove(self, node: SimulatedNode, now_s: float, *, interrupted: bool = False) -> NodeLife:
        """Remove a node; what runs there waits again, in front of younger jobs of its shape."""
        del self.nodes[node.instance_id]
        self._changed.discard(node)
        self.booting -= node.joined_s is None
        self._empty(node, now_s)
        life = node.life(now_s, interrupted=interrupted)
        self._gone_usd += life.usd
        return life

    def evacuate(self, node: SimulatedNode, now_s: float) -> None:
        """Let what runs on a node wait again, in front of younger jobs of its shape; nothing more runs there."""
        node.drain()
        self._empty(node, now_s)

    def _empty(self, node: SimulatedNode, now_s: float) -> None:
        # The youngest first, so that each of the others goes to the very front.
        for entry in sorted((one.entry for one in node.jobs.values()), reverse=True):
            node.end(entry.job_id, now_s)
            self._lose(entry, node, now_s)

    def _lose(self, entry: Entry, node: SimulatedNode, now_s: float) -> None:
        run, losses = self.runs.pop(entry.job_id), entry.losses + 1
        self.lost.append(LostRun(run.job, node.instance_id, run.started_s, now_s))
        self.running -= 1
        if losses >= MOST_LOSSES:
            self.given_up += 1
            return
        self._return(entry._replace(losses=losses))

    def _return(self, entry: Entry) -> None:
        """Queue a job again at its place; only others that came back are older and wait, so it is near the front."""
        queue = self._queue_of(entry.traced.shape).entries
        older = []
        while queue and queue[0].number < entry.number:
            older.append(queue.popleft())
        queue.appendleft(entry)
        queue.extendleft(reversed(older))
        self._count(entry.traced, 1)

    def drop(self, shape: Shape) -> int:
        """Forget the waiting jobs of a shape; return how many."""
        dropped = self._queues.pop(shape, _Queue(shape)).entries
        for entry in dropped:
            self._count(entry.traced, -1)
        return len(dropped)

    def place(self, now_s: float) -> Iterator[tuple[SimulatedNode, str, TraceJob]]:
        """Start what has room; yield where, under which id, and what."""
        heads = [(one.entries[0].number, one) for one in self._queues.values() if self._changed or not one.blocked]
        heapify(heads)
        while heads:
            _, queue = heappop(heads)
            nodes = self._changed if queue.blocked else self.nodes.values()
            fitting = (one for one in nodes if one.joined_s is not None and one.fits(queue.shape))
            node = min(fitting, key=SimulatedNode.order, default=None)
            if node is None:
                queue.blocked = True
                continue
            entry = queue.entries.popleft()
            node.start(entry, now_s)
            job_id = entry.job_id
            self.runs[job_id] = JobRun(entry.traced, node.instance_id, now_s)
            self._count(entry.traced, -1)
            self.running += 1
            yield node, job_id, entry.traced
            if queue.entries:
                heappush(heads, (queue.entries[0].number, queue))
            else:
                del self._queues[queue.shape]
        self._changed.clear()
