"""Follow the plans in a world where launches join and jobs run: it must come to rest, and go back to its minimum."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import NOW, SPOT, node, offer, policy, shape
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.plan import ScalingPlan
from toilctl.autoscaler.model.snapshot import NodeView, Snapshot
from toilctl.autoscaler.packing.pack import fits
from toilctl.values.cluster import NodeState
from toilctl.values.jobs import Demand, Job, Shape
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy

KINDS = (SPOT, "r3.8xlarge", "m5.xlarge")
TICK_S, BOOT_TICKS, RUN_S = 30, 3, 600
OFFERS = {one.node_type: one for one in map(offer, KINDS)}


@dataclass
class World:
    """Nodes that join after a while, and an engine that places jobs first come, first served."""

    rules: Policy
    jobs: list[Job]
    now: datetime = NOW
    nodes: dict[str, NodeView] = field(default_factory=dict)
    joins: dict[str, datetime] = field(default_factory=dict)
    ends: dict[str, datetime] = field(default_factory=dict)
    smoothed: dict[NodeType, float] = field(default_factory=dict)
    launched: int = 0
    most: Counter[NodeType] = field(default_factory=Counter)

    def tick(self) -> ScalingPlan:
        self._live()
        plan = decide(self.snapshot(), self.rules, self.now)
        self._apply(plan)
        self.smoothed = dict(plan.smoothed)
        self.now += timedelta(seconds=TICK_S)
        return plan

    def snapshot(self) -> Snapshot:
        times = {name: float(RUN_S) for name in ("known",)}
        demand = Demand(tuple(self.jobs), times)
        return Snapshot(tuple(self.nodes.values()), demand, OFFERS, smoothed=self.smoothed)

    def _live(self) -> None:
        ended = {job_id for job_id, end in self.ends.items() if end <= self.now}
        self.jobs = [job for job in self.jobs if job.job_id not in ended]
        for name, at in self.joins.items():
            if at <= self.now and name in self.nodes and self.nodes[name].engine_state is None:
                resources = OFFERS[self.nodes[name].node_type].resources
                self.nodes[name] = replace(
                    self.nodes[name],
                    engine_state=NodeState.JOINED,
                    resources=resources,
                    joined_before=True,
                    set_up_by="",
                )
        self.jobs = [job if job.node else self._placed(job) for job in self.jobs]
        for name in self.nodes:
            self._note_idleness(name)

    def _placed(self, job: Job) -> Job:
        for name, there in self.nodes.items():
            if there.engine_state is NodeState.JOINED and (job.shape.preemptible or not there.node_type.preemptible):
                placed = replace(job, node=name, since=self.now)
                if fits(_sum([one.shape for one in self.jobs if one.node == name] + [job.shape]), there.resources):
                    self.ends[job.job_id] = self.now + timedelta(seconds=RUN_S)
                    self.jobs[self.jobs.index(job)] = placed
                    return placed
        return job

    def _note_idleness(self, name: str) -> None:
        there = self.nodes[name]
        running = tuple(job.job_id for job in self.jobs if job.node == name)
        idle = there.engine_state is not None and not running
        self.nodes[name] = replace(there, running=running, idle_since=(there.idle_since or self.now) if idle else None)

    def _apply(self, plan: ScalingPlan) -> None:
        assert not plan.replace
        for one in plan.launches:
            for _ in range(one.count):
                name = f"i-{self.launched}"
                self.launched += 1
                fresh = node(name, str(one.node_type), state=None, set_up_by="auto-1")
                self.nodes[name] = replace(fresh, launched_at=self.now)
                self.joins[name] = self.now + timedelta(seconds=TICK_S * BOOT_TICKS)
        for name in [name for one in plan.scale_in for name in one.instance_ids]:
            if self.nodes[name].running:
                self.nodes[name] = replace(self.nodes[name], engine_state=NodeState.DRAINING)
            else:
                del self.nodes[name]
        for name in plan.undrain:
            self.nodes[name] = replace(self.nodes[name], engine_state=NodeState.JOINED)
        counts = Counter(one.node_type for one in self.nodes.values())
        self.most |= counts


def _sum(shapes: list[Shape]) -> Shape:
    return Shape(
        sum(one.cores for one in shapes), sum(one.memory_mib for one in shapes), sum(one.disk_mib for one in shapes),
        preemptible=True,
    )  # fmt: skip


def feasible(one: Shape, rules: Policy) -> bool:
    allowed = [limits.node_type for limits in rules.limits if limits.max_nodes]
    return any(
        fits(one, OFFERS[kind].resources) and (one.preemptible or not kind.preemptible) for kind in allowed
    )  # fmt: skip


shapes = st.builds(
    shape, st.sampled_from([0.1, 1, 4, 20, 32]), st.sampled_from([0.5, 4, 100]), st.just(1), st.booleans()
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    kinds = draw(st.lists(st.sampled_from(KINDS), unique=True, min_size=1))
    least = [draw(st.integers(0, 2)) for _ in kinds]
    most = [low + draw(st.integers(0, 4)) for low in least]
    rules = policy(kinds, most, least, beta_inertia=draw(st.sampled_from([0, 0.5, 0.9])))
    names = st.sampled_from(["known", "unknown"])
    jobs = [
        Job(str(number), draw(names), draw(shapes)) for number in range(draw(st.integers(0, 30)))
    ]  # fmt: skip
    return World(rules, jobs)


@settings(deadline=None, max_examples=examples(40))
@given(worlds())
def test_all_feasible_jobs_run_and_the_cluster_goes_back_to_its_minimum(world: World) -> None:
    impossible = {job.job_id for job in world.jobs if not feasible(job.shape, world.rules)}
    for _ in range(2000):
        world.tick()
        if {job.job_id for job in world.jobs} == impossible:
            break
    assert {job.job_id for job in world.jobs} == impossible
    for _ in range(20 + BOOT_TICKS):
        world.tick()
    assert world.tick().nothing_to_do
    there = Counter(one.node_type for one in world.nodes.values())
    assert there == Counter({one.node_type: one.min_nodes for one in world.rules.limits if one.min_nodes})
    assert all(world.most[one.node_type] <= one.max_nodes for one in world.rules.limits)


@settings(deadline=None, max_examples=examples(40))
@example(
    World(policy(["c4.8xlarge:0.6"], most=3), [Job(str(one), "known", shape(20, preemptible=True)) for one in range(3)])
)
@given(worlds())
def test_the_cluster_comes_to_rest_while_jobs_run(world: World) -> None:
    rules = world.rules
    # Long enough for jobs of a known run time to count as overrun, one after the other on the node launched for the one
    # before: until then others may wait for their places.
    for _ in range(60 * max(1, min(len(world.jobs), sum(one.max_nodes for one in rules.limits)))):
        plan = world.tick()
        world.ends = dict.fromkeys(world.ends, world.now + timedelta(days=1))
    assert plan.nothing_to_do or any(one.count for one in plan.waiting)
    assert not plan.launches
    for one in plan.waiting:
        assert any(_full(world, limits.node_type) for limits in rules.limits), one


def _full(world: World, node_type: NodeType) -> bool:
    return sum(one.node_type == node_type for one in world.nodes.values()) == world.rules.limits_of(node_type).max_nodes


def test_nothing_is_launched_that_is_not_needed_for_jobs_that_fill_nodes() -> None:
    world = World(policy(["r3.8xlarge"]), [Job(str(number), "unknown", shape(cores=16)) for number in range(9)])
    for _ in range(100):
        world.tick()
    assert (world.launched, world.nodes) == (5, {})
