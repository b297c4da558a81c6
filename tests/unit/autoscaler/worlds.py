"""Random traces under random policies, and what a simulation of them tells of each job's wait and each node's life."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Any

from hypothesis import strategies as st

from tests.unit.autoscaler.builders import MEMORY, SPOT, ZONE, offer, policy, shape
from toilctl.autoscaler.memory.refusals import SET_ASIDE_S
from toilctl.autoscaler.model.snapshot import Offer, Offering
from toilctl.autoscaler.packing.pack import fits
from toilctl.autoscaler.simulation.hazards import NONE, Hazards, Shortages
from toilctl.autoscaler.simulation.outcome import JobRun, LostRun, NodeLife, Simulated
from toilctl.autoscaler.simulation.simulate import simulate
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy
from toilctl.values.units import HOUR_S

KINDS = (SPOT, MEMORY, "m5.xlarge", "m5.xlarge:0.1", "m5.large")
OFFERS = {one.node_type: one for one in map(offer, KINDS)}
Span = tuple[float, float]
"""From when until when, in seconds."""


@dataclass(frozen=True)
class World:
    """What is simulated."""

    jobs: Sequence[TraceJob]
    policy: Policy
    boot_s: float = 60.0
    hazards: Hazards = NONE
    leader_usd_per_hour: float = 0.0

    def run(self, **how: Any) -> Simulated:
        leader = self.leader_usd_per_hour
        return simulate(
            self.jobs, self.policy, self.offers, self.boot_s, self.hazards, leader_usd_per_hour=leader, **how
        )

    def tuned(self, **values: float) -> World:
        return replace(self, policy=replace(self.policy, tuning=replace(self.policy.tuning, **values)))

    @property
    def offers(self) -> dict[NodeType, Offer]:
        return {one: OFFERS[one] for one in self.policy.node_types}

    def places(self, job: TraceJob) -> list[NodeType]:
        """Return the node types that a job may have whatever happens: spot if it can, else on demand."""
        found = [
            one.node_type for one in self.policy.limits
            if one.max_nodes and fits(job.shape, OFFERS[one.node_type].resources)
            and (job.shape.preemptible or not one.node_type.preemptible)
        ]  # fmt: skip
        return [one for one in found if one.preemptible] or found

    def feasible(self) -> list[TraceJob]:
        return [one for one in self.jobs if self.places(one)]


RUN_S = {"short": (45,), "long": (1200,), "any": (5, 45, 600, 3000)}
"""How long jobs of a name take; of the last, an estimate is good for nothing."""
ARRIVED_S = st.just(0.0) | st.integers(0, 6000).map(float) | st.sampled_from([31.0, 900.0])


@st.composite
def traced(draw: st.DrawFn) -> TraceJob:
    name = draw(st.sampled_from(sorted(RUN_S)))
    cores, memory = draw(st.sampled_from([0.3, 1, 2, 4, 16, 32])), draw(st.sampled_from([0.5, 4, 12, 100]))
    wanted = shape(cores, memory, 1, draw(st.booleans()))
    return TraceJob(name, wanted, draw(ARRIVED_S), float(draw(st.sampled_from(RUN_S[name]))))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    kinds = draw(st.lists(st.sampled_from(KINDS), unique=True, min_size=1, max_size=3))
    least = [draw(st.sampled_from([0, 0, 0, 1, 2])) for _ in kinds]
    most = [low + draw(st.integers(0 if low else 1, 3)) for low in least]
    return policy(
        kinds, most, least,
        beta_inertia=draw(st.sampled_from([0, 0.1, 0.9])),
        idle_timeout_s=draw(st.sampled_from([0, 60, 300, 900])),
        scale_interval_s=draw(st.sampled_from([10, 30, 60])),
        target_time_s=draw(st.sampled_from([60, 600, 1800])),
        preemptible_compensation=draw(st.sampled_from([0, 0.5, 1])),
    )  # fmt: skip


seeds = st.integers(0, 10_000)
calm = st.just(NONE)
interrupted = st.builds(Hazards, st.sampled_from([0.5, 2, 10]), st.just(0), seeds)
scarce = st.builds(Hazards, st.just(0), st.sampled_from([0.1, 0.4]), seeds)


def worlds(hazards: st.SearchStrategy[Hazards]) -> st.SearchStrategy[World]:
    """Return worlds with at most so much trouble."""
    jobs = st.lists(traced(), min_size=1, max_size=25)
    return st.builds(World, jobs, policies(), st.sampled_from([0.0, 60.0, 240.0]), hazards)


@dataclass(frozen=True)
class Wait:
    """A job's wait for a place: from its arrival, or the loss of its last place, until it started."""

    job: TraceJob
    since_s: float
    until_s: float

    @property
    def seconds(self) -> float:
        return self.until_s - self.since_s


