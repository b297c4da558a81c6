from __future__ import annotations

import pytest

from tests.unit.autoscaler.builders import (
    MEMORY,
    NOW,
    SPOT,
    ago,
    booting,
    busy,
    job,
    jobs,
    node,
    offer,
    policy,
    snapshot,
    types,
)  # fmt: skip
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.plan import ScaleOut, ScalingPlan
from toilctl.autoscaler.model.reasons import LaunchReason, WaitReason
from toilctl.values.capacity import Resources
from toilctl.values.cluster import NodeState
from toilctl.values.node_types import NodeType


def launched(plan: ScalingPlan) -> dict[str, int]:
    return {str(one.node_type): one.count for one in plan.launches}


def test_nothing_to_do_without_jobs_and_minimums() -> None:
    plan = decide(snapshot(), policy(), NOW)
    assert plan.nothing_to_do
    assert types(plan.desired) == {}


def test_preemptible_jobs_get_spot_and_others_get_on_demand() -> None:
    plan = decide(snapshot(jobs=[job(preemptible=True), job(memory_gb=100)]), policy(), NOW)
    assert launched(plan) == {SPOT: 1, MEMORY: 1}


def test_launches_stand_in_the_order_of_the_policy() -> None:
    both = snapshot(jobs=[job(preemptible=True, cores=33), job(memory_gb=100)])
    assert list(launched(decide(both, policy([MEMORY, SPOT]), NOW))) == [MEMORY, SPOT]


def test_preemptible_jobs_fill_room_on_a_node_launched_on_demand_anyway() -> None:
    plan = decide(snapshot(jobs=[job(memory_gb=100), job(preemptible=True)]), policy([MEMORY]), NOW)
    assert launched(plan) == {MEMORY: 1}


def test_preemptible_jobs_get_on_demand_nodes_where_no_spot_is_allowed() -> None:
    assert launched(decide(snapshot(jobs=[job(preemptible=True)]), policy([MEMORY]), NOW)) == {MEMORY: 1}
    none = policy(most=[0, 2])
    assert launched(decide(snapshot(jobs=[job(preemptible=True)]), none, NOW)) == {MEMORY: 1}


def test_preemptible_jobs_get_on_demand_nodes_where_no_spot_node_is_large_enough() -> None:
    plan = decide(snapshot(jobs=[job(preemptible=True, memory_gb=100)]), policy(), NOW)
    assert launched(plan) == {MEMORY: 1}


def test_preemptible_jobs_get_on_demand_nodes_that_are_cheaper_than_the_bid() -> None:
    plan = decide(snapshot(jobs=[job(preemptible=True)]), policy([SPOT, "m5.large"]), NOW)
    assert launched(plan) == {"m5.large": 1}


def test_jobs_that_must_not_be_interrupted_never_get_spot() -> None:
    plan = decide(snapshot(jobs=jobs(100)), policy(most=[10, 1]), NOW)
    assert launched(plan) == {MEMORY: 1}


def test_free_room_on_a_joined_node_is_used_before_anything_is_launched() -> None:
    assert decide(snapshot(jobs=[job()], nodes=[node()]), policy(), NOW).nothing_to_do


def test_free_room_beside_running_jobs_is_used() -> None:
    there, running = busy(cores=30)
    assert decide(snapshot(jobs=[*running, *jobs(2)], nodes=[there]), policy(), NOW).nothing_to_do
    assert launched(decide(snapshot(jobs=[*running, *jobs(3)], nodes=[there]), policy(), NOW)) == {MEMORY: 1}


def test_node_that_runs_something_unknown_has_no_free_room() -> None:
    there = node(running=["of-another-user"])
    assert launched(decide(snapshot(jobs=[job()], nodes=[there]), policy(), NOW)) == {MEMORY: 1}


def test_free_room_on_spot_is_not_for_jobs_that_must_not_be_interrupted() -> None:
    there = node(node_type=SPOT)
    assert decide(snapshot(jobs=[job(preemptible=True)], nodes=[there]), policy(), NOW).nothing_to_do
    assert launched(decide(snapshot(jobs=[job()], nodes=[there]), policy(), NOW)) == {MEMORY: 1}


