from __future__ import annotations

from tests.unit.autoscaler.builders import (
    MEMORY,
    NOW,
    SPOT,
    booting,
    busy,
    job,
    jobs,
    node,
    policy,
    snapshot,
    types,
)  # fmt: skip
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.plan import Kept, ScaleIn, ScalingPlan
from toilctl.autoscaler.model.reasons import EndReason, KeepReason, LaunchReason, WaitReason
from toilctl.autoscaler.model.snapshot import NodeView
from toilctl.autoscaler.model.workflow_limits import around
from toilctl.values.cluster import NodeState


def reasons(plan: ScalingPlan) -> dict[str, KeepReason | EndReason]:
    return {one.instance_id: one.reason for one in plan.kept}


def unlisted(instance_id: str = "i-9", **more: object) -> NodeView:
    return node(instance_id, state=None, joined_before=True, **{"missing_s": 30, **more})  # type: ignore[arg-type]


def test_node_that_is_idle_for_the_timeout_goes() -> None:
    plan = decide(snapshot(nodes=[node(idle_s=300)]), policy(), NOW)
    assert plan.scale_in == (ScaleIn(("i-1",), EndReason.IDLE),)
    assert types(plan.desired) == {}


def test_node_that_is_idle_for_less_than_the_timeout_stays_and_says_until_when() -> None:
    plan = decide(snapshot(nodes=[node(idle_s=299)]), policy(), NOW)
    assert plan.kept == (
        Kept("i-1", KeepReason.RECENTLY_IDLE, "It runs nothing since 11:55 UTC and goes at 12:00 UTC."),
    )  # fmt: skip


def test_node_of_which_nobody_knows_how_long_it_is_idle_stays() -> None:
    assert reasons(decide(snapshot(nodes=[node()]), policy(), NOW)) == {"i-1": KeepReason.RECENTLY_IDLE}


def test_idle_worker_below_minimum_is_kept() -> None:
    plan = decide(snapshot(nodes=[node(idle_s=999)]), policy([MEMORY], least=1), NOW)
    assert plan.kept == (Kept("i-1", KeepReason.AT_MINIMUM, "The minimum of r3.8xlarge is 1."),)


def test_scale_in_stops_at_the_minimum_and_keeps_the_oldest() -> None:
    there = [node(f"i-{age}", idle_s=999, age_s=age) for age in (1000, 3000, 2000)]
    plan = decide(snapshot(nodes=there), policy([MEMORY], least=1), NOW)
    assert plan.scale_in == (ScaleIn(("i-1000", "i-2000"), EndReason.IDLE),)


def test_dearest_idle_node_goes_first() -> None:
    there = [node("i-cheap", SPOT, idle_s=999, age_s=10), node("i-dear", MEMORY, idle_s=999, age_s=20)]
    plan = decide(snapshot(nodes=there), policy(), NOW)
    assert plan.scale_in == (ScaleIn(("i-dear", "i-cheap"), EndReason.IDLE),)


def test_idle_node_that_waiting_jobs_fit_on_stays() -> None:
    plan = decide(snapshot(jobs=[job()], nodes=[node(idle_s=999)]), policy(), NOW)
    assert reasons(plan) == {"i-1": KeepReason.NEEDED}


def test_idle_node_stays_while_short_jobs_wait_that_could_start_there() -> None:
    there = [node("i-1", idle_s=999), node("i-2", idle_s=999)]
    plan = decide(snapshot(jobs=jobs(40), nodes=there, run_times_s={"sort": 10}), policy(), NOW)
    assert reasons(plan) == {"i-1": KeepReason.NEEDED, "i-2": KeepReason.NEEDED}


def test_idle_node_that_waiting_jobs_do_not_fit_on_goes() -> None:
    plan = decide(snapshot(jobs=[job(memory_gb=100)], nodes=[node(node_type=SPOT, idle_s=999)]), policy(), NOW)
    assert plan.scale_in == (ScaleIn(("i-1",), EndReason.IDLE),)


def test_jobs_are_packed_onto_busy_nodes_so_that_idle_ones_can_go() -> None:
    there, running = busy("i-busy", cores=20)
    plan = decide(snapshot(jobs=[*running, job()], nodes=[node("i-idle", idle_s=999), there]), policy(), NOW)
    assert plan.scale_in == (ScaleIn(("i-idle",), EndReason.IDLE),)


def test_busy_node_stays() -> None:
    there, running = busy(count=2, cores=1)
    plan = decide(snapshot(jobs=running, nodes=[there]), policy(), NOW)
    assert plan.kept == (Kept("i-1", KeepReason.BUSY, "It runs 2 jobs."),)


def test_cordoned_node_is_left_alone_however_long_it_is_idle() -> None:
    there = node(state=NodeState.CORDONED, idle_s=9999)
    assert reasons(decide(snapshot(nodes=[there]), policy(most=0), NOW)) == {"i-1": KeepReason.CORDONED}


