"""A run's jobs against the autoscaler itself, in simulated time: no clock, no file, no network.

At each tick ``decide`` gets the snapshot that it would get, and what it plans is done: nodes boot, join and go at once.
EC2 gives notice of a node that it takes away, which calls for a decision at once, as in the autoscaler's loop.
Jobs arrive when they did in the recording, since what each of them waited for is not known: with more or faster nodes
than the recorded run had, later jobs would have arrived earlier. Every job takes as long as it did, wherever it runs;
one whose node is taken away begins again, up to ``MOST_LOSSES`` times.
The simulation ends with the last job, and the nodes with it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from heapq import heappop, heappush
from typing import Final

from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.decide.scale_out import followed
from toilctl.autoscaler.model.plan import ScaleOut, ScalingPlan, Waiting
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.snapshot import NOTICE_S, Offer, Snapshot
from toilctl.autoscaler.simulation.clock import TickClock
from toilctl.autoscaler.simulation.ec2 import SimulatedEC2
from toilctl.autoscaler.simulation.engine import SimulatedEngine
from toilctl.autoscaler.simulation.hazards import NONE, Hazards
from toilctl.autoscaler.simulation.node import SimulatedNode, at, seconds
from toilctl.autoscaler.simulation.outcome import NodeLife, Simulated
from toilctl.autoscaler.simulation.stalemate import NeverRun, Patience
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.engines.run_times import estimates
from toilctl.values.errors import UsageError
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy
from toilctl.values.units import HOUR_S

Decide = Callable[[Snapshot, Policy, datetime], ScalingPlan]
_RUN_TIMES: Final = 50
"""How many of a name's count; as in the autoscaler's own reading."""
_ROUNDING_S: Final = 1e-5
"""Moments are told to the microsecond only: a tick too early decides nothing, and one too late too much."""


def simulate(  # noqa: PLR0913 - a world, its hazards, and who decides
    jobs: Iterable[TraceJob],
    policy: Policy,
    offers: Mapping[NodeType, Offer],
    boot_s: float,
    hazards: Hazards = NONE,
    *,
    decide: Decide = decide,
    every_tick: bool = False,
    leader_usd_per_hour: float = 0.0,
) -> Simulated:
    """Let jobs run on what the autoscaler launches for them. The same arguments give the same result.

    :param boot_s: the seconds from a node's launch until it takes jobs.
    :param decide: what to do at a tick; another algorithm may take the autoscaler's place. A node that it scales in
        goes if it runs nothing, and else stays as it is.
    :param every_tick: whether to decide at ticks, too, at which the autoscaler would find nothing to do; for an
        algorithm that does not go by the snapshot alone. It changes nothing for the autoscaler's own.
    :param leader_usd_per_hour: what a leader takes of the policy's money, from the beginning on; no other sum has it.
    :raises UsageError: when no node would join within the policy's deadline.
    """
    deadline_s = policy.tuning.join_deadline_s
    if boot_s > deadline_s:
        raise UsageError(
            f"Nodes that take {boot_s:g} s to join are replaced after {deadline_s:g} s, so none would ever run a job.",
            boot_s=boot_s, join_deadline_s=deadline_s,
        )  # fmt: skip
    cloud = SimulatedEC2(offers, policy.zones, boot_s, hazards)
    return _Simulation(jobs, policy, cloud, decide, leader_usd_per_hour, every_tick=every_tick).run()


class _Simulation:
    """The world between two ticks, and what is about to happen in it."""

    def __init__(  # noqa: PLR0913 - as above
        self, jobs: Iterable[TraceJob], policy: Policy, cloud: SimulatedEC2, decide: Decide, leader: float, *,
        every_tick: bool,
    ) -> None:  # fmt: skip
        self._policy, self._cloud, self._decide, self._every_tick = policy, cloud, decide, every_tick
        self._leader_usd_per_hour = leader
        self._clock = TickClock(policy.tuning.scale_interval_s)
        self._patience = Patience(policy.tuning.idle_timeout_s)
        self._arrivals = deque(sorted(jobs, key=lambda one: one.arrived_s))
        self._engine = SimulatedEngine()
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        """When, and what happens then; also to nodes that are gone by that time."""
        self._run_times: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_RUN_TIMES))
        self._estimates: Mapping[str, float] | None = {}
        """None when they are to be made anew."""
        self._smoothed: Mapping[NodeType, float] = {}
        self._lives: list[NodeLife] = []
        self._never = NeverRun(self._engine)
        self._feasible: set[Shape] = set()
        """Shapes whose jobs waited on after a decision."""
        self._unknown = False
        """Whether a job of another shape has arrived since the last decision."""
        self._waiting: tuple[Waiting, ...] = ()
        """Why jobs waited at the last decision."""
        self._steady = False
        """Whether the last plan would only be repeated, until something happens or a node is idle for long enough."""

    def run(self) -> Simulated:
        """Run to the end."""
        now_s, stuck, clock = 0.0, False, self._clock
        while not stuck and (self._arrivals or self._engine.waiting or self._engine.running):
            now_s = min(clock.due_s, self._next_s())
            self._happen(now_s)
            if now_s < clock.due_s:
                continue
            plan = self._tick(now_s)
            clock.decided(now_s, seconds(plan.wake_at) if plan.wake_at else None)
            stuck = self._stuck(plan, now_s)
            if not (self._every_tick or stuck):
                self._skip(now_s)
        return self._result(now_s)

    def _result(self, now_s: float) -> Simulated:
        engine = self._engine
        lives = [*self._lives, *(node.life(now_s) for node in engine.nodes.values())]
        lives.sort(key=lambda one: (one.launched_s, len(one.instance_id), one.instance_id))
        stuck, waiting = engine.waiting + engine.given_up, self._waiting if engine.waiting else ()
        runs, lost = tuple(engine.runs.values()), tuple(engine.lost)
        return Simulated(tuple(lives), runs, self._never.told(), stuck, lost, self._cloud.refused, waiting)

    def _next_s(self) -> float:
        """Return when something happens next, whatever the autoscaler does."""
        arrival = self._arrivals[0].arrived_s if self._arrivals else math.inf
        return min(arrival, self._events[0][0] if self._events else math.inf)

    def _happen(self, now_s: float) -> None:
        """Let jobs arrive and end and nodes join and go, and start jobs, until nothing more happens now."""
        while self._next_s() <= now_s:
            while self._arrivals and self._arrivals[0].arrived_s <= now_s:
                self._arrive(self._arrivals.popleft())
            while self._events and self._events[0][0] <= now_s:
                heappop(self._events)[2](now_s)
            self._place(now_s)

    def _place(self, now_s: float) -> None:
        for node, job_id, job in self._engine.place(now_s):
            self._patience.launches = 0
            self._later(now_s + job.run_s, partial(self._end, node, job_id, job))

    def _later(self, when_s: float, what: Callable[[float], None]) -> None:
        heappush(self._events, (when_s, next(self._order), what))

    def _arrive(self, job: TraceJob) -> None:
        self._engine.arrive(job)
        self._unknown = self._unknown or job.shape not in self._feasible
        self._patience.launches = 0

    def _join(self, node: SimulatedNode, now_s: float) -> None:
        if node.instance_id in self._engine.nodes:
            self._engine.join(node, now_s)

    def _end(self, node: SimulatedNode, job_id: str, job: TraceJob, now_s: float) -> None:
        if job_id not in node.jobs:
            return
        self._engine.end(node, job_id, now_s)
        if job.succeeded:
            self._run_times[job.name].append(job.run_s)
            self._estimates = None

    def _warn(self, node: SimulatedNode, takes_s: float, now_s: float) -> None:
        if node.instance_id in self._engine.nodes:
            node.warn(now_s, takes_s)
            self._clock.hear(now_s)

    def _interrupt(self, node: SimulatedNode, now_s: float) -> None:
        if node.instance_id in self._engine.nodes:
            self._remove(node, now_s, interrupted=True)

    def _remove(self, node: SimulatedNode, now_s: float, *, interrupted: bool = False) -> None:
        life = self._engine.remove(node, now_s, interrupted=interrupted)
        self._lives.append(life)
        self._patience.launches += not life.busy_s

    def _tick(self, now_s: float) -> ScalingPlan:
        """Decide, and do so."""
        plan = self._foregone(now_s) or self._decided(now_s)
        self._steady = plan.nothing_to_do and _same(plan.smoothed, self._smoothed)
        self._smoothed = plan.smoothed
        for node in self._going(plan):
            self._remove(node, now_s)
        for instance_id in (*plan.drain, *_making_way(plan)):
            if instance_id in self._engine.nodes:
                self._engine.nodes[instance_id].drain()
        for instance_id in plan.undrain:
            self._engine.nodes[instance_id].undrain()
        for instance_id in plan.evacuate:
            self._engine.evacuate(self._engine.nodes[instance_id], now_s)
        self._launch(plan.launches, now_s)
        if plan.replace or plan.evacuate or plan.undrain:
            self._place(now_s)
        return plan

    def _decided(self, now_s: float) -> ScalingPlan:
        plan = self._decide(self._snapshot(now_s), self._policy, at(now_s))
        for one in plan.infeasible:
            self._never.add(one)
        self._feasible.update(self._engine.shapes)
        self._unknown = False
        self._waiting = plan.waiting
        return plan

    def _foregone(self, now_s: float) -> ScalingPlan | None:
        """Return the plan when it is known without a decision, however many jobs wait.

        Nothing can come when each node type has all its nodes or is refused, and nothing goes while all nodes work or
        boot. The smoothed numbers go on towards the nodes that there are.
        """
        nodes = self._engine.nodes.values()
        if self._every_tick or self._unknown or self._engine.doomed:
            return None
        if not all((node.jobs and not node.draining) or node.joined_s is None for node in nodes):
            return None
        there, beta = Counter(node.offer.node_type for node in nodes), self._policy.tuning.beta_inertia
        for limits in self._policy.limits:
            if there[limits.node_type] < limits.max_nodes and not self._cloud.refuses(limits.node_type, now_s):
                return None
        before = self._smoothed
        return ScalingPlan(smoothed={
            kind: followed(there[kind], before.get(kind, there[kind]), beta) for kind in self._policy.node_types
        })  # fmt: skip

    def _stuck(self, plan: ScalingPlan, now_s: float) -> bool:
        idle = bool(self._engine.waiting) and not (self._arrivals or self._engine.running)
        coming = bool(self._engine.booting or self._cloud.set_aside(now_s))
        return self._patience.over(plan, now_s, idle=idle, coming=coming)

    def _going(self, plan: ScalingPlan) -> Iterator[SimulatedNode]:
        """Return the nodes that go now: to scale in is to drain, and what is busy is not done with that."""
        nodes = self._engine.nodes
        for scale_in in plan.scale_in:
            yield from (nodes[one] for one in scale_in.instance_ids if not nodes[one].jobs)
        yield from (nodes[one] for one in plan.replace)

    def _launch(self, launches: Iterable[ScaleOut], now_s: float) -> None:
        for launch in launches:
            offering = self._cloud.offering(launch, now_s)
            if offering is None:
                self._patience.launches += 1
                continue
            for _ in range(launch.count):
                node = self._engine.launch(self._cloud.offers[launch.node_type], offering, now_s)
                self._later(now_s + self._cloud.boot_s, partial(self._join, node))
                if math.isfinite(lives_s := self._cloud.lifetime_s(offering)):
                    takes_s = now_s + lives_s
                    self._later(max(now_s, takes_s - NOTICE_S), partial(self._warn, node, takes_s))
                    self._later(takes_s, partial(self._interrupt, node))

    def _snapshot(self, now_s: float) -> Snapshot:
        if self._estimates is None:
            runs = ((name, run_s) for name, taken in self._run_times.items() for run_s in taken)
            self._estimates = estimates(runs)
        return Snapshot(
            nodes=tuple(node.view() for node in self._engine.nodes.values()),
            demand=self._engine.demand(self._estimates),
            offers=self._cloud.offers,
            set_aside=self._cloud.set_aside(now_s),
            short_since=self._cloud.short_since(),
            smoothed=self._smoothed,
            leader_usd_per_hour=self._leader_usd_per_hour,
            spent_usd=self._engine.usd(now_s) + self._leader_usd_per_hour * now_s / HOUR_S,
        )

    def _skip(self, now_s: float) -> None:
        """Leave out ticks at which nothing would be decided: none while jobs wait, nodes boot, or EC2 takes some."""
        if self._steady and not (self._engine.waiting or self._engine.booting or self._engine.doomed):
            self._clock.skip(min([self._next_s(), *self._timeouts(now_s), *self._cloud.retries_s(now_s)]))

    def _timeouts(self, now_s: float) -> Iterator[float]:
        """Return when nodes that are idle now have been so for long enough; earlier ones stay for another reason."""
        for node in self._engine.nodes.values():
            goes_s = node.since_s + self._policy.tuning.idle_timeout_s
            if not node.jobs and goes_s > now_s - _ROUNDING_S:
                yield goes_s


def _making_way(plan: ScalingPlan) -> Iterator[str]:
    """Return the nodes that are drained while they still run jobs."""
    for scale_in in plan.scale_in:
        if scale_in.reason is EndReason.RETURN_TO_SPOT:
            yield from scale_in.instance_ids


def _same(one: Mapping[NodeType, float], other: Mapping[NodeType, float]) -> bool:
    return one.keys() == other.keys() and all(math.isclose(one[kind], other[kind], abs_tol=1e-9) for kind in one)