def test_booting_node_is_capacity() -> None:
    assert decide(snapshot(jobs=jobs(32), nodes=[booting()]), policy(), NOW).nothing_to_do
    assert launched(decide(snapshot(jobs=jobs(33), nodes=[booting()]), policy(), NOW)) == {MEMORY: 1}


def test_requested_node_is_capacity() -> None:
    assert decide(snapshot(jobs=jobs(32), requested={MEMORY: 1}), policy(), NOW).nothing_to_do


@pytest.mark.parametrize(
    "state", [NodeState.CORDONED, NodeState.DOWN, None]
)  # fmt: skip
def test_node_that_takes_no_jobs_is_no_capacity(state: NodeState | None) -> None:
    there = node(state=state, joined_before=True, missing_s=200)
    assert launched(decide(snapshot(jobs=[job()], nodes=[there]), policy(), NOW)) == {MEMORY: 1}


def test_joined_nodes_that_have_less_than_promised_are_believed() -> None:
    small = Resources(16, 100 * 1024, 100 * 1024)
    there, running = busy(cores=16)
    there = node(running=there.running, resources=small)
    plan = decide(snapshot(jobs=[*running, job(cores=20)], nodes=[there]), policy([MEMORY]), NOW)
    assert not plan.launches
    assert plan.infeasible[0].lacking == "cores"


def test_thousand_short_jobs_on_busy_slots_need_no_other_node() -> None:
    there, running = busy(count=8, cores=1, since=ago(5))
    there = node(running=there.running, resources=Resources(8, 100 * 1024, 100 * 1024))
    plan = decide(snapshot([*running, *jobs(1000)], [there], run_times_s={"sort": 10}), policy(), NOW)
    assert plan.nothing_to_do
    assert plan.waiting[0].reason is WaitReason.TIME


def test_thousand_short_jobs_need_as_many_slots_as_the_target_time_asks_for() -> None:
    short = snapshot(jobs(1000, cores=32), run_times_s={"sort": 100})
    assert launched(decide(short, policy(most=100), NOW)) == {MEMORY: 56}
    assert launched(decide(short, policy(most=100, target_time_s=3600), NOW)) == {MEMORY: 28}


def test_service_gets_a_node_before_larger_jobs() -> None:
    plan = decide(snapshot(jobs=[job(cores=32), job(cores=30, service=True)]), policy([MEMORY], most=1), NOW)
    assert [(one.shape.cores, one.reason) for one in plan.waiting] == [
        (30, WaitReason.LAUNCHING), (32, WaitReason.MAXIMUM),
    ]  # fmt: skip


def test_large_job_does_not_starve_behind_small_ones() -> None:
    plan = decide(snapshot(jobs=[*jobs(1000), job(cores=32)]), policy([MEMORY], most=1), NOW)
    reasons = {one.shape.cores: one.reason for one in plan.waiting}
    assert reasons == {1: WaitReason.MAXIMUM, 32: WaitReason.LAUNCHING}


def test_small_jobs_do_not_starve_behind_one_that_fits_nowhere() -> None:
    plan = decide(snapshot(jobs=[job(memory_gb=500), job()]), policy(), NOW)
    assert launched(plan) == {MEMORY: 1}
    assert [one.lacking for one in plan.infeasible] == ["memory"]


def test_minimum_is_launched_without_demand() -> None:
    plan = decide(snapshot(), policy(least=[1, 2]), NOW)
    assert plan.launches == (
        ScaleOut(NodeType.parse(SPOT), 1, LaunchReason.MINIMUM),
        ScaleOut(NodeType.parse(MEMORY), 2, LaunchReason.MINIMUM),
    )  # fmt: skip


