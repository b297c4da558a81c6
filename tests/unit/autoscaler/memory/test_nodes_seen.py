"""What is remembered of each node between two looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from toilctl.autoscaler.memory.nodes_seen import Acquaintance, Changes
from toilctl.engines.client import EngineNode
from toilctl.values.capacity import Resources
from toilctl.values.cluster import Node, NodeState, Role
from toilctl.values.node_types import NodeType

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KIND = NodeType.parse("t2.micro")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def nodes(*ids: str) -> list[Node]:
    return [
        Node(one, Role.WORKER, KIND, "t2.micro", "running", "us-west-2a", None, None, False, NOW.isoformat())
        for one in ids
    ]


def member(state: NodeState = NodeState.JOINED, running: tuple[str, ...] = ()) -> EngineNode:
    return EngineNode("n", None, None, state, running, Resources(1, 1, 1))


def look(known: Acquaintance, at: float, ids: str, *, answers: bool = True, **members: EngineNode) -> Changes:
    listed = {name.replace("_", "-"): one for name, one in members.items()}
    return known.see(nodes(*ids.split()), listed, later(at), engine_answers=answers)


def test_node_is_missing_since_it_was_first_not_there():
    known = Acquaintance()
    look(known, 0, "i-1")
    look(known, 30, "i-1")
    assert known.missing_since == {"i-1": NOW}
    look(known, 60, "i-1", i_1=member())
    assert known.missing_since == {}
    look(known, 90, "i-1", i_1=member(NodeState.DOWN))
    assert known.missing_since == {"i-1": later(90)}
    assert known.joined == {"i-1"}


def test_engine_that_does_not_answer_makes_no_node_late():
    known = Acquaintance()
    look(known, 0, "i-1 i-2", i_2=member())
    look(known, 600, "i-1 i-2", answers=False)
    look(known, 630, "i-1 i-2")
    assert known.missing_since == {"i-1": later(630), "i-2": later(630)}
    assert known.idle_since == {}


def test_node_is_idle_since_it_was_first_seen_so():
    known = Acquaintance()
    look(known, 0, "i-1", i_1=member(running=("7",)))
    assert known.idle_since == {}
    look(known, 30, "i-1", i_1=member())
    look(known, 60, "i-1", i_1=member())
    assert known.idle_since == {"i-1": later(30)}


def test_joining_and_ending_before_that_are_told_once():
    known = Acquaintance()
    nothing = Changes(frozenset(), {}, frozenset())
    assert look(known, 0, "i-1 i-2") == nothing
    assert look(known, 30, "i-1", i_1=member()) == Changes(frozenset({KIND}), {"i-2": KIND}, frozenset({"i-2"}))
    assert look(known, 60, "i-1", i_1=member()) == nothing
    assert look(known, 90, "") == Changes(frozenset(), {}, frozenset({"i-1"}))
    assert known == Acquaintance()
