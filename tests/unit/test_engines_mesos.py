"""On answers that a real Mesos 1.12.0 gave."""

import json
from pathlib import Path

import pytest

from toilctl.capacity import Resources
from toilctl.cluster import NodeState
from toilctl.engines.mesos import Mesos
from toilctl.errors import EngineError, NotYetError

DATA = Path(__file__).parents[1] / "data/mesos"
AGENT = "0ce729e7-30e8-4943-8437-99ff294c41f2-S1"
FRAMEWORK = "0ce729e7-30e8-4943-8437-99ff294c41f2-0000"


def mesos(slaves, tasks="running-tasks.json"):
    answers = [(DATA / name).read_text() for name in (slaves, tasks)]
    return Mesos(lambda words: "".join(f"{answer}\n200\n" for answer in answers), "172.31.0.50")


def test_agents_tell_their_unfinished_tasks_and_size():
    first, second = mesos("running-slaves.json").nodes()
    assert (first.name, first.private_address, first.state) == (AGENT, "172.31.0.52", NodeState.JOINED)
    assert first.running == (f"{FRAMEWORK}/9", f"{FRAMEWORK}/8")
    assert second.running == (f"{FRAMEWORK}/3", f"{FRAMEWORK}/4")
    assert first.resources == Resources(2, 23081, 252899)


def test_deactivated_agent_is_cordoned_and_its_tasks_run_on():
    first, second = mesos("deactivated-slaves.json").nodes()
    assert (first.state, second.state) == (NodeState.CORDONED, NodeState.JOINED)
    assert not first.idle


def test_restarted_master_lists_no_agents():
    assert mesos("master-restarted-slaves.json").nodes() == ()


def changed(tmp_path, **changes):
    slaves = json.loads((DATA / "running-slaves.json").read_text())
    slaves["slaves"][0].update(changes)
    tasks = (DATA / "running-tasks.json").read_text()
    return Mesos(lambda words: f"{json.dumps(slaves)}\n200\n{tasks}\n200\n", "172.31.0.50").nodes()[0]


def test_agent_that_lost_its_master_is_down(tmp_path):
    assert changed(tmp_path, active=False).state is NodeState.DOWN


def test_agent_that_mesos_drains_is_draining(tmp_path):
    assert changed(tmp_path, deactivated=True, drain_info={"state": "DRAINING"}).state is NodeState.DRAINING


def test_instance_id_is_an_attribute_where_it_is_given(tmp_path):
    assert changed(tmp_path, attributes={"preemptible": "True", "instance_id": "i-0aaa"}).instance_id == "i-0aaa"


def told(answer, act):
    words = []
    act(Mesos(lambda given: words.extend(given) or answer, "172.31.0.50"))
    return words


@pytest.mark.parametrize(
    ("act", "kind"), [("cordon", "DEACTIVATE_AGENT"), ("drain", "DEACTIVATE_AGENT"), ("uncordon", "REACTIVATE_AGENT")]
)
def test_operator_is_called_at_the_leaders_private_address(act, kind):
    words = told("\n200\n", lambda mesos: getattr(mesos, act)(AGENT))
    assert words[-1] == "http://172.31.0.50:5050/api/v1"
    assert json.loads(words[words.index("--data") + 1]) == {"type": kind, kind.lower(): {"agent_id": {"value": AGENT}}}


def test_unknown_agent_is_named():
    with pytest.raises(EngineError, match=f"does not know a node {AGENT}"):
        told("Unknown agent\n400\n", lambda mesos: mesos.drain(AGENT))


def test_other_refusals_keep_their_text():
    with pytest.raises(EngineError, match="400: Failed to validate") as caught:
        told("Failed to validate master::Call\n400\n", lambda mesos: mesos.drain(AGENT))
    assert "-L 5050" in caught.value.next_step


def test_mesos_cannot_tell_demand_yet_and_says_what_can():
    with pytest.raises(NotYetError, match="--engine slurm"):
        Mesos(lambda words: "", "172.31.0.5").demand()
