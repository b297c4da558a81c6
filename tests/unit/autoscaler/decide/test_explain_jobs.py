from __future__ import annotations

from tests.unit.autoscaler.builders import (
    MEMORY,
    NOW,
    SPOT,
    ZONE,
    ago,
    aside,
    backed_off,
    booting,
    busy,
    job,
    jobs,
    node,
    offer,
    policy,
    shape,
    snapshot,
)  # fmt: skip
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.advice import Advice, Remedy
from toilctl.autoscaler.model.plan import ScaleOut, ScalingPlan
from toilctl.autoscaler.model.reasons import KeepReason, LaunchReason, WaitReason
from toilctl.values.cluster import NodeState
from toilctl.values.node_types import NodeType

EQUIVALENT = "c4.8xlarge/c5.9xlarge:0.6"


def why(plan: ScalingPlan) -> tuple[WaitReason, str]:
    (only,) = plan.waiting
    return only.reason, only.next_step


def launched(plan: ScalingPlan) -> dict[str, int]:
    return {str(one.node_type): one.count for one in plan.launches}


def test_job_too_big_for_every_node_type_is_infeasible() -> None:
    plan = decide(snapshot(jobs=[job(memory_gb=500)]), policy(node_types=["r3.8xlarge"]), NOW)
    (only,) = plan.infeasible
    assert (only.shape, only.count, only.names, only.lacking) == (shape(memory_gb=500), 1, ("sort",), "memory")
    assert only.next_step == "It needs 500.0 GiB of memory: r3.8xlarge has 232.3 GiB of memory."
    assert only.advice == (Advice.ADD_LARGER_NODES,)
    assert plan.waiting == ()


def test_job_with_too_many_cores_lacks_cores() -> None:
    (only,) = decide(snapshot(jobs=[job(cores=64)]), policy(), NOW).infeasible
    assert only.lacking == "cores"
    assert only.next_step == (
        "It needs 64 cores and an on-demand node: c4.8xlarge:0.6 is spot and has 36 cores; r3.8xlarge has 32 cores."
    )


def test_job_with_too_large_a_disk_is_told_of_node_storage() -> None:
    (only,) = decide(snapshot(jobs=[job(disk_gb=5000)]), policy(), NOW).infeasible
    assert only.lacking == "disk"
    assert only.advice == (Advice.ENLARGE_DISKS,)


def test_job_that_must_not_be_interrupted_is_infeasible_with_spot_alone() -> None:
    (only,) = decide(snapshot(jobs=[job()]), policy([SPOT]), NOW).infeasible
    assert only.lacking == "preemptible"
    assert only.next_step == "It needs an on-demand node: c4.8xlarge:0.6 is spot."
    assert only.advice == (Advice.ADD_ON_DEMAND,)


def test_preemptible_job_is_infeasible_when_no_node_may_be_there() -> None:
    (only,) = decide(snapshot(jobs=[job(preemptible=True)]), policy(most=0), NOW).infeasible
    assert only.next_step == "It may have no node: c4.8xlarge:0.6 has a maximum of 0; r3.8xlarge has a maximum of 0."
    assert (only.lacking, only.advice) == ("nodes", (Advice.ALLOW_NODES,))


def test_job_that_fits_a_node_that_is_there_is_not_infeasible() -> None:
    plan = decide(snapshot(jobs=[job(memory_gb=100)], nodes=[node(idle_s=1)]), policy([MEMORY, SPOT], most=[1, 1]), NOW)
    assert plan.infeasible == ()


def test_job_that_a_launch_is_for_says_which() -> None:
    reason, text = why(decide(snapshot(jobs=jobs(40)), policy(), NOW))
    assert reason is WaitReason.LAUNCHING
    assert text == "2 r3.8xlarge are being launched, and it runs there after the boot."


def test_job_that_waits_for_a_boot_says_which() -> None:
    reason, text = why(decide(snapshot(jobs=jobs(40), nodes=[booting()], requested={MEMORY: 1}), policy(), NOW))
    assert reason is WaitReason.PLACED
    assert text == "2 r3.8xlarge are booting, and it runs there after the boot."


def test_job_that_has_room_starts_there() -> None:
    reason, text = why(decide(snapshot(jobs=[job()], nodes=[node()]), policy(), NOW))
    assert (reason, text) == (WaitReason.PLACED, "A node has room for it, and the engine starts it there.")


def test_job_that_a_drained_node_is_taken_back_for_says_so() -> None:
    there = node(state=NodeState.DRAINING)
    reason, text = why(decide(snapshot(jobs=[job()], nodes=[there]), policy(), NOW))
    assert reason is WaitReason.PLACED
    assert "was being drained" in text


def test_short_job_waits_its_turn() -> None:
    there, running = busy(since=ago(5))
    there_full = snapshot(jobs=[*running, job(cores=32)], nodes=[there], run_times_s={"sort": 10})
    reason, text = why(decide(there_full, policy(), NOW))
    assert (reason, text) == (WaitReason.TIME, "It runs within 30 minutes on a node that works on other jobs first.")


