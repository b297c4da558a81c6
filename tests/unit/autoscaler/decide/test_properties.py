"""What holds of every plan, whatever the cluster looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import NOW, SPOT, ago, aside, backed_off, node, offer, policy, shape
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.phases import TRAITS, phase
from toilctl.autoscaler.model.plan import ScalingPlan
from toilctl.autoscaler.model.reasons import EndReason, LaunchReason, WaitReason
from toilctl.autoscaler.model.snapshot import NodeView, Snapshot
from toilctl.values.cluster import NodeState
from toilctl.values.jobs import Demand, Job
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy

KINDS = (SPOT, "r3.8xlarge", "m5.xlarge", "m5.xlarge:0.1")
STATES = (None, NodeState.JOINED, NodeState.JOINED, NodeState.CORDONED, NodeState.DRAINING, NodeState.DOWN)
shapes = st.builds(
    shape, st.sampled_from([0.1, 1, 4, 20, 64]), st.sampled_from([0.5, 4, 100, 500]), st.sampled_from([1, 20]),
    st.booleans(),
)  # fmt: skip
seconds = st.sampled_from([0, 60, 299, 300, 899, 900, 901, 5000])


@st.composite
def nodes(draw: st.DrawFn, number: int) -> NodeView:
    state = draw(st.sampled_from(STATES))
    return node(
        f"i-{number}", draw(st.sampled_from(KINDS)), state=state, age_s=draw(seconds),
        ec2_state=draw(st.sampled_from(["running"] * 6 + ["pending", "stopping", "stopped"])),
        idle_s=draw(st.none() | seconds), missing_s=draw(st.none() | seconds), leaving=draw(st.integers(0, 9)) == 0,
        joined_before=draw(st.booleans()), set_up_by=draw(st.sampled_from(["", "auto-1"])),
    )  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> Snapshot:
    there = [draw(nodes(number)) for number in range(draw(st.integers(0, 8)))]
    places = [None, *(one.instance_id for one in there if one.engine_state in (NodeState.JOINED, NodeState.DRAINING))]
    jobs = [
        Job(str(number), draw(st.sampled_from("abc")), draw(shapes), draw(st.sampled_from(places)),
            draw(st.none() | seconds.map(ago)), draw(st.booleans()), draw(st.sampled_from(["", "", "a user holds it"])))
        for number in range(draw(st.integers(0, 12)))
    ]  # fmt: skip
    running = {one.instance_id: tuple(job.job_id for job in jobs if job.node == one.instance_id) for one in there}
    return Snapshot(
        nodes=tuple(_with(one, running[one.instance_id]) for one in there),
        demand=Demand(tuple(jobs), draw(st.dictionaries(st.sampled_from("ab"), st.sampled_from([5.0, 900.0, 1e5])))),
        offers={one.node_type: one for one in map(offer, draw(st.sets(st.sampled_from(KINDS), min_size=2)))},
        requested=draw(st.dictionaries(st.sampled_from(KINDS).map(NodeType.parse), st.integers(0, 2))),
        set_aside=tuple(one for kind in draw(st.sets(st.sampled_from(KINDS))) for one in aside(kind)),
        back_offs=tuple(map(backed_off, draw(st.sets(st.sampled_from(KINDS), max_size=1)))),
        smoothed=draw(st.dictionaries(st.sampled_from(KINDS).map(NodeType.parse), st.floats(0, 5))),
        quota_vcpus=draw(st.dictionaries(st.booleans(), st.sampled_from([0.0, 40.0, 500.0]))),
        engine_problem=draw(st.sampled_from(["", "", "", "Slurm does not answer."])),
    )


def _with(one: NodeView, running: tuple[str, ...]) -> NodeView:
    idle_since = None if running else one.idle_since
    return NodeView(**{**vars(one), "running": running, "idle_since": idle_since})


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    kinds = draw(st.lists(st.sampled_from(KINDS), unique=True, min_size=1))
    least = [draw(st.integers(0, 2)) for _ in kinds]
    most = [low + draw(st.integers(0, 4)) for low in least]
    return policy(
        kinds, most, least, paused=draw(st.integers(0, 9)) == 0, beta_inertia=draw(st.sampled_from([0, 0.1, 0.9])),
        preemptible_compensation=draw(st.sampled_from([0, 0.5, 1])),
    )  # fmt: skip


def holds(check: Callable[[Snapshot, Policy], None]) -> Callable[[], None]:
    """Try a check on many clusters, however slow the machine is."""
    return settings(deadline=None, max_examples=examples(60))(given(worlds(), policies())(check))


def going(plan: ScalingPlan) -> list[str]:
    return [instance_id for one in plan.scale_in for instance_id in one.instance_ids]


def counted(world: Snapshot, rules: Policy) -> Counter[NodeType]:
    return Counter(one.node_type for one in world.nodes if TRAITS[phase(one, rules, NOW)].counts)


@holds
def test_same_input_gives_the_same_plan(world: Snapshot, rules: Policy) -> None:
    plan = decide(world, rules, NOW)
    again = Snapshot(**{**vars(world), "offers": dict(reversed(world.offers.items()))})
    assert decide(again, rules, NOW) == plan


@holds
def test_every_node_is_in_the_plan_once(world: Snapshot, rules: Policy) -> None:
    plan = decide(world, rules, NOW)
    told = [*going(plan), *plan.undrain, *plan.set_up]
    told += [*plan.replace, *(one.instance_id for one in plan.kept)]
    assert sorted(told) == sorted(one.instance_id for one in world.nodes)


@holds
def test_every_waiting_job_is_explained_once(world: Snapshot, rules: Policy) -> None:
    plan = decide(world, rules, NOW)
    told: Counter[object] = Counter()
    for one in (*plan.waiting, *plan.infeasible):
        told[one.shape] += one.count
        assert one.next_step.endswith(".")
        assert ".." not in one.next_step
    assert told == Counter(job.shape for job in world.demand.jobs if job.node is None)


@holds
def test_node_with_running_work_goes_only_above_the_maximum(world: Snapshot, rules: Policy) -> None:
    busy = {one.instance_id for one in world.nodes if one.running}
    for one in decide(world, rules, NOW).scale_in:
        if busy & set(one.instance_ids):
            assert one.reason is EndReason.OVER_MAXIMUM


@holds
def test_maximum_and_quota_are_respected(world: Snapshot, rules: Policy) -> None:
    plan = decide(world, rules, NOW)
    there = Counter(one.node_type for one in world.nodes)
    there.update(world.requested)
    for one in plan.launches:
        assert one.count > 0
        assert there[one.node_type] + one.count <= rules.limits_of(one.node_type).max_nodes
    assert len({one.node_type for one in plan.launches}) == len(plan.launches)
    for spot, quota in world.quota_vcpus.items():
        new = sum(world.offers[one.node_type].vcpus * one.count for one in plan.launches
                  if one.node_type.preemptible is spot)  # fmt: skip
        assert new <= quota


@holds
def test_scale_in_stops_at_the_minimum(world: Snapshot, rules: Policy) -> None:
    plan = decide(world, rules, NOW)
    kind = {one.instance_id: one.node_type for one in world.nodes}
    gone = Counter(kind[instance_id] for instance_id in going(plan))
    before = counted(world, rules)
    for node_type, count in gone.items():
        assert before[node_type] - count >= min(before[node_type], rules.limits_of(node_type).min_nodes)


@holds
def test_cordoned_nodes_are_left_alone(world: Snapshot, rules: Policy) -> None:
    cordoned = {
        one.instance_id for one in world.nodes
        if one.engine_state is NodeState.CORDONED and one.ec2_state in ("pending", "running")
    }  # fmt: skip
    assert cordoned <= {one.instance_id for one in decide(world, rules, NOW).kept}


@holds
def test_what_is_set_aside_or_backed_off_is_not_launched(world: Snapshot, rules: Policy) -> None:
    forbidden = {one.node_type for one in world.back_offs}
    refused = {(one.offering.instance_type, one.offering.spot) for one in world.set_aside}
    for one in decide(world, rules, NOW).launches:
        assert one.node_type not in forbidden
        assert (one.node_type.instance_types[0], one.node_type.preemptible) not in refused


@holds
def test_paused_autoscaler_does_nothing(world: Snapshot, rules: Policy) -> None:
    paused = Policy(rules.limits, rules.tuning, rules.zones, paused=True)
    assert decide(world, paused, NOW).nothing_to_do


@holds
def test_engine_problem_means_no_scale_in(world: Snapshot, rules: Policy) -> None:
    blind = Snapshot(**{**vars(world), "engine_problem": "it does not answer"})
    plan = decide(blind, rules, NOW)
    assert (plan.scale_in, plan.replace, plan.undrain, plan.set_up) == ((), {}, (), ())
    assert all(one.reason is LaunchReason.MINIMUM for one in plan.launches)


@holds
def test_nothing_is_launched_twice_for_the_same_jobs(world: Snapshot, rules: Policy) -> None:
    plan = decide(world, rules, NOW)
    requested = Counter(world.requested)
    for one in plan.launches:
        requested[one.node_type] += one.count
    gone = plan.replace.keys() | set(going(plan))
    nodes = tuple(_undrained(one, plan) for one in world.nodes if one.instance_id not in gone)
    later = Snapshot(**{**vars(world), "requested": requested, "nodes": nodes, "smoothed": plan.smoothed})
    follow_up = decide(later, rules, NOW)
    delayed = any(one.reason is WaitReason.SMOOTHED for one in plan.waiting)
    freed = gone or rules.tuning.beta_inertia
    assert delayed or freed or not follow_up.launches


def _undrained(one: NodeView, plan: ScalingPlan) -> NodeView:
    state = NodeState.JOINED if one.instance_id in plan.undrain else one.engine_state
    return NodeView(**{**vars(one), "engine_state": state})