def waits(found: Simulated) -> Iterator[Wait]:
    """Tell of every wait that came to an end."""
    runs = sorted((*found.runs, *found.lost), key=lambda one: (id(one.job), one.started_s, one.ended_s))
    for _, group in groupby(runs, key=lambda one: id(one.job)):
        since_s = -math.inf
        for run in group:
            yield Wait(run.job, max(since_s, run.job.arrived_s), run.started_s)
            since_s = run.ended_s


def counts_until(life: NodeLife) -> float:
    """Return until when a node counts: until EC2 gives notice of its end."""
    return life.ended_s if life.noticed_s is None else life.noticed_s


@dataclass
class Works:
    """When the nodes of a simulation did something: they booted, or ran jobs."""

    found: Simulated
    _spans: dict[str, list[Span]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for life in self.found.lives:
            joined_s = counts_until(life) if life.joined_s is None else life.joined_s
            self._spans[life.instance_id] = [(life.launched_s, joined_s)]
        for run in (*self.found.runs, *self.found.lost):
            self._spans[run.instance_id].append((run.started_s, run.ended_s))

    def full(self, world: World, wait: Wait) -> float:
        """Return for how long in a wait all nodes that the job may have were there, and each did something."""
        kinds = world.places(wait.job)
        most = sum(world.policy.limits_of(kind).max_nodes for kind in kinds)
        lives = [
            life for life in self.found.lives
            if life.node_type in kinds and life.launched_s < wait.until_s and counts_until(life) > wait.since_s
        ]  # fmt: skip
        spans = [_clipped(self._spans[life.instance_id], counts_until(life)) for life in lives]
        edges = {edge for found in spans for span in found for edge in span if wait.since_s < edge < wait.until_s}
        moments = sorted(edges | {wait.since_s, wait.until_s})
        return sum(
            end - begin
            for begin, end in pairwise(moments)
            if sum(any(at <= begin and end <= to for at, to in found) for found in spans) >= most
        )


def _clipped(spans: Iterable[Span], until_s: float) -> list[Span]:
    """Return the spans as far as a node counts, with those that touch brought together."""
    joined: list[Span] = []
    for begin, end in sorted((begin, min(end, until_s)) for begin, end in spans if begin < until_s):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def taken(world: World, found: Simulated, wait: Wait) -> int:
    """Return how many nodes that a job may have were taken away, or about to be, while it waited."""
    kinds = world.places(wait.job)
    return sum(
        life.noticed_s is not None and life.node_type in kinds and counts_until(life) < wait.until_s and
        life.ended_s >= wait.since_s
        for life in found.lives
    )  # fmt: skip


def overtaken(found: Simulated, wait: Wait) -> int:
    """Return how many jobs that are no younger started while it waited: each may take the place that it was to have."""
    return sum(
        run.job is not wait.job and run.job.arrived_s <= wait.job.arrived_s
        and wait.since_s <= run.started_s <= wait.until_s
        for run in (*found.runs, *found.lost)
    )  # fmt: skip


def short(world: World, wait: Wait) -> tuple[float, int]:
    """Return for how long in a wait some node type that the job may have was refused, or may have been, and how often.

    Without interruptions decisions are made at multiples of the interval, and only those meet a shortage.
    """
    shortages, interval_s = Shortages(world.hazards), world.policy.tuning.scale_interval_s
    asked = [Offering(name, ZONE, one.preemptible) for one in world.places(wait.job) for name in one.instance_types]
    first = math.floor(max(0.0, wait.since_s - SET_ASIDE_S) / interval_s)
    met = [
        number * interval_s
        for number in range(first, math.ceil(wait.until_s / interval_s) + 1)
        if any(shortages.short(one, number * interval_s) for one in asked)
    ]
    spells = _clipped(((at_s, at_s + SET_ASIDE_S + interval_s) for at_s in met), math.inf)
    inside = [(max(begin, wait.since_s), min(end, wait.until_s)) for begin, end in spells]
    return sum(max(0.0, end - begin) for begin, end in inside), len(spells)


def runs_on(found: Simulated, instance_id: str) -> list[JobRun | LostRun]:
    return [one for one in (*found.runs, *found.lost) if one.instance_id == instance_id]


def usd_per_hour(world: World, found: Simulated, at_s: float) -> float:
    """Return what the cluster costs at a moment at the most."""
    there = [one for one in found.lives if one.launched_s <= at_s < one.ended_s]
    return world.leader_usd_per_hour + sum(OFFERS[one.node_type].most_usd_per_hour or 0.0 for one in there)


def spent_usd(world: World, found: Simulated, at_s: float) -> float:
    """Return what the cluster has cost until a moment."""
    seconds = (max(0.0, min(at_s, one.ended_s) - one.launched_s) * one.usd_per_hour for one in found.lives)
    return (sum(seconds) + world.leader_usd_per_hour * at_s) / HOUR_S
