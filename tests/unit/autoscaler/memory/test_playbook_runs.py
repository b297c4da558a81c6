"""What is remembered of playbooks until EC2's listing shows what they did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from toilctl.autoscaler.memory.playbook_runs import PlaybookKind, PlaybookRun, UnderWay
from toilctl.autoscaler.model.playbook_events import Ended, LaunchAnswered, LaunchingOver
from toilctl.values.cluster import Node, Role
from toilctl.values.node_types import NodeType

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPOT, OTHER = NodeType.parse("c4.8xlarge:0.6"), NodeType.parse("r3.8xlarge")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def node(instance_id: str, intent: str = "auto-1", node_type: NodeType = SPOT) -> Node:
    return Node(
        instance_id, Role.WORKER, node_type, node_type.instance_types[0], "running", "us-west-2a", "172.31.0.9", None,
        node_type.preemptible, NOW.isoformat(), intent,
    )  # fmt: skip


def launch(counts: dict[NodeType, int], name: str = "auto-1") -> PlaybookRun:
    return PlaybookRun(name, PlaybookKind.LAUNCH, NOW, counts, launching=True)


def under_way(*runs: PlaybookRun) -> UnderWay:
    found = UnderWay()
    for run in runs:
        found.begin(run)
    return found


def test_nodes_asked_for_count_as_requested_until_they_are_listed():
    found = under_way(launch({SPOT: 3, OTHER: 1}))
    assert found.requested([], NOW) == {SPOT: 3, OTHER: 1}
    assert found.requested([node("i-1"), node("i-9", "another")], NOW) == {SPOT: 2, OTHER: 1}


def test_answer_tells_which_nodes_the_listing_still_lacks():
    found = under_way(launch({SPOT: 3}))
    found.absorb(LaunchAnswered("auto-1", SPOT, frozenset({"i-1", "i-2"})), NOW)
    assert found.requested([node("i-1")], later(1)) == {SPOT: 1}
    assert found.requested([node("i-1")], later(61)) == {}, "what never appears is gone"


def test_node_that_was_terminated_while_its_launch_waits_for_it_is_not_requested():
    found = under_way(
        launch({SPOT: 1}), PlaybookRun("in-1", PlaybookKind.SCALE_IN, NOW, instance_ids=frozenset({"i-1"}))
    )
    found.absorb(LaunchAnswered("auto-1", SPOT, frozenset({"i-1"})), NOW)
    assert found.requested([], later(19)) == {}
    found.absorb(Ended("in-1", ok=True, message="", terminated=frozenset({"i-1"})), later(20))
    assert found.requested([], later(21)) == {}


def test_node_that_ec2_took_is_not_requested_while_the_listing_may_lack_others():
    found = under_way(launch({SPOT: 2}))
    found.absorb(LaunchAnswered("auto-1", SPOT, frozenset({"i-1", "i-2"})), NOW)
    found.ended({"i-1", "i-of-another"})
    assert found.requested([], later(1)) == {SPOT: 1}


def test_refused_nodes_are_not_requested_any_more():
    found = under_way(launch({SPOT: 3}))
    found.absorb(LaunchAnswered("auto-1", SPOT, frozenset()), NOW)
    assert found.requested([], later(1)) == {}


def test_lost_answer_leaves_nodes_requested_until_the_listing_would_show_them():
    found = under_way(launch({SPOT: 2}))
    found.absorb(LaunchAnswered("auto-1", SPOT, None), later(5))
    found.absorb(Ended("auto-1", ok=False, message=""), later(6))
    assert found.requested([node("i-1")], later(19)) == {SPOT: 1}
    assert found.requested([node("i-1")], later(21)) == {}


def test_playbook_that_ends_without_any_answer_leaves_nodes_requested_for_a_while():
    found = under_way(launch({SPOT: 2}))
    found.absorb(Ended("auto-1", ok=False, message=""), later(5))
    assert found.requested([], later(19)) == {SPOT: 2}
    assert found.requested([], later(21)) == {}


def test_one_scale_out_asks_ec2_at_a_time():
    found = under_way(launch({SPOT: 1, OTHER: 1}))
    assert not found.may_launch
    found.absorb(LaunchAnswered("auto-1", SPOT, frozenset({"i-1"})), NOW)
    assert not found.may_launch
    found.absorb(LaunchAnswered("auto-1", OTHER, frozenset({"i-2"})), NOW)
    assert found.may_launch


def test_launch_phase_also_ends_when_the_playbook_says_so():
    found = under_way(launch({SPOT: 1}))
    found.absorb(LaunchingOver("auto-1"), NOW)
    assert found.may_launch


def test_there_are_three_scale_outs_at_most_and_one_scale_in():
    found = under_way(*(PlaybookRun(f"auto-{number}", PlaybookKind.SET_UP, NOW) for number in range(3)))
    assert (found.may_launch, found.may_set_up, found.may_scale_in) == (False, False, True)
    found.begin(PlaybookRun("scale-in-1", PlaybookKind.SCALE_IN, NOW))
    assert not found.may_scale_in
    found.absorb(Ended("auto-1", ok=True, message=""), NOW)
    found.absorb(Ended("scale-in-1", ok=True, message=""), NOW)
    assert (found.may_launch, found.may_set_up, found.may_scale_in) == (True, True, True)


def test_node_is_being_set_up_by_its_intent_and_for_a_minute_after():
    found = under_way(launch({SPOT: 1}))
    assert found.setting_up(node("i-1"), NOW) == "auto-1"
    assert found.setting_up(node("i-1", "another"), NOW) == ""
    found.absorb(Ended("auto-1", ok=True, message=""), later(10))
    assert found.setting_up(node("i-1"), later(69)) == "auto-1"
    assert found.setting_up(node("i-1"), later(71)) == ""


def test_node_is_leaving_while_it_is_drained_and_then_only_if_it_was_terminated():
    found = under_way(PlaybookRun("scale-in-1", PlaybookKind.SCALE_IN, NOW, instance_ids=frozenset({"i-1", "i-2"})))
    assert found.leaving("i-1", NOW)
    assert found.leaving("i-2", NOW)
    assert not found.leaving("i-3", NOW)
    found.absorb(Ended("scale-in-1", ok=True, message="", terminated=frozenset({"i-1"})), later(1))
    assert found.leaving("i-1", later(2))
    assert not found.leaving("i-2", later(2))
    assert not found.leaving("i-1", later(70))


def test_what_is_long_over_is_forgotten_and_what_runs_is_not():
    found = under_way(launch({SPOT: 1}), launch({SPOT: 1}, "auto-2"))
    found.absorb(Ended("auto-1", ok=True, message=""), NOW)
    found.forget(later(1000))
    assert [run.name for run in found.now] == ["auto-2"]
    assert found.absorb(Ended("auto-1", ok=True, message=""), NOW) is None
