"""A recorded run's jobs against the autoscaler itself, in simulated time: no clock, no file, no network.

At each tick ``decide`` gets the snapshot that it would get, and what it plans is done: nodes boot, join and go at once.
Jobs arrive when they did in the recording, since what each of them waited for is not known: with more or faster nodes
than the recorded run had, later jobs would have arrived earlier. Every job takes as long as it did, wherever it runs.
The simulation ends with the last job, and the nodes with it.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import heappop, heappush, nsmallest
from typing import Final

from toilctl.autoscaler.decide import decide
from toilctl.autoscaler.demand import NAMES_SHOWN
from toilctl.autoscaler.model import Demand, Infeasible, Launch, Offer, Plan, Shape, Snapshot
from toilctl.autoscaler.policy import Policy
from toilctl.autoscaler.simulate_engine import Engine, Node, at
from toilctl.autoscaler.simulated import NodeLife, Simulated
from toilctl.autoscaler.trace import TraceJob
from toilctl.engines.run_times import estimates
from toilctl.errors import UsageError
from toilctl.node_types import NodeType

_RUN_TIMES: Final = 50
"""How many of a name's count; as in the autoscaler's own reading."""
_STUCK_TICKS: Final = 200
"""So many ticks at which jobs wait, and nothing happens or can, are the end."""


def simulate(jobs: Iterable[TraceJob], policy: Policy, offers: Mapping[NodeType, Offer], boot_s: float) -> Simulated:
    """Let jobs run on what the autoscaler launches for them. The same arguments give the same result.

    :param boot_s: the seconds from a node's launch until it takes jobs.
    :raises UsageError: when no node would join within the policy's deadline.
    """
    deadline_s = policy.tuning.join_deadline_s
    if boot_s > deadline_s:
        raise UsageError(
            f"Nodes that take {boot_s:g} s to join are replaced after {deadline_s:g} s, so none would ever run a job.",
            "Raise --join-deadline, or lower --boot-time.", boot_s=boot_s, join_deadline_s=deadline_s,
        )  # fmt: skip
    return _Simulation(jobs, policy, offers, boot_s).run()


class _Simulation:
    """The world between two ticks, and what is about to happen in it."""

    def __init__(
        self, jobs: Iterable[TraceJob], policy: Policy, offers: Mapping[NodeType, Offer], boot_s: float
    ) -> None:
        self._policy, self._offers, self._boot_s = policy, offers, boot_s
        self._arrivals = deque(sorted(jobs, key=lambda one: one.arrived_s))
        self._engine = Engine()
        self._order = itertools.count()
        self._events: list[tuple[float, int, Node, tuple[str, TraceJob] | None]] = []
        """When, and where a job ends; without one, the node joins."""
        self._running = self._booting = 0
        self._run_times: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_RUN_TIMES))
        self._estimates: Mapping[str, float] | None = {}
        """None when they are to be made anew."""
        self._smoothed: Mapping[NodeType, float] = {}
        self._lives: list[NodeLife] = []
        self._infeasible: dict[tuple[Shape, str], Infeasible] = {}
        self._most_nodes = sum(one.max_nodes for one in policy.limits)
        self._was_full = False
        """Whether it was at the last decision."""
        self._quiet = 0
        """How many ticks passed at which jobs waited in vain."""
        self._steady = False
        """Whether the last plan would only be repeated, until something happens or a node is idle for long enough."""

    def run(self) -> Simulated:
        """Run to the end."""
        tick, now_s = 0, 0.0
        while self._arrivals or self._engine.waiting or self._running:
            tick_s = tick * self._policy.tuning.scale_interval_s
            now_s = min(tick_s, self._next_s())
            self._happen(now_s)
            if now_s < tick_s:
                continue
            if self._saturated():
                tick += 1
                continue
            self._tick(now_s)
            if self._quiet > _STUCK_TICKS:
                break
            tick = self._next_tick(tick, now_s)
        lives = [*self._lives, *(node.life(now_s) for node in self._engine.nodes.values())]
        lives.sort(key=lambda one: (one.launched_s, len(one.instance_id), one.instance_id))
        return Simulated(tuple(lives), tuple(self._engine.runs), self._never(), self._engine.waiting)

    def _saturated(self) -> bool:
        """Tell whether a decision would change nothing, however many jobs wait: all nodes that may be are busy."""
        return self._was_full and self._steady and self._full()

    def _full(self) -> bool:
        nodes = self._engine.nodes.values()
        return len(nodes) >= self._most_nodes and all(node.jobs for node in nodes)

    def _next_s(self) -> float:
        """Return when something happens next, whatever the autoscaler does."""
        arrival = self._arrivals[0].arrived_s if self._arrivals else math.inf
        return min(arrival, self._events[0][0] if self._events else math.inf)

    def _happen(self, now_s: float) -> None:
        """Let jobs arrive and end and nodes join, and start jobs, until nothing more happens now."""
        while self._next_s() <= now_s:
            while self._arrivals and self._arrivals[0].arrived_s <= now_s:
                self._engine.arrive(self._arrivals.popleft())
            while self._events and self._events[0][0] <= now_s:
                self._event(now_s)
            for node, job_id, job in self._engine.place(now_s):
                self._running += 1
                self._later(now_s + job.run_s, node, (job_id, job))

    def _event(self, now_s: float) -> None:
        _, _, node, ends = heappop(self._events)
        if ends is not None:
            job_id, job = ends
            self._engine.end(node, job_id, now_s)
            self._running -= 1
            if job.succeeded:
                self._run_times[job.name].append(job.run_s)
                self._estimates = None
        elif node.instance_id in self._engine.nodes:
            self._engine.join(node, now_s)
            self._booting -= 1

    def _later(self, when_s: float, node: Node, ends: tuple[str, TraceJob] | None = None) -> None:
        heappush(self._events, (when_s, next(self._order), node, ends))

    def _tick(self, now_s: float) -> None:
        """Decide, and do so."""
        self._was_full = self._full()
        plan = decide(self._snapshot(), self._policy, at(now_s))
        self._steady = plan.nothing_to_do and _same(plan.smoothed, self._smoothed)
        self._smoothed = plan.smoothed
        for one in plan.infeasible:
            self._give_up(one)
        for instance_id in _going(plan):
            self._booting -= self._engine.nodes[instance_id].joined_s is None
            self._lives.append(self._engine.terminate(instance_id, now_s))
        self._launch(plan.launches, now_s)
        hopeless = self._engine.waiting and not (self._arrivals or self._running or self._booting)
        self._quiet = self._quiet + 1 if hopeless and plan.nothing_to_do else 0

    def _launch(self, launches: Iterable[Launch], now_s: float) -> None:
        for launch in launches:
            for _ in range(launch.count):
                node = self._engine.launch(self._offers[launch.node_type], self._policy.zones[0], now_s)
                self._booting += 1
                self._later(now_s + self._boot_s, node)

    def _snapshot(self) -> Snapshot:
        if self._estimates is None:
            runs = ((name, run_s) for name, taken in self._run_times.items() for run_s in taken)
            self._estimates = estimates(runs)
        return Snapshot(
            nodes=tuple(node.view() for node in self._engine.nodes.values()),
            demand=Demand(tuple(self._engine.jobs()), self._estimates),
            offers=self._offers,
            smoothed=self._smoothed,
        )

    def _give_up(self, one: Infeasible) -> None:
        """Take out jobs that can never run, so that nobody waits for them."""
        if count := self._engine.drop(one.shape):
            key = (one.shape, one.lacking)
            before = self._infeasible.get(key)
            names = nsmallest(NAMES_SHOWN, {*one.names, *(before.names if before else ())})
            self._infeasible[key] = replace(one, count=count + (before.count if before else 0), names=tuple(names))

    def _never(self) -> tuple[Infeasible, ...]:
        # Not in the order in which they were found: ticks that are left out would show in it.
        return tuple(self._infeasible[key] for key in sorted(self._infeasible))

    def _next_tick(self, tick: int, now_s: float) -> int:
        """Return the next tick at which something may be decided: none is left out while jobs wait or nodes boot."""
        if self._engine.waiting or self._booting or not self._steady:
            return tick + 1
        when_s = min([self._next_s(), *self._timeouts(now_s)])
        later = when_s / self._policy.tuning.scale_interval_s
        return max(tick + 1, math.ceil(later)) if math.isfinite(later) else tick + 1

    def _timeouts(self, now_s: float) -> Iterator[float]:
        """Return when nodes that are idle now have been so for long enough; earlier ones stay for another reason."""
        for node in self._engine.nodes.values():
            goes_s = node.since_s + self._policy.tuning.idle_timeout_s
            if not node.jobs and goes_s > now_s:
                yield goes_s


def _going(plan: Plan) -> Iterator[str]:
    for scale_in in plan.scale_in:
        yield from scale_in.instance_ids
    for one in plan.replace:
        yield one.instance_id


def _same(one: Mapping[NodeType, float], other: Mapping[NodeType, float]) -> bool:
    return one.keys() == other.keys() and all(math.isclose(one[kind], other[kind], abs_tol=1e-9) for kind in one)
