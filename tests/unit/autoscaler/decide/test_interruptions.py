"""What is decided when EC2 takes spot nodes away, or may."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.autoscaler.builders import (
    NOW,
    SPOT,
    ZONE,
    ago,
    aside,
    booting,
    busy,
    job,
    jobs,
    node,
    policy,
    snapshot,
    types,
)
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.decide.interruptions import EVACUATE_S
from toilctl.autoscaler.model.plan import ScaleIn, ScaleOut
from toilctl.autoscaler.model.reasons import EndReason, KeepReason, LaunchReason
from toilctl.autoscaler.model.snapshot import NoticeKind, Offering, SpotNotice
from toilctl.values.cluster import NodeState
from toilctl.values.node_types import NodeType

EQUAL = "c4.8xlarge/c5.9xlarge:0.6"


def doomed(seconds: float = 120) -> SpotNotice:
    return SpotNotice(NoticeKind.TERMINATE, NOW, NOW + timedelta(seconds=seconds))


RISK = SpotNotice(NoticeKind.REBALANCE, NOW)


def interrupted(notice: SpotNotice, node_type: str = SPOT, count: int = 1, **what):
    there, running = busy("i-1", node_type, count=count, cores=32, preemptible=True, **what)
    return replace(there, notice=notice), running


def kept(plan):
    return {one.instance_id: (one.reason, one.detail) for one in plan.kept}


def test_node_that_ec2_takes_away_is_drained_and_its_successor_launched_at_once():
    there, running = interrupted(doomed())
    plan = decide(snapshot(running, [there]), policy(), NOW)
    assert plan.drain == ("i-1",)
    assert types({one.node_type: one.count for one in plan.launches}) == {SPOT: 1}
    assert (plan.evacuate, plan.scale_in, plan.replace) == ((), (), {})
    reason, detail = kept(plan)["i-1"]
    assert reason is KeepReason.INTERRUPTED
    assert "12:02 UTC" in detail
    assert plan.desired[NodeType.parse(SPOT)] == 1
    assert any("as if they waited" in note for note in plan.notes)


def test_successor_is_launched_although_the_maximum_is_reached():
    there, running = interrupted(doomed())
    plan = decide(snapshot(running, [there]), policy(most=1), NOW)
    assert [one.count for one in plan.launches] == [1]


def test_successor_is_launched_once_only():
    there, running = interrupted(doomed())
    plan = decide(snapshot(running, [there, booting("i-2", SPOT)]), policy(), NOW)
    assert plan.launches == ()
    plan = decide(snapshot(running, [there], requested={SPOT: 1}), policy(), NOW)
    assert plan.launches == ()


def test_job_that_ends_in_time_needs_no_successor():
    there, running = interrupted(doomed(120), since=ago(100))
    plan = decide(snapshot(running, [there], run_times_s={"sort": 150}), policy(), NOW)
    assert plan.launches == ()
    late = decide(snapshot(running, [there], run_times_s={"sort": 195}), policy(), NOW)
    assert [one.count for one in late.launches] == [1]


def test_idle_node_that_ec2_takes_away_is_replaced_for_its_minimum_alone():
    there = node("i-1", SPOT, notice=doomed())
    assert decide(snapshot([], [there]), policy(), NOW).launches == ()
    plan = decide(snapshot([], [there]), policy(least=(1, 0)), NOW)
    assert plan.launches == (ScaleOut(NodeType.parse(SPOT), 1, LaunchReason.MINIMUM),)
    assert plan.scale_in == ()


def test_waiting_jobs_do_not_count_on_a_node_that_ec2_takes_away():
    there = node("i-1", SPOT, notice=doomed())
    plan = decide(snapshot(jobs(1, preemptible=True), [there]), policy(), NOW)
    assert [one.count for one in plan.launches] == [1]


def test_node_is_given_up_shortly_before_its_end_and_the_next_decision_is_due_then():
    there, running = interrupted(doomed(EVACUATE_S + 10))
    there = replace(there, engine_state=NodeState.DRAINING)
    plan = decide(snapshot(running, [there]), policy(), NOW)
    assert (plan.evacuate, plan.drain) == ((), ())
    assert plan.wake_at == NOW + timedelta(seconds=10)
    plan = decide(snapshot(running, [there]), policy(), NOW + timedelta(seconds=10))
    assert (plan.evacuate, plan.wake_at) == (("i-1",), None)


@pytest.mark.parametrize("state", [None, NodeState.DOWN])
def test_node_that_the_engine_does_not_count_on_is_not_given_up_again(state):
    there = node("i-1", SPOT, state=state, notice=doomed(5))
    plan = decide(snapshot([], [there]), policy(), NOW)
    assert (plan.evacuate, plan.drain, plan.wake_at) == ((), (), None)


def test_node_that_is_drained_and_empty_is_not_given_up_again():
    there = node("i-1", SPOT, state=NodeState.DRAINING, notice=doomed(5))
    assert decide(snapshot([], [there]), policy(), NOW).evacuate == ()


def test_node_at_risk_gets_no_new_jobs_and_goes_once_it_is_idle():
    there, running = interrupted(RISK)
    plan = decide(snapshot(running, [there]), policy(), NOW)
    assert (plan.drain, plan.launches, plan.scale_in) == (("i-1",), (), ())
    assert kept(plan)["i-1"] == (
        KeepReason.AT_RISK, "EC2 may soon take it away, so it gets no new jobs and goes once its 1 job ended.",
    )  # fmt: skip
    idle = node("i-1", SPOT, state=NodeState.DRAINING, notice=RISK)
    plan = decide(snapshot([job(preemptible=True)], [idle]), policy(), NOW)
    assert plan.scale_in == (ScaleIn(("i-1",), EndReason.REBALANCE),)
    assert (plan.undrain, [one.count for one in plan.launches]) == ((), [1])


def test_node_at_risk_that_a_person_launched_is_left_alone():
    there = node("i-1", SPOT, notice=RISK, fixed=True)
    plan = decide(snapshot([], [there]), policy(), NOW)
    assert (plan.drain, plan.scale_in, kept(plan)["i-1"][0]) == ((), (), KeepReason.FIXED)


def test_emptied_offering_is_left_out_where_there_is_another():
    emptied = aside(SPOT, "SpotInterruption")
    waiting = jobs(1, preemptible=True)
    plan = decide(snapshot(waiting, emptied=tuple(emptied)), policy((EQUAL,)), NOW)
    assert plan.launches[0].without == (Offering("c4.8xlarge", ZONE, spot=True),)
    zones = decide(snapshot(waiting, emptied=tuple(emptied)), policy((SPOT,), zones=(ZONE, "us-west-2b")), NOW)
    assert zones.launches[0].without == (Offering("c4.8xlarge", ZONE, spot=True),)


def test_emptied_offering_is_asked_for_where_there_is_no_other():
    emptied = tuple(aside(SPOT, "SpotInterruption"))
    waiting = jobs(1, preemptible=True)
    assert decide(snapshot(waiting, emptied=emptied), policy((SPOT,)), NOW).launches[0].without == ()
    refused = tuple(aside("c5.9xlarge:0.6"))
    plan = decide(snapshot(waiting, emptied=emptied, set_aside=refused), policy((EQUAL,)), NOW)
    assert plan.launches[0].without == (Offering("c5.9xlarge", ZONE, spot=True),)


def test_paused_autoscaler_leaves_interrupted_nodes_alone():
    there, running = interrupted(doomed(5))
    plan = decide(snapshot(running, [there]), policy(paused=True), NOW)
    assert (plan.drain, plan.evacuate, plan.launches, plan.wake_at) == ((), (), (), None)


def test_interrupted_node_is_drained_although_a_person_launched_it():
    there, running = interrupted(doomed())
    plan = decide(snapshot(running, [replace(there, fixed=True)]), policy(), NOW)
    assert plan.drain == ("i-1",)
    assert kept(plan)["i-1"][0] is KeepReason.INTERRUPTED


def test_no_workers_word_launches_more_than_a_successor_for_each():
    """Four of at most two say that EC2 takes them away: the two of the policy, and their successors."""
    doomed_ones = [
        replace(busy(f"i-{number}", SPOT, cores=32, preemptible=True)[0], notice=doomed()) for number in range(4)
    ]
    waiting = jobs(50, cores=32, preemptible=True)
    two = policy([SPOT], most=2, least=1)
    assert decide(snapshot(waiting, doomed_ones), two, NOW).launches == ()
    assert [one.count for one in decide(snapshot(waiting, doomed_ones[:2]), two, NOW).launches] == [2]
    assert [one.count for one in decide(snapshot(waiting, doomed_ones[:3]), two, NOW).launches] == [1]