def test_job_above_the_maximum_says_how_to_raise_it() -> None:
    there, running = busy()
    plan = decide(snapshot(jobs=[*running, job()], nodes=[there]), policy([MEMORY], most=1), NOW)
    assert why(plan) == (
        WaitReason.MAXIMUM, "The maximum of 1 r3.8xlarge is reached; it runs when a node has room.",
    )  # fmt: skip
    assert plan.waiting[0].advice == (Advice.RAISE_MAXIMUM,)


def test_job_of_which_a_part_gets_nodes_says_both() -> None:
    reason, text = why(decide(snapshot(jobs=jobs(40)), policy([MEMORY], most=1), NOW))
    assert reason is WaitReason.MAXIMUM
    assert text.startswith("1 r3.8xlarge is being launched, and the rest waits: the maximum of 1 r3.8xlarge is reached")


def test_job_above_the_quota_is_told_of_it() -> None:
    there, running = busy()
    full = snapshot(jobs=[*running, job()], nodes=[there], quota_vcpus={False: 40})
    plan = decide(full, policy([MEMORY]), NOW)
    assert plan.launches == ()
    reason, text = why(plan)
    assert reason is WaitReason.QUOTA
    assert "quota of on-demand vCPUs" in text
    assert "ask AWS" in text


def test_quota_bounds_launches_of_its_market_alone() -> None:
    both = snapshot(jobs=[*jobs(72, preemptible=True), *jobs(64)], quota_vcpus={True: 40, False: 200})
    assert launched(decide(both, policy(), NOW)) == {SPOT: 1, MEMORY: 2}


def test_quota_bounds_minimums() -> None:
    plan = decide(snapshot(quota_vcpus={False: 70}), policy([MEMORY], least=3), NOW)
    assert launched(plan) == {MEMORY: 2}
    assert plan.notes[0].startswith("There are 2 r3.8xlarge and shall be at least 3, but the account's quota")


def test_offering_that_is_set_aside_is_left_out_of_the_launch() -> None:
    zones = ("us-west-2a", "us-west-2b")
    refused = aside("c4.8xlarge:0.6")
    plan = decide(snapshot(jobs=[job(preemptible=True)], set_aside=refused), policy([EQUIVALENT], zones=zones), NOW)
    assert plan.launches == (
        ScaleOut(NodeType.parse(EQUIVALENT), 1, LaunchReason.DEMAND, (refused[0].offering,)),
    )  # fmt: skip
    assert refused[0].offering.zone == ZONE


def test_job_whose_offerings_are_all_set_aside_says_when_they_are_tried_again() -> None:
    plan = decide(snapshot(jobs=[job()], set_aside=aside(MEMORY)), policy([MEMORY]), NOW)
    assert plan.launches == ()
    assert why(plan) == (
        WaitReason.CAPACITY,
        "EC2 refuses r3.8xlarge (InsufficientInstanceCapacity); the next try is at 12:03 UTC.",
    )


def test_offering_set_aside_on_the_other_market_is_no_obstacle() -> None:
    plan = decide(snapshot(jobs=[job(cores=33, preemptible=True)], set_aside=aside("c4.8xlarge")), policy(), NOW)
    assert launched(plan) == {SPOT: 1}


def test_offering_is_tried_again_when_its_time_is_over() -> None:
    plan = decide(snapshot(jobs=[job()], set_aside=aside(MEMORY, for_s=0)), policy([MEMORY]), NOW)
    assert launched(plan) == {MEMORY: 1}


def test_another_node_type_is_taken_while_one_is_set_aside() -> None:
    plan = decide(snapshot(jobs=[job()], set_aside=aside("m5.large")), policy(["m5.large", "m5.xlarge"]), NOW)
    assert launched(plan) == {"m5.xlarge": 1}


def test_refusal_for_the_quota_is_told_as_such() -> None:
    refused = snapshot(jobs=[job()], set_aside=aside(MEMORY, code="VcpuLimitExceeded"))
    assert why(decide(refused, policy([MEMORY]), NOW))[0] is WaitReason.QUOTA


def test_node_type_that_is_backed_off_is_not_launched_and_says_why() -> None:
    plan = decide(snapshot(jobs=[job()], back_offs=(backed_off(MEMORY),)), policy([MEMORY], least=1), NOW)
    assert plan.launches == ()
    assert why(plan) == (
        WaitReason.BACKED_OFF,
        "3 nodes of r3.8xlarge in a row failed to join: ssh did not answer; the next try is at 12:10 UTC.",
    )


def test_preemptible_job_without_spot_waits_when_nothing_compensates() -> None:
    plan = decide(snapshot(jobs=[job(preemptible=True)], set_aside=aside(SPOT)), policy(), NOW)
    assert plan.launches == ()
    reason, text = why(plan)
    assert reason is WaitReason.SPOT_SHORT
    assert "12:03 UTC" in text
    assert plan.waiting[0].advice == (Advice.FALL_BACK_FROM_SPOT,)


