"""What workflows ask for beside the cluster's own limits."""

from __future__ import annotations

from tests.unit.autoscaler.builders import MEMORY, NOW, SPOT, node, policy
from toilctl.autoscaler.model.workflow_limits import around, read, widened
from toilctl.values.scaling_policy import Limits
from toilctl.values.wording import at


def test_workflow_asks_for_a_node_type_that_the_cluster_does_not_have():
    asked, notes = read({"sort.py": ("c3.large=0..10",)})
    wider = widened(policy([MEMORY], most=2), asked)
    assert str(wider.limits) == f"{MEMORY}=0..2,c3.large=0..10"
    assert notes == (
        "sort.py asks for c3.large=0..10, which counts while it runs, and for the idle timeout after that.",
    )


def test_limits_of_a_workflow_that_has_ended_are_told_as_such():
    asked, notes = read({"sort.py": ("c3.large=0..10",)}, {"sort.py": NOW})
    assert str(Limits(asked)) == "c3.large=0..10"
    assert notes == (
        f"sort.py has ended, and asked for c3.large=0..10, which counts until {at(NOW)}: it may be started again.",
    )


def test_of_two_limits_the_larger_count():
    asked, _ = read({"a": (f"{SPOT}=0..20",), "b": (f"{SPOT}=2..5",)})
    assert str(widened(policy([SPOT], most=10, least=1), asked).limits) == f"{SPOT}=2..20"


def test_nonsense_is_told_and_the_others_count():
    asked, notes = read({"bad": ("c3.large=9..1",), "good": ("c3.large=0..1",)})
    assert str(Limits(asked)) == "c3.large=0..1"
    assert notes[0].startswith("bad asks for nodes that cannot be: ")


def test_workers_of_a_cluster_without_limits_come_on_top():
    there = [node("i-1", fixed=True), node("i-2", fixed=True), node("i-3")]
    assert str(around(policy([]), there).limits) == f"{MEMORY}=0..2"
    assert str(around(policy([MEMORY], most=3, least=1), there).limits) == f"{MEMORY}=1..5"