def test_minimum_counts_nodes_that_boot_are_requested_or_cordoned() -> None:
    there = [booting("i-1"), node("i-2", state=NodeState.CORDONED)]
    full = snapshot(nodes=there, requested={MEMORY: 1})
    assert decide(full, policy([MEMORY], least=3), NOW).nothing_to_do
    assert launched(decide(full, policy([MEMORY], least=4), NOW)) == {MEMORY: 1}


def test_jobs_run_on_the_nodes_of_the_minimum() -> None:
    plan = decide(snapshot(jobs=jobs(33)), policy([MEMORY], least=1), NOW)
    assert plan.launches == (ScaleOut(NodeType.parse(MEMORY), 2, LaunchReason.DEMAND),)


def test_maximum_counts_what_is_there_and_requested() -> None:
    there, running = busy()
    plan = decide(
        snapshot(jobs=[*running, *jobs(500)], nodes=[there], requested={MEMORY: 1}), policy([MEMORY], most=3), NOW
    )
    assert launched(plan) == {MEMORY: 1}


def test_maximum_counts_nodes_that_are_leaving_or_replaced() -> None:
    there = [node("i-1", leaving=True), booting("i-2", age_s=5000, set_up_by="")]
    plan = decide(snapshot(jobs=[job()], nodes=there), policy([MEMORY], most=2), NOW)
    assert launched(plan) == {}
    assert plan.waiting[0].reason is WaitReason.MAXIMUM


def test_drained_node_takes_jobs_again_before_another_is_launched() -> None:
    there = node(state=NodeState.DRAINING, idle_s=400)
    plan = decide(snapshot(jobs=jobs(33), nodes=[there]), policy(), NOW)
    assert plan.undrain == ("i-1",)
    assert not plan.scale_in
    assert launched(plan) == {MEMORY: 1}


def test_drained_node_takes_jobs_again_for_the_minimum() -> None:
    there = node(state=NodeState.DRAINING, idle_s=400)
    plan = decide(snapshot(nodes=[there]), policy([MEMORY], least=1), NOW)
    assert (plan.undrain, plan.launches, plan.scale_in) == (("i-1",), (), ())


def test_node_drained_for_the_maximum_stays_drained_whatever_waits() -> None:
    there = [node("i-1", state=NodeState.DRAINING, running=["1"]), node("i-2", running=["2"])]
    running = [job(node="i-1", cores=1), job(node="i-2", cores=32)]
    plan = decide(snapshot(jobs=[*running, job()], nodes=there), policy([MEMORY], most=1), NOW)
    assert plan.undrain == ()


def test_inertia_puts_off_all_but_the_first_node() -> None:
    slow = policy([MEMORY], beta_inertia=0.9)
    plan = decide(snapshot(jobs=jobs(320), smoothed={MEMORY: 0}), slow, NOW)
    assert launched(plan) == {MEMORY: 1}
    assert plan.waiting[0].reason is WaitReason.SMOOTHED
    assert plan.smoothed == {NodeType.parse(MEMORY): pytest.approx(1)}


def test_inertia_never_keeps_the_first_node_back() -> None:
    slow = policy([MEMORY], beta_inertia=0.9)
    assert launched(decide(snapshot(jobs=[job()], smoothed={MEMORY: 0}), slow, NOW)) == {MEMORY: 1}


def test_inertia_means_nothing_at_the_first_tick() -> None:
    slow = policy([MEMORY], beta_inertia=0.9)
    assert launched(decide(snapshot(jobs=jobs(320)), slow, NOW)) == {MEMORY: 10}


def test_cheapest_mix_is_launched() -> None:
    plan = decide(snapshot(jobs=jobs(2, cores=3)), policy(["m5.large", "m5.xlarge", MEMORY]), NOW)
    assert launched(plan) == {"m5.xlarge": 2}


def test_node_type_of_which_nothing_is_known_is_not_launched() -> None:
    plan = decide(snapshot(jobs=[job()], offers=[offer(SPOT)]), policy(), NOW)
    assert launched(plan) == {}
    assert plan.infeasible == ()
    assert any("has not said yet what a r3.8xlarge is" in note for note in plan.notes)
