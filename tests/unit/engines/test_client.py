import subprocess

import pytest

from tests.checkout import ROOT
from tests.unit.slurm_answers import PART, answering
from toilctl import engines
from toilctl.engines import client
from toilctl.engines.client import EngineNode
from toilctl.values import cluster
from toilctl.values.capacity import Resources
from toilctl.values.cluster import NodeState
from toilctl.values.errors import EngineError

DATA = ROOT / "tests/data"


def engine_node(**changes):
    usual = {"name": "n", "instance_id": None, "private_address": None, "state": NodeState.JOINED, "running": (),
             "resources": Resources(1, 1, 1)}  # fmt: skip
    return EngineNode(**usual | changes)


def test_engines_nodes_are_matched_by_instance_id_before_address(node):
    reused = engine_node(name="gone", instance_id="i-0old", private_address="172.31.0.5")
    mine = engine_node(name="mine", instance_id="i-0aaa", private_address="10.0.0.1")
    assert client.join([reused, mine], [node()]) == {"i-0aaa": mine}
    assert client.join([reused], [node()]) == {}


def test_engines_nodes_without_ids_are_matched_by_private_address(node):
    agent = engine_node(private_address="172.31.0.5")
    assert client.join([agent], [node(), node(instance_id="i-0x", private_address=None)]) == {"i-0aaa": agent}


@pytest.mark.parametrize("kind", list(cluster.Engine))
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (subprocess.TimeoutExpired("x", 60), "within 60 s"),
        (subprocess.CalledProcessError(1, "x", "", "a\nUnable to contact slurm controller\n"), "Unable to contact"),
        (subprocess.CalledProcessError(7, "x"), "returned non-zero exit status 7"),
    ],
)
def test_engine_that_does_not_answer_is_an_engine_error(kind, error, text):
    def run(words):
        raise error

    with pytest.raises(EngineError, match=text) as caught:
        engines.of(kind, run, "172.31.0.5").nodes()
    assert caught.value.next_step


@pytest.mark.parametrize("kind", list(cluster.Engine))
@pytest.mark.parametrize(
    "answer", ["", "hello\n", "<html>\n200\n{}\n200\n", f"NodeName=x State=IDLE\n{PART}", f"\n{PART}x\n"]
)
def test_nonsense_is_an_engine_error(kind, answer):
    with pytest.raises(EngineError, match="cannot read"):
        engines.of(kind, answering(answer), "172.31.0.5").nodes()
