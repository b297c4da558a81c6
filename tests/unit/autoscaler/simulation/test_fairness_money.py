"""What a cluster may cost is never gone beyond, whatever arrives: the autoscaler's own decisions in simulated time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import MEMORY, policy, shape
from tests.unit.autoscaler.worlds import OFFERS, World, calm, interrupted, scarce, spent_usd, usd_per_hour, worlds
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.plan import ScaleOut, ScalingPlan
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.autoscaler.model.snapshot import Snapshot
from toilctl.autoscaler.simulation.hazards import NONE, Hazards
from toilctl.autoscaler.simulation.outcome import Simulated
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy

CENT = 0.01
ROUNDING = 1e-6
per_hour = st.sampled_from([0.1, 0.3, 0.7, 1.5, 2.7, 4.0, 6.0])
budgets = st.sampled_from([0.02, 0.1, 0.5, 2.0])
leaders = st.sampled_from([0.0, 0.05])


def check_per_hour(world: World, found: Simulated) -> None:
    """What there is costs no more per hour than it may; that grows with launches only."""
    for life in found.lives:
        most = world.policy.tuning.max_usd_per_hour
        assert usd_per_hour(world, found, life.launched_s) <= most + ROUNDING, life


def check_budget(world: World, found: Simulated) -> None:
    """Nothing was launched when the budget was spent."""
    for life in found.lives:
        assert spent_usd(world, found, life.launched_s) < world.policy.tuning.budget_usd + ROUNDING, life


def check_told(world: World, found: Simulated, reason: WaitReason) -> None:
    """Each feasible job ran, or waited for money to the end and it says so."""
    assert sum(one.count for one in found.waiting) == found.stuck == len(world.feasible()) - len(found.runs)
    assert all(one.reason is reason for one in found.waiting)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(worlds(calm | interrupted | scarce), per_hour, leaders)
def test_cluster_never_costs_more_per_hour_than_it_may(world: World, most_usd: float, leader: float) -> None:
    world = replace(world.tuned(max_usd_per_hour=most_usd), leader_usd_per_hour=leader)
    found = world.run()
    check_per_hour(world, found)
    if world.hazards == NONE:
        check_told(world, found, WaitReason.COST_PER_HOUR)


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(worlds(calm), st.floats(1, 3), leaders)
def test_job_whose_node_the_cost_per_hour_allows_runs_after_all_others(
    world: World, times: float, leader: float
) -> None:
    """Without minimums, which take money for ever, no job waits for ever for what one node costs."""
    limits = type(world.policy.limits)(replace(one, min_nodes=0) for one in world.policy.limits)
    dearest = max(OFFERS[one].most_usd_per_hour or 0.0 for one in world.policy.node_types)
    most_usd = leader + dearest * times
    world = replace(world, policy=replace(world.policy, limits=limits), leader_usd_per_hour=leader)
    found = world.tuned(max_usd_per_hour=most_usd).run()
    assert (len(found.runs), found.stuck) == (len(world.feasible()), 0)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(worlds(calm | interrupted | scarce), budgets, leaders)
def test_nothing_is_launched_when_the_budget_is_spent_and_running_jobs_go_on(
    world: World, budget: float, leader: float
) -> None:
    world = replace(world.tuned(budget_usd=budget), leader_usd_per_hour=leader)
    found = world.run()
    check_budget(world, found)
    if world.hazards == NONE:
        assert found.lost == ()
        check_told(world, found, WaitReason.BUDGET)


@settings(max_examples=examples(20), deadline=None, derandomize=True)
@given(worlds(calm | interrupted), per_hour, budgets, leaders)
def test_ticks_that_are_skipped_would_have_spent_nothing(
    world: World, most_usd: float, budget: float, leader: float
) -> None:
    world = replace(world.tuned(max_usd_per_hour=most_usd, budget_usd=budget), leader_usd_per_hour=leader)
    assert world.run(every_tick=True) == world.run()


def test_bounds_find_a_launch_beyond_the_money() -> None:
    kind = NodeType.parse(MEMORY)
    world = World([TraceJob("a", shape(1, 100), 0, 7200), TraceJob("b", shape(1, 100), 3600, 60)], policy([MEMORY]))

    def spendthrift(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        seconds = now.hour * 3600 + now.minute * 60
        return ScalingPlan(launches=(ScaleOut(kind, 1),) if seconds in (0, 3600) else ())

    world = world.tuned(max_usd_per_hour=3, budget_usd=2)
    found = world.run(decide=spendthrift, every_tick=True)
    with pytest.raises(AssertionError):
        check_per_hour(world, found)
    with pytest.raises(AssertionError):
        check_budget(world, found)


def test_snapshot_tells_what_was_spent_so_far() -> None:
    """A node that is gone, one that is there, and the leader."""
    told: list[tuple[float, float]] = []
    jobs = [TraceJob("a", shape(), at_s, 600) for at_s in (0, 7200)]
    world = World(jobs, policy(["m5.large"]), leader_usd_per_hour=1)

    def watching(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        told.append(((now - now.replace(hour=0, minute=0, second=0)).total_seconds(), snapshot.spent_usd))
        assert snapshot.leader_usd_per_hour == 1
        return decide(snapshot, of, now)

    found = world.run(decide=watching)
    assert len(found.lives) == 2
    for at_s, usd in told:
        assert usd == pytest.approx(spent_usd(world, found, at_s))
    assert told[-1][1] > told[0][1]


def test_jobs_that_wait_for_the_place_of_an_idle_node_are_not_stuck() -> None:
    """The first node takes the money until its idle timeout, which is longer than 200 ticks."""
    of = policy(["m5.large", MEMORY], max_usd_per_hour=2.7, scale_interval_s=1, idle_timeout_s=900)
    found = World([TraceJob("small", shape(), 0, 60), TraceJob("large", shape(16, 100), 30, 60)], of).run()
    assert [one.job.name for one in found.runs] == ["small", "large"]
    assert found.runs[1].started_s > 900


def test_jobs_that_wait_for_money_for_ever_are_stuck_at_once_when_the_budget_is_spent() -> None:
    jobs = [TraceJob("first", shape(), 0, 3600), TraceJob("second", shape(16, 100), 600, 60)]
    found = World(jobs, policy(["m5.large", MEMORY], budget_usd=CENT)).run()
    assert [one.job.name for one in found.runs] == ["first"]
    (waiting,) = found.waiting
    assert (found.stuck, waiting.count, waiting.names, waiting.reason) == (1, 1, ("second",), WaitReason.BUDGET)
    assert "of its budget of $0.01" in waiting.next_step
    # It ends soon after the first job does: nothing more can come.
    assert max(life.ended_s for life in found.lives) <= 60 + 3600 + 30


def test_jobs_that_lost_their_node_too_often_are_not_said_to_wait() -> None:
    jobs = [TraceJob("long", shape(preemptible=True), 0, 100_000)]
    found = World(jobs, policy(["m5.xlarge:0.1"]), hazards=Hazards(10)).run()
    assert (found.stuck, found.waiting) == (1, ())


def test_minimum_that_ec2_takes_again_and_again_does_not_keep_up_those_who_wait_for_money() -> None:
    of = policy(["m5.xlarge:0.1", MEMORY], least=(1, 0), max_usd_per_hour=2.7)
    found = World([TraceJob("large", shape(16, 100), 0, 60)], of, hazards=Hazards(10)).run()
    assert (found.runs, found.stuck, [one.reason for one in found.waiting]) == ((), 1, [WaitReason.COST_PER_HOUR])
    # Some 100 minutes, with a worker every six.
    assert found.lives[-1].ended_s < 3 * 3600
    assert found.interruptions > 5
