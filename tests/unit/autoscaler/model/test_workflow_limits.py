"""What workflows ask for beside the cluster's own limits and settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.autoscaler.builders import MEMORY, NOW, SPOT, aside, job, node, policy, snapshot, types
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.workflow_limits import Asked, Wish, around, read, widened
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits, Policy
from toilctl.values.wording import at

FREE = policy([])
"""Of a cluster without limits of its own."""


def asked(*wishes: Wish, own: Policy = FREE) -> Asked:
    return read(wishes, own, "my")


def test_workflow_asks_for_a_node_type_that_the_cluster_does_not_have():
    own = policy([MEMORY], most=2)
    found = asked(Wish("sort.py", ("c3.large=0..10",)), own=own)
    assert str(widened(own, found).limits) == f"{MEMORY}=0..2,c3.large=0..10"
    assert found.notes == (
        "sort.py asks for c3.large=0..10, which counts while it runs, and for the idle timeout after that.",
    )


def test_limits_of_a_workflow_that_has_ended_are_told_as_such():
    found = asked(Wish("sort.py", ("c3.large=0..10",), until=NOW))
    assert str(Limits(found.limits)) == "c3.large=0..10"
    assert found.notes == (
        f"sort.py has ended, and asked for c3.large=0..10, which counts until {at(NOW)}: it may be started again.",
    )


def test_of_two_limits_the_larger_count():
    found = asked(Wish("a", (f"{SPOT}=0..20",)), Wish("b", (f"{SPOT}=2..5",)))
    assert str(widened(policy([SPOT], most=10, least=1), found).limits) == f"{SPOT}=2..20"


def test_nonsense_is_told_and_the_others_count():
    found = asked(
        Wish("bad", ("c3.large=9..1",)), Wish("worse", ("c3.large=0..1",), "target_time_s=soon"),
        Wish("good", ("c3.large=0..1",)),
    )  # fmt: skip
    assert str(Limits(found.limits)) == "c3.large=0..1"
    assert found.notes[0].startswith("bad asks for nodes that cannot be: ")
    assert found.notes[1].startswith("worse asks for nodes that cannot be: ")


def test_workers_of_a_cluster_without_limits_come_on_top():
    there = [node("i-1", fixed=True), node("i-2", fixed=True), node("i-3")]
    assert str(around(policy([]), there).limits) == f"{MEMORY}=0..2"
    assert str(around(policy([MEMORY], most=3, least=1), there).limits) == f"{MEMORY}=1..5"


def test_compensation_of_a_workflow_launches_one_on_demand_node_for_two_spot_ones_that_are_refused():
    wish = Wish("sort.py", ("m5.large:0.05=0..2", "m5.large=0..2"), "preemptible_compensation=0.5")
    seen = snapshot([job(preemptible=True, cores=2) for _ in range(2)], set_aside=aside("m5.large:0.05"))
    plan = decide(seen, widened(FREE, asked(wish)), NOW)
    assert types({one.node_type: one.count for one in plan.launches}) == {"m5.large": 1}
    without = decide(seen, widened(FREE, asked(replace(wish, tuning=""))), NOW)
    assert without.launches == ()


def test_settings_of_a_workflow_count_in_a_cluster_without_limits_and_the_more_eager_of_two():
    one = Wish("a", ("m5.large=0..2",), "target_time_s=60 beta_inertia=0.5 scale_interval_s=10")
    other = Wish("b", ("m5.large=0..2",), "target_time_s=90 beta_inertia=0.2 preemptible_compensation=1")
    found = asked(one, other, replace(other, tuning="preemptible_compensation=0.5"))
    assert dict(found.tuning) == {
        "target_time_s": 60, "beta_inertia": 0.2, "scale_interval_s": 10, "preemptible_compensation": 1
    }  # fmt: skip
    assert widened(FREE, found).tuning.scale_interval_s == 10
    assert "target time 60 s, beta inertia 0.5, scale interval 10 s, which counts" in found.notes[0]


def test_settings_of_a_cluster_with_limits_win_and_a_line_says_how_to_change_them():
    own = policy([MEMORY], preemptible_compensation=0, target_time_s=60)
    found = asked(Wish("a", ("m5.large=0..2",), "preemptible_compensation=0.5 target_time_s=60"), own=own)
    assert widened(own, found).tuning == own.tuning
    assert found.notes[1:] == (
        "a asks for preemptible compensation 0.5, and the cluster's own, 0, counts: "
        "toilctl autoscale my --preemptible-compensation 0.5 changes that.",
    )


@pytest.mark.parametrize(("text", "counts"), [("0", 1), ("1", 1), ("1e9", 1e9)])
def test_target_time_that_toil_takes_becomes_the_nearest_that_there_is(text: str, counts: float):
    found = asked(Wish("a", ("m5.large=0..2",), f"target_time_s={text} idle_timeout_s=1 unheard_of=1"))
    assert dict(found.tuning) == {"target_time_s": counts}


def test_of_two_root_volumes_the_larger_counts_and_is_told():
    found = asked(
        Wish("a", ("m5.large=0..2",), storage="m5.large=300"), Wish("b", ("m5.large=0..2",), storage="m5.large=100")
    )
    assert found.storage_gb == {NodeType.parse("m5.large"): 300}
    assert "300 GB for m5.large" in found.notes[0]


@pytest.mark.parametrize("own", [policy([MEMORY], most=2, keep_limits=1), policy([], keep_limits=1)])
def test_cluster_that_keeps_its_limits_gives_workflows_nothing_else_and_says_so(own):
    found = asked(
        Wish("sort.py", ("c3.large=0..10", f"{MEMORY}=0..99"), "target_time_s=600", "c3.large=500"), own=own
    )  # fmt: skip
    assert widened(own, found) == own
    assert (found.limits, found.tuning, found.storage_gb) == ((), {}, {})
    assert found.notes == (
        f"sort.py asks for c3.large=0..10, {MEMORY}=0..99, which does not count, since the cluster keeps its own "
        "limits: toilctl autoscale my --keep-limits 0 changes that.",
    )


def test_no_workflow_may_say_whether_the_cluster_keeps_its_limits():
    assert "keep_limits" not in asked(Wish("a", ("c3.large=0..1",), "keep_limits=0")).tuning


def named(count: int, family: str = "c3") -> str:
    return "/".join(f"{family}.x{number}" for number in range(count)) + "=0..1"


def test_workflow_that_names_more_instance_types_than_anybody_means_does_not_count():
    found = asked(Wish("bad", (named(30), named(30, "m5"))), Wish("good", ("c3.large=0..1",)))
    assert str(Limits(found.limits)) == "c3.large=0..1"
    assert found.notes[0] == (
        "bad asks for nodes that cannot be: It names 60 instance types, and at most 50 of one workflow's count."
    )


def test_workflows_that_name_too_many_instance_types_together_count_as_far_as_there_is_room():
    wishes = [Wish(family, (named(40, family),)) for family in ("a1", "b1", "d1")]
    found = asked(*wishes, Wish("e", ("a1.x1=0..5",)), Wish("f", ("c4.x1=0..5",)), own=policy(["c4.x1"]))
    assert [str(one.node_type)[:5] for one in found.limits] == ["a1.x0", "b1.x0", "a1.x1", "c4.x1"]
    assert found.notes[2] == (
        "d1 asks for nodes that cannot be: It names 40 instance types, and at most 100 of all workflows' count."
    )


def test_more_workflows_than_a_cluster_has_are_told_in_one_line(monkeypatch):
    monkeypatch.setattr("toilctl.autoscaler.model.workflow_limits._MOST_WISHES", 2)
    found = asked(*(Wish(name, ("c3.large=0..1",)) for name in "abcde"))
    assert len(found.limits) == 2
    assert found.notes[2:] == ("3 more workflows ask for nodes, which does not count: 2 do at the most.",)


def test_what_cannot_be_is_told_in_a_line_that_can_be_read():
    (told,) = asked(Wish("bad", ("x" * 1000,) * 200)).notes
    assert len(told) < 500


@pytest.mark.parametrize("name", ["a." + "b" * 40, "a" * 40 + ".b", "a." + "b" * 200])
def test_name_that_is_longer_than_any_of_ec2s_is_no_instance_type(name: str):
    assert NodeType.parse("u7inh-32tb.480xlarge").instance_types == ("u7inh-32tb.480xlarge",)
    found = asked(Wish("bad", (f"{name}=0..1",)))
    assert found.limits == ()
    assert found.notes[0].startswith("bad asks for nodes that cannot be: ")