def test_booting_node_is_not_idle() -> None:
    plan = decide(snapshot(nodes=[booting(), node("i-2", idle_s=999)]), policy(), NOW)
    assert reasons(plan) == {"i-1": KeepReason.BOOTING}
    assert plan.scale_in == (ScaleIn(("i-2",), EndReason.IDLE),)


def test_drained_node_goes_once_it_is_idle() -> None:
    there = node(state=NodeState.DRAINING)
    assert decide(snapshot(nodes=[there]), policy(), NOW).scale_in == (ScaleIn(("i-1",), EndReason.INTERRUPTED_DRAIN),)


def test_drained_node_with_jobs_stays_until_they_end() -> None:
    there = node(state=NodeState.DRAINING, running=["1"])
    plan = decide(snapshot(nodes=[there], jobs=[job(node="i-1")]), policy(), NOW)
    assert plan.kept == (Kept("i-1", KeepReason.DRAINING, "It gets no new jobs and goes once its 1 job ended."),)


def test_leaving_node_is_not_touched_again() -> None:
    there = node(leaving=True, state=NodeState.DRAINING, idle_s=999)
    plan = decide(snapshot(nodes=[there]), policy(), NOW)
    assert plan.nothing_to_do
    assert reasons(plan) == {"i-1": KeepReason.LEAVING}


def test_missing_node_stops_all_scale_in() -> None:
    there = [unlisted(), node("i-1", idle_s=999), node("i-2", state=NodeState.DRAINING)]
    plan = decide(snapshot(nodes=there), policy(), NOW)
    assert plan.nothing_to_do
    assert reasons(plan) == {
        "i-9": KeepReason.MISSING, "i-1": KeepReason.ENGINE_UNSURE, "i-2": KeepReason.ENGINE_UNSURE,
    }  # fmt: skip
    assert plan.notes == ("The engine does not list i-9, so no node is scaled in until it does.",)


def test_missing_node_does_not_stop_launches() -> None:
    assert decide(snapshot(jobs=[job()], nodes=[unlisted(missing_s=151)]), policy(), NOW).launches


def test_node_that_the_engine_just_lost_sight_of_is_waited_for() -> None:
    """A master that restarts lists nothing for a while: no other node is launched for what waits, and none goes."""
    there = [unlisted("i-8"), unlisted("i-9")]
    running = jobs(32, node="i-9")
    plan = decide(snapshot(jobs=[*running, *jobs(20)], nodes=there), policy(), NOW)
    assert plan.nothing_to_do
    assert reasons(plan) == {"i-8": KeepReason.MISSING, "i-9": KeepReason.MISSING}
    assert [(one.reason, "lost sight" in one.next_step) for one in plan.waiting] == [(WaitReason.PLACED, True)]
    more = decide(snapshot(jobs=[*running, *jobs(33)], nodes=there), policy(), NOW)
    assert [one.count for one in more.launches] == [1]


def test_worker_of_a_cluster_without_limits_is_never_ended() -> None:
    there = [
        node("i-1", idle_s=5000, fixed=True), node("i-2", idle_s=5000), node("i-3", ec2_state="stopped", fixed=True),
        booting("i-4", age_s=5000, fixed=True), node("i-5", state=NodeState.DRAINING, fixed=True),
    ]  # fmt: skip
    plan = decide(snapshot(nodes=there), around(policy([]), there), NOW)
    assert [one.instance_ids for one in plan.scale_in] == [("i-2",)]
    assert (plan.replace, plan.set_up, plan.launches) == ({}, (), ())
    assert set(reasons(plan).values()) == {KeepReason.FIXED}


def test_engine_that_does_not_answer_stops_everything_but_minimums() -> None:
    there = [
        node("i-1", idle_s=999), node("i-2", state=NodeState.DRAINING), booting("i-3", age_s=5000),
        booting("i-4", set_up_by=""), node("i-5", state=NodeState.DOWN, missing_s=5000),
    ]  # fmt: skip
    blind = snapshot(jobs=[job(), job(cores=2)], nodes=there, engine_problem="Slurm does not answer.")
    assert decide(blind, policy(), NOW).nothing_to_do
    plan = decide(blind, policy(least=[2, 0]), NOW)
    assert [(str(one.node_type), one.count, one.reason) for one in plan.launches] == [(SPOT, 2, LaunchReason.MINIMUM)]
    assert not any((plan.scale_in, plan.undrain, plan.replace, plan.set_up))
    assert len(plan.kept) == 5
    assert {one.reason for one in plan.waiting} == {WaitReason.ENGINE_UNSURE}