def test_on_demand_nodes_compensate_for_spot_that_cannot_be_had() -> None:
    short = snapshot(jobs=jobs(64, preemptible=True), set_aside=aside(SPOT))
    plan = decide(short, policy(preemptible_compensation=1), NOW)
    assert plan.launches == (ScaleOut(NodeType.parse(MEMORY), 2, LaunchReason.COMPENSATION),)
    assert why(plan)[0] is WaitReason.LAUNCHING


def test_on_demand_nodes_compensate_for_spot_that_the_quota_or_failures_forbid() -> None:
    keen = policy(preemptible_compensation=1)
    waiting = jobs(2, preemptible=True)
    assert launched(decide(snapshot(waiting, quota_vcpus={True: 8}), keen, NOW)) == {MEMORY: 1}
    assert launched(decide(snapshot(waiting, back_offs=(backed_off(SPOT),)), keen, NOW)) == {MEMORY: 1}


def test_half_of_the_missing_spot_is_compensated_and_not_half_of_the_rest_again() -> None:
    half, waiting = policy(preemptible_compensation=0.5), jobs(128, preemptible=True)
    short = snapshot(waiting, set_aside=aside(SPOT))
    assert launched(decide(short, half, NOW)) == {MEMORY: 2}
    booting_now = snapshot(waiting, [booting("i-1"), booting("i-2")], set_aside=aside(SPOT))
    assert launched(decide(booting_now, half, NOW)) == {}
    running = [*jobs(32, preemptible=True, node="i-1"), *jobs(32, preemptible=True, node="i-2")]
    nodes = [node(name, running=[one.job_id for one in running if one.node == name]) for name in ("i-1", "i-2")]
    running_now = snapshot([*running, *waiting[64:]], nodes, set_aside=aside(SPOT))
    assert launched(decide(running_now, half, NOW)) == {}


def test_users_maximum_of_spot_is_not_compensated() -> None:
    there, running = busy(node_type=SPOT, cores=36, preemptible=True)
    full = snapshot([*running, job(preemptible=True)], [there], set_aside=aside(SPOT))
    plan = decide(full, policy(most=[1, 10], preemptible_compensation=1), NOW)
    assert plan.launches == ()
    assert why(plan)[0] is WaitReason.MAXIMUM


def test_held_job_waits_without_a_launch() -> None:
    plan = decide(snapshot(jobs=[job(held="a user holds it")]), policy(), NOW)
    assert plan.launches == ()
    assert why(plan) == (
        WaitReason.HELD, "It waits because a user holds it; no node is launched for it until that changes.",
    )  # fmt: skip


def test_paused_autoscaler_does_nothing_and_says_what_it_would() -> None:
    there = [node("i-1", SPOT, idle_s=999), booting("i-2", age_s=5000), booting("i-3", set_up_by="")]
    plan = decide(snapshot(jobs=[job(memory_gb=100), *jobs(40)], nodes=there), policy(paused=True), NOW)
    assert plan.nothing_to_do
    assert [(one.instance_id, one.reason, one.detail) for one in plan.kept] == [
        ("i-1", KeepReason.PAUSED, "It would go (idle), but the autoscaler is paused."),
        ("i-2", KeepReason.PAUSED, "It would be replaced (never-joined), but the autoscaler is paused."),
        ("i-3", KeepReason.PAUSED, "It would be set up, but the autoscaler is paused."),
    ]
    assert WaitReason.PAUSED in {one.reason for one in plan.waiting}
    assert all("being launched" not in one.next_step for one in plan.waiting)


def test_estimated_price_is_told() -> None:
    known = offer(MEMORY)
    guessed = type(known)(known.node_type, known.resources, known.usd_per_hour, known.vcpus, price_estimated=True)
    plan = decide(snapshot(offers=[guessed]), policy([MEMORY]), NOW)
    assert plan.notes == ("The price of r3.8xlarge is not known, so node types are compared by their size.",)


def test_raise_of_the_maximum_is_offered_of_the_node_type_that_fits() -> None:
    (only,) = decide(snapshot(jobs=[job(memory_gb=100)]), policy(most=[10, 0]), NOW).infeasible
    assert only.remedy == Remedy(Advice.ALLOW_NODES, MEMORY)
    (only,) = decide(snapshot(jobs=[job(memory_gb=500)]), policy(most=[10, 0]), NOW).infeasible
    assert only.advice == (Advice.ADD_LARGER_NODES,)


def test_compensation_is_not_offered_where_it_would_not_help() -> None:
    there, running = busy()
    short = snapshot([*running, job(preemptible=True)], [there], set_aside=aside(SPOT))
    (only,) = decide(short, policy(most=[10, 1]), NOW).waiting
    assert (only.reason, only.advice) == (WaitReason.SPOT_SHORT, ())
