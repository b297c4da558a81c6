"""The adapter, with its own curl, against answers that a real Mesos 1.12.0 gave."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.contract.mesos_master import Answer, Call, MesosMaster, Moment
from toilctl.engines import client
from toilctl.engines.client import EngineNode
from toilctl.engines.mesos import PAGE, Mesos
from toilctl.values.capacity import Resources
from toilctl.values.cluster import Node, NodeState, Role
from toilctl.values.errors import EngineError
from toilctl.values.node_types import NodeType

AGENT = "0ce729e7-30e8-4943-8437-99ff294c41f2-S1"
OTHER = "0ce729e7-30e8-4943-8437-99ff294c41f2-S0"
FIRST, SECOND = (f"0ce729e7-30e8-4943-8437-99ff294c41f2-000{number}" for number in (0, 1))

Mastered = Callable[..., tuple[MesosMaster, Mesos]]


def here(words: Sequence[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def mastered(tmp_path: Path, request: pytest.FixtureRequest) -> Mastered:
    """Start a stand-in with a script, and make an adapter for it."""

    def start(*script: Moment | Answer | str, **fields: Any) -> tuple[MesosMaster, Mesos]:
        master = MesosMaster(*(Moment.recorded(one) if isinstance(one, str) else one for one in script))
        request.addfinalizer(master.__enter__().stop)
        return master, Mesos(here, "127.0.0.1", port=master.port, marks=str(tmp_path / "marks"), **fields)

    return start


def states(mesos: Mesos) -> dict[str | None, NodeState]:
    return {node.private_address: node.state for node in mesos.nodes()}


def running(mesos: Mesos) -> dict[str | None, int]:
    return {node.private_address: len(node.running) for node in mesos.nodes()}


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("idle", {"172.31.0.52": 0, "172.31.0.51": 0}),
        ("running", {"172.31.0.52": 2, "172.31.0.51": 2}),
        ("deactivated", {"172.31.0.52": 2, "172.31.0.51": 2}),
        ("draining", {"172.31.0.52": 2}),
        ("drained", {"172.31.0.52": 2}),
        ("after-gone", {"172.31.0.52": 0}),
        ("unreachable", {"172.31.0.51": 0}),
        ("master-restarted", {}),
    ],
)
def test_agents_tell_how_many_tasks_run_there(mastered: Mastered, moment: str, expected: dict[str, int]) -> None:
    assert running(mastered(moment)[1]) == expected


def test_agent_tells_its_name_tasks_and_size(mastered: Mastered) -> None:
    first, second = mastered("running")[1].nodes()
    assert (first.name, first.private_address, first.instance_id) == (AGENT, "172.31.0.52", None)
    assert set(first.running) == {f"{FIRST}/9", f"{FIRST}/8"}
    assert set(second.running) == {f"{FIRST}/3", f"{FIRST}/4"}
    assert first.resources == Resources(2, 23081, 252899)


def test_agent_tells_what_is_used_of_it(mastered: Mastered) -> None:
    assert [node.used for node in mastered("running")[1].nodes()] == [Resources(2.0, 954, 191)] * 2
    assert [node.used for node in mastered("idle")[1].nodes()] == [Resources(0.0, 0, 0)] * 2


def test_task_tells_where_it_runs_since_when_and_what_it_holds(mastered: Mastered) -> None:
    moment = Moment.recorded("running")
    moment.agents[0]["attributes"]["instance_id"] = "i-0aaa"
    (task,) = (one for one in mastered(moment)[1].tasks() if one.task_id == "9")
    assert task.job_id == f"{FIRST}/9"
    assert task.name == "'child' 3dd88288-6f1d-480c-ae91-b51cf1dce296 v1"
    assert (task.agent_id, task.address, task.instance_id) == (AGENT, "172.31.0.52", "i-0aaa")
    assert task.resources == Resources(1.0, 477, 96)
    assert task.started == datetime.fromtimestamp(1795226762, UTC)


def test_task_that_was_only_sent_to_an_agent_holds_it_but_has_not_started(mastered: Mastered) -> None:
    moment = Moment.recorded("running")
    moment.tasks[0].update(state="TASK_STAGING", statuses=[])
    (staging,) = (one for one in mastered(moment)[1].tasks() if one.started is None)
    assert (staging.task_id, staging.agent_id) == ("9", AGENT)


def test_deactivated_agent_is_a_humans_unless_it_is_marked(mastered: Mastered, tmp_path: Path) -> None:
    _, mesos = mastered("deactivated")
    assert states(mesos) == {"172.31.0.52": NodeState.CORDONED, "172.31.0.51": NodeState.JOINED}
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / AGENT).touch()
    assert states(mesos)["172.31.0.52"] is NodeState.DRAINING


def test_agent_that_mesos_drains_is_draining(mastered: Mastered) -> None:
    moment = Moment.recorded("deactivated")
    moment.agent(AGENT)["drain_info"] = {"state": "DRAINING"}
    assert states(mastered(moment)[1])["172.31.0.52"] is NodeState.DRAINING


def test_agent_that_lost_its_master_is_down(mastered: Mastered) -> None:
    moment = Moment.recorded("running")
    moment.agent(AGENT)["active"] = False
    assert states(mastered(moment)[1])["172.31.0.52"] is NodeState.DOWN


def test_drain_cordon_and_uncordon_are_told_apart_afterwards(mastered: Mastered) -> None:
    master, mesos = mastered("running")
    mesos.drain(AGENT)
    assert states(mesos)["172.31.0.52"] is NodeState.DRAINING
    mesos.uncordon(AGENT)
    assert states(mesos)["172.31.0.52"] is NodeState.JOINED
    mesos.cordon(AGENT)
    assert states(mesos)["172.31.0.52"] is NodeState.CORDONED
    assert master.kinds() == ["DEACTIVATE_AGENT", "REACTIVATE_AGENT", "DEACTIVATE_AGENT"]
    assert {call.agent for call in master.calls} == {AGENT}


def test_human_who_cordons_what_toilctl_drains_keeps_it(mastered: Mastered) -> None:
    _, mesos = mastered("running")
    mesos.drain(AGENT)
    mesos.cordon(AGENT)
    assert states(mesos)["172.31.0.52"] is NodeState.CORDONED


def test_marked_agent_that_is_active_after_a_restart_is_joined_and_can_be_drained_again(mastered: Mastered) -> None:
    master, mesos = mastered("running", "master-restarted", "running")
    mesos.drain(AGENT)
    mesos.nodes()
    assert mesos.nodes() == ()
    assert states(mesos)["172.31.0.52"] is NodeState.JOINED
    mesos.drain(AGENT)
    assert master.kinds() == ["DEACTIVATE_AGENT"] * 2


def node(name: str) -> EngineNode:
    return EngineNode(name, None, "172.31.0.50", NodeState.DRAINING, ("7",), Resources(1, 1, 1))


def test_evacuated_agent_gets_its_grace_and_is_gone(mastered: Mastered) -> None:
    master, mesos = mastered("running")
    mesos.evacuate(node(AGENT))
    body = {"agent_id": {"value": AGENT}, "max_grace_period": {"nanoseconds": 5_000_000_000}, "mark_gone": True}
    assert master.calls == [Call("DRAIN_AGENT", AGENT, body)]
    assert running(mesos) == {"172.31.0.51": 2}


@pytest.mark.parametrize(
    "act", [Mesos.cordon, Mesos.uncordon, Mesos.drain, lambda mesos, name: mesos.evacuate(node(name))]
)
@pytest.mark.parametrize("name", ["nobody-S9", "../../x"])
def test_agent_that_the_master_does_not_know_is_named_and_not_marked(
    mastered: Mastered, act: Callable[[Mesos, str], None], name: str, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=f"does not know a node {name}") as caught:
        act(mastered("running")[1], name)
    assert "just restarted" in caught.value.next_step
    assert list(tmp_path.rglob("*-S9")) == []


def test_tasks_of_two_workflows_with_equal_ids_are_two(mastered: Mastered) -> None:
    moment = Moment.recorded("running")
    moment.tasks.append(moment.tasks[0] | {"framework_id": SECOND})
    (node, _) = mastered(moment)[1].nodes()
    assert {f"{FIRST}/9", f"{SECOND}/9"} <= set(node.running)


def many(count: int) -> Moment:
    """Return a moment with this many running tasks, of which the last to start runs on AGENT."""
    moment = Moment.recorded("running")
    like = moment.tasks[0] | {"slave_id": OTHER}
    times = ([{"state": "TASK_RUNNING", "timestamp": 1795226762.0 + number}] for number in range(count))
    moment.tasks = [like | {"id": str(number), "statuses": statuses} for number, statuses in enumerate(times)]
    moment.tasks[-1]["slave_id"] = AGENT
    return moment


@pytest.mark.parametrize("count", [PAGE - 1, PAGE, 2 * PAGE + 7])
def test_all_pages_of_tasks_are_read(mastered: Mastered, count: int) -> None:
    assert running(mastered(many(count))[1]) == {"172.31.0.52": 1, "172.31.0.51": count - 1}


def test_task_is_not_missed_when_older_ones_are_forgotten_while_pages_are_read(mastered: Mastered) -> None:
    moment = many(PAGE + 500)
    for task in moment.tasks[:1000]:
        task["state"] = "TASK_FINISHED"
    master, mesos = mastered(moment)
    assert isinstance(master.now, Moment)
    listed = master.now.tasks
    master.just_after["/tasks"] = lambda: listed.__delitem__(slice(1000))
    assert running(mesos) == {"172.31.0.52": 1, "172.31.0.51": PAGE - 500 - 1}


def worker(instance_id: str, address: str) -> Node:
    kind = NodeType.parse("t2.micro")
    return Node(instance_id, Role.WORKER, kind, "t2.micro", "running", "us-west-2a", address, None, False, "")


def test_agents_and_workers_that_only_one_side_knows_are_left_out(mastered: Mastered) -> None:
    known = mastered("running")[1].nodes()
    joined = client.join(known, [worker("i-0aaa", "172.31.0.52"), worker("i-0bbb", "172.31.0.99")])
    assert {instance_id: node.name for instance_id, node in joined.items()} == {"i-0aaa": AGENT}


def test_master_that_is_not_there_may_be_starting(mastered: Mastered) -> None:
    master, mesos = mastered("running")
    master.stop()
    with pytest.raises(EngineError, match=r"does not answer: curl: \(7\)") as caught:
        mesos.nodes()
    assert "try again in a moment" in caught.value.next_step


@pytest.mark.parametrize(
    ("answer", "text", "next_step"),
    [
        (Answer(delay_s=1), r"curl: \(28\)", "try again in a moment"),
        (Answer(silent=True), r"curl: \(52\)", "try again in a moment"),
        (Answer(body='{"slaves": [', missing=100), r"curl: \(18\)", "try again in a moment"),
        (Answer(body='{"slaves": ['), "cannot read", "log"),
        (Answer(body="<html>\n<p>Welcome</p>\n</html>\n"), "cannot read: '<html>", "log"),
        (Answer(body='{"slaves": 1}'), "cannot read", "log"),
        (Answer(body="[]"), "cannot read", "log"),
        (Answer(503, "No leader elected"), "does not lead yet", "Try again in a moment"),
        (Answer(307, location="http://127.0.0.2:5050/slaves"), "does not lead yet", "Try again in a moment"),
        (Answer(401, "<html>\n401\n</html>"), "wants credentials", "without authentication"),
        (Answer(403, "Forbidden"), "wants credentials", "without authentication"),
        (Answer(400, "Failed to validate master::Call"), "400: Failed to validate", "-L 5050"),
        (Answer(500, "<html>\n<p>Oh</p>\n</html>"), "refuses with 500: <html> <p>Oh</p> </html>", "-L 5050"),
    ],
)
@pytest.mark.parametrize("act", [Mesos.nodes, Mesos.tasks])
def test_answer_that_is_none_is_an_engine_error_with_a_next_step(
    mastered: Mastered, act: Callable[[Mesos], Any], answer: Answer, text: str, next_step: str
) -> None:
    # Only what comes too late for it needs so short a time.
    _, mesos = mastered(answer, timeout_s=0.3 if answer.delay_s else 60)
    with pytest.raises(EngineError, match=text) as caught:
        act(mesos)
    assert next_step in caught.value.next_step


@pytest.mark.parametrize("act", [Mesos.cordon, Mesos.uncordon, Mesos.drain])
def test_refused_call_tells_its_status(mastered: Mastered, act: Callable[[Mesos, str], None]) -> None:
    with pytest.raises(EngineError, match="does not lead yet") as caught:
        act(mastered(Answer(503, "No leader elected"))[1], AGENT)
    assert caught.value.facts["status"] == 503


def test_agent_stays_marked_when_nobody_knows_whether_it_was_deactivated(mastered: Mastered, tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        mastered(Answer(silent=True))[1].drain(AGENT)
    assert [mark.name for mark in (tmp_path / "marks").iterdir()] == [AGENT]
