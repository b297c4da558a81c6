"""What a plan begins, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import pytest

from toilctl.autoscaler.execute.execute import Begun, Executor, World
from toilctl.autoscaler.memory.playbook_runs import UnderWay
from toilctl.autoscaler.model.plan import ScaleIn, ScaleOut, ScalingPlan
from toilctl.autoscaler.model.playbook_events import Ended, LaunchAnswered, LaunchingOver, Tell
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.engines.client import EngineNode
from toilctl.values.capacity import Resources
from toilctl.values.cluster import Node, NodeState, Role
from toilctl.values.errors import EngineError, PlaybookError
from toilctl.values.jobs import Demand
from toilctl.values.node_types import NodeType

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KIND = NodeType.parse("t2.micro")


class Engine:
    """Nodes and what runs on them; each call is written down."""

    def __init__(self, journal: list[str], states: Mapping[str, NodeState], busy: Sequence[str] = ()) -> None:
        self.journal, self.states, self.busy = journal, dict(states), set(busy)
        self.silent = self.stubborn = False

    def nodes(self) -> tuple[EngineNode, ...]:
        if self.silent:
            raise EngineError("No answer.")
        return tuple(
            EngineNode(one, one, None, state, ("7",) if one in self.busy else (), Resources(1, 1, 1))
            for one, state in self.states.items()
        )

    def demand(self) -> Demand:
        return Demand()

    def cordon(self, name: str) -> None:
        raise AssertionError(name)

    def drain(self, name: str) -> None:
        self.journal.append(f"drain {name}")
        if self.stubborn:
            raise EngineError("It does not want to.")

    def evacuate(self, node: EngineNode) -> None:
        self.journal.append(f"evacuate {node.name}")

    def lost(self, node: EngineNode) -> None:
        raise AssertionError(node)

    def uncordon(self, name: str) -> None:
        self.journal.append(f"uncordon {name}")
        if not self.stubborn:
            self.states[name] = NodeState.JOINED


class Actions:
    """Playbooks that end at once."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.error: Exception | None = None

    def scale_out(self, intent: str, launches: Sequence[ScaleOut], tell: Tell) -> Ended:
        self.journal.append(f"launch {', '.join(str(one.node_type) for one in launches)}" if launches else "set up")
        if self.error:
            raise self.error
        for one in launches:
            tell(LaunchAnswered(intent, one.node_type, frozenset({"i-9"})))
        tell(LaunchingOver(intent))
        return Ended(intent, ok=True, message="done")

    def scale_in(self, run: str, nodes: Mapping[str, Node], *, force: bool) -> Ended:
        self.journal.append(f"{'end' if force else 'drain'} {' '.join(nodes)}")
        return Ended(run, ok=True, message="done", terminated=frozenset(nodes))

    def save_console(self, instance_id: str) -> None:
        self.journal.append(f"console {instance_id}")