def test_late_node_is_replaced() -> None:
    plan = decide(snapshot(nodes=[booting(age_s=901)]), policy(), NOW)
    assert plan.replace == {"i-1": EndReason.NEVER_JOINED}
    assert plan.kept == ()


def test_lost_and_stopped_nodes_are_replaced() -> None:
    there = [node("i-1", state=NodeState.DOWN, missing_s=901), node("i-2", ec2_state="stopped")]
    plan = decide(snapshot(nodes=there), policy(), NOW)
    assert plan.replace == {"i-1": EndReason.LOST, "i-2": EndReason.STOPPED}


def test_node_that_is_down_for_less_than_the_deadline_stays() -> None:
    plan = decide(snapshot(nodes=[node(state=NodeState.DOWN, missing_s=60)]), policy(), NOW)
    assert plan.nothing_to_do
    assert plan.kept[0].detail == "The engine holds it for dead; it is replaced if it is not back by 12:14 UTC."


def test_demand_decides_what_follows_a_late_node() -> None:
    late = booting(age_s=901)
    assert decide(snapshot(jobs=[job()], nodes=[late]), policy(), NOW).launches[0].count == 1
    assert decide(snapshot(nodes=[late]), policy([MEMORY], least=1), NOW).launches[0].reason is LaunchReason.MINIMUM


def test_running_node_that_nobody_sets_up_is_set_up_again() -> None:
    there = [booting("i-1", set_up_by=""), booting("i-2", set_up_by="", ec2_state="pending"), booting("i-3")]
    plan = decide(snapshot(nodes=there), policy(), NOW)
    assert plan.set_up == ("i-1",)
    assert reasons(plan) == {"i-2": KeepReason.BOOTING, "i-3": KeepReason.BOOTING}


def test_idle_nodes_above_a_lowered_maximum_go_at_once() -> None:
    there, running = busy("i-busy")
    plan = decide(snapshot(jobs=running, nodes=[there, node("i-idle", idle_s=1)]), policy(most=1), NOW)
    assert plan.scale_in == (ScaleIn(("i-idle",), EndReason.OVER_MAXIMUM),)


def test_busy_nodes_above_a_lowered_maximum_are_drained_with_fewest_jobs_first() -> None:
    (many, running), (few, others) = busy("i-many", count=3, cores=1), busy("i-few", count=2, cores=1)
    plan = decide(snapshot(jobs=[*running, *others], nodes=[many, few]), policy(most=1), NOW)
    assert plan.scale_in == (ScaleIn(("i-few",), EndReason.OVER_MAXIMUM),)


def test_nodes_of_a_type_that_is_no_longer_allowed_go() -> None:
    plan = decide(snapshot(nodes=[node(idle_s=1)]), policy([SPOT]), NOW)
    assert plan.scale_in == (ScaleIn(("i-1",), EndReason.OVER_MAXIMUM),)


def test_node_that_is_already_drained_counts_as_going() -> None:
    drained = node("i-1", state=NodeState.DRAINING, running=["1"])
    there, running = busy("i-2")
    plan = decide(snapshot(jobs=[*running, job(node="i-1")], nodes=[drained, there]), policy(most=1), NOW)
    assert plan.nothing_to_do


def test_booting_node_above_the_maximum_goes_before_a_busy_one_once_it_has_joined() -> None:
    there, running = busy("i-busy")
    plan = decide(snapshot(jobs=running, nodes=[there, booting("i-new")]), policy(most=1), NOW)
    assert plan.nothing_to_do
    assert plan.kept[1] == Kept("i-new", KeepReason.BOOTING, "It is above the maximum and goes once it has joined.")


def test_what_the_nodes_with_a_known_price_cost_is_told() -> None:
    there = [node("i-1", usd_per_hour=2.66), node("i-2", SPOT, usd_per_hour=0.6), node("i-3")]
    assert decide(snapshot(nodes=there), policy(), NOW).usd_per_hour == 3.26


def test_jobs_do_not_wait_for_a_node_that_is_about_to_go() -> None:
    plan = decide(snapshot(jobs=[job()], nodes=[node("i-1", "m5.large", idle_s=1)]), policy([MEMORY]), NOW)
    assert plan.scale_in == (ScaleIn(("i-1",), EndReason.OVER_MAXIMUM),)
    assert [(str(one.node_type), one.count) for one in plan.launches] == [(MEMORY, 1)]


def test_drained_node_that_is_still_busy_takes_jobs_again_before_an_idle_one() -> None:
    there = [node("i-idle", state=NodeState.DRAINING), node("i-busy", state=NodeState.DRAINING, running=["1"])]
    plan = decide(snapshot(jobs=[job(node="i-busy"), job(cores=2)], nodes=there), policy(), NOW)
    assert plan.undrain == ("i-busy",)
    assert plan.scale_in == (ScaleIn(("i-idle",), EndReason.INTERRUPTED_DRAIN),)