class Stage:
    """An executor with three nodes, whose playbooks run when told."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.engine = Engine(self.journal, dict.fromkeys(("i-1", "i-2", "i-3"), NodeState.JOINED))
        self.actions, self.under_way = Actions(self.journal), UnderWay()
        self.waiting: list[Callable[[], None]] = []
        self.executor = Executor(self.under_way, self.waiting.append)

    def begin(self, plan: ScalingPlan) -> Begun:
        nodes = {
            one: Node(one, Role.WORKER, KIND, "t2.micro", "running", "a", None, None, False, NOW.isoformat(), "auto-1")
            for one in ("i-1", "i-2", "i-3", "i-4")
        }
        members = {node.name: node for node in self.engine.nodes()} if not self.engine.silent else {}
        return self.executor.begin(plan, World(self.engine, self.actions, nodes, members), NOW)

    def run(self) -> tuple[object, ...]:
        while self.waiting:
            self.waiting.pop(0)()
        events = self.executor.events()
        for event in events:
            self.under_way.absorb(event, NOW)
        return events


@pytest.fixture
def stage() -> Stage:
    return Stage()


def idle(*ids: str, reason: EndReason = EndReason.IDLE) -> tuple[ScaleIn, ...]:
    return (ScaleIn(ids, reason),)


def test_nodes_are_undrained_before_others_are_launched(stage):
    stage.engine.states["i-1"] = NodeState.DRAINING
    begun = stage.begin(ScalingPlan(launches=(ScaleOut(KIND, 2),), undrain=("i-1",)))
    stage.run()
    assert stage.journal == ["uncordon i-1", "launch t2.micro"]
    assert [action.text() for action in begun.actions] == ["undrain i-1 (needed)", "launch 2 t2.micro (demand)"]
    assert begun.ended == ()


def test_node_that_stays_drained_is_told(stage):
    stage.engine.states["i-1"], stage.engine.stubborn = NodeState.DRAINING, True
    assert stage.begin(ScalingPlan(undrain=("i-1", "i-4"))).ended == (
        ("undrain", False, "i-4: The engine does not know a node i-4."),
        ("undrain", False, "i-1 does not take jobs again yet"),
    )


def test_second_launch_waits_for_the_answer_to_the_first(stage):
    stage.begin(ScalingPlan(launches=(ScaleOut(KIND, 1),)))
    assert stage.begin(ScalingPlan(launches=(ScaleOut(KIND, 1),))).actions == ()
    stage.run()
    assert len(stage.begin(ScalingPlan(launches=(ScaleOut(KIND, 1),))).actions) == 1


def test_orphans_are_set_up_again_once_per_intent(stage):
    begun = stage.begin(ScalingPlan(set_up=("i-1", "i-2")))
    assert [action.instance_ids for action in begun.actions] == [("i-1", "i-2")]
    assert [run.name for run in stage.under_way.now] == ["auto-1"]
    stage.run()
    assert stage.journal == ["set up"]


def test_idle_nodes_are_looked_at_again_just_before_they_go(stage):
    stage.begin(ScalingPlan(scale_in=idle("i-1", "i-2", "i-4")))
    stage.engine.busy.add("i-2")
    stage.run()
    assert stage.journal == ["drain i-1"], "one has a job now, and of one the engine knows nothing"


def test_nothing_goes_when_all_have_jobs_again(stage):
    stage.begin(ScalingPlan(scale_in=idle("i-1")))
    stage.engine.busy.add("i-1")
    (ended,) = stage.run()
    assert (stage.journal, ended.ok, ended.message) == ([], True, "nothing is idle any more")


def test_nothing_goes_when_the_engine_stops_answering(stage):
    stage.begin(ScalingPlan(scale_in=idle("i-1")))
    stage.engine.silent = True
    (ended,) = stage.run()
    assert (stage.journal, ended.ok) == ([], False)
    assert "nothing goes" in ended.message


def test_busy_nodes_over_the_maximum_are_drained(stage):
    stage.engine.busy.add("i-1")
    stage.begin(ScalingPlan(scale_in=idle("i-1", reason=EndReason.OVER_MAXIMUM)))
    stage.run()
    assert stage.journal == ["drain i-1"]


def test_dead_node_goes_whatever_the_engine_says_and_its_console_is_kept(stage):
    stage.begin(ScalingPlan(replace={"i-4": EndReason.NEVER_JOINED}, scale_in=idle("i-1")))
    (ended,) = stage.run()
    assert stage.journal == ["console i-4", "end i-4", "drain i-1"]
    assert ended.terminated == {"i-1", "i-4"}


def test_dead_node_goes_also_when_the_engine_does_not_answer_for_the_others(stage):
    stage.begin(ScalingPlan(replace={"i-4": EndReason.LOST}, scale_in=idle("i-1")))
    stage.engine.silent = True
    (ended,) = stage.run()
    assert (ended.terminated, ended.ok) == ({"i-4"}, False)


def test_one_scale_in_runs_at_a_time(stage):
    stage.begin(ScalingPlan(scale_in=idle("i-1")))
    assert stage.begin(ScalingPlan(scale_in=idle("i-2"))).actions == ()
    stage.run()
    assert len(stage.begin(ScalingPlan(scale_in=idle("i-2"))).actions) == 1


def test_playbook_that_breaks_is_an_event(stage):
    stage.actions.error = PlaybookError("No ansible-playbook here.")
    stage.begin(ScalingPlan(launches=(ScaleOut(KIND, 1),)))
    (ended,) = stage.run()
    assert (ended.ok, ended.message) == (False, "PlaybookError: No ansible-playbook here.")
    assert stage.under_way.now == ()


def test_engine_is_told_of_interruptions_before_anything_is_launched(stage):
    stage.engine.states["i-2"] = NodeState.DRAINING
    begun = stage.begin(ScalingPlan(drain=("i-1",), evacuate=("i-2",), launches=(ScaleOut(KIND, 1),)))
    stage.run()
    assert stage.journal == ["drain i-1", "evacuate i-2", "launch t2.micro"]
    assert [action.text() for action in begun.actions] == [
        "drain i-1 (interrupted)", "evacuate i-2 (interrupted)", "launch 1 t2.micro (demand)",
    ]  # fmt: skip
    assert begun.ended == ()


def test_engine_that_does_not_heed_an_interruption_keeps_nothing_else_from_being_done(stage):
    stage.engine.stubborn = True
    begun = stage.begin(ScalingPlan(drain=("i-1", "i-4"), launches=(ScaleOut(KIND, 1),)))
    assert [action.action for action in begun.actions] == ["launch"]
    assert begun.ended == (
        ("drain", False, "i-1: It does not want to."),
        ("drain", False, "i-4: The engine does not know a node i-4."),
    )
