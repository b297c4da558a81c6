"""Nodes, on answers that a real Slurm 22.05.8 gave."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.checkout import ROOT
from tests.unit.slurm_answers import PART, answering
from toilctl.engines.slurm import Slurm
from toilctl.engines.slurm_names import expand
from toilctl.values.capacity import Resources
from toilctl.values.cluster import NodeState
from toilctl.values.errors import EngineError

DATA = ROOT / "tests/data/slurm"
NODE = "i-0123456789abcdef0"


def slurm(nodes, jobs=""):
    return Slurm(answering(f"{nodes}{PART}{jobs}"))


def recorded(name):
    return (DATA / name).read_text()


def test_joined_node_tells_its_jobs_and_size():
    (node,) = slurm(recorded("nodes-running.txt"), recorded("squeue.txt")).nodes()
    assert (node.name, node.instance_id, node.private_address) == (NODE, NODE, "172.31.0.5")
    assert node.state is NodeState.JOINED
    assert node.running == ("1", "2")
    assert node.resources == Resources(2, 800, 5000)


def test_node_tells_what_its_jobs_hold_where_slurm_says_so():
    listed, _, jobs = recorded("nodes-many.txt").partition(PART)
    assert [node.used for node in slurm(listed, jobs).nodes()] == [Resources(1, 150, 0), Resources(0, 50, 0)]
    assert slurm(recorded("nodes-running.txt").replace("CPUAlloc", "Other")).nodes()[0].used is None


@pytest.mark.parametrize(
    ("file", "state"),
    [
        ("nodes-draining.txt", NodeState.DRAINING),
        ("nodes-cordoned.txt", NodeState.CORDONED),
        ("nodes-down.txt", NodeState.DOWN),
    ],
)
def test_state_of_a_node(file, state):
    assert [node.state for node in slurm(recorded(file)).nodes()] == [state]


def test_idle_node_tells_since_when():
    (idle,) = slurm(recorded("nodes-running.txt")).nodes()
    (busy,) = slurm(recorded("nodes-running.txt"), recorded("squeue.txt")).nodes()
    assert idle.idle_since == datetime(2026, 11, 21, 3, 0, 21, tzinfo=UTC)
    assert busy.idle_since is None


def test_node_that_slurm_has_no_time_for_may_be_idle_for_long_or_not():
    listed = recorded("nodes-running.txt").replace("LastBusyTime=2026-11-21T03:00:21", "LastBusyTime=None")
    assert slurm(listed).nodes()[0].idle_since is None


def test_job_that_is_suspended_or_ending_holds_its_node():
    listed, _, jobs = recorded("nodes-many.txt").partition(PART)
    assert [node.running for node in slurm(listed, jobs).nodes()] == [("269", "271"), ("272", "271")]


def test_node_that_slurm_itself_gave_up_may_go_and_is_not_a_persons():
    listed = recorded("nodes-cordoned.txt").replace("disk swap, by ann", "Duplicate jobid")
    assert slurm(listed).nodes()[0].state is NodeState.DRAINING


def test_node_that_has_less_than_it_claims_is_down():
    listed = recorded("nodes-cordoned.txt").replace("+DRAIN", "+DRAIN+INVALID_REG")
    assert slurm(listed).nodes()[0].state is NodeState.DOWN


def test_node_that_has_not_answered_lately_is_not_down_yet():
    listed = recorded("nodes-running.txt").replace("DYNAMIC_NORM", "DYNAMIC_NORM+NOT_RESPONDING")
    assert slurm(listed).nodes()[0].state is NodeState.JOINED


def test_controller_without_nodes_has_none():
    assert slurm("No nodes in the system\n").nodes() == ()


def test_placeholder_nodes_are_left_out():
    assert slurm(recorded("nodes-running.txt").replace("State=IDLE", "State=FUTURE")).nodes() == ()


def test_node_named_otherwise_is_known_by_address():
    (node,) = slurm(recorded("nodes-running.txt").replace(NODE, "w1")).nodes()
    assert (node.name, node.instance_id, node.private_address) == ("w1", None, "172.31.0.5")


def test_reason_may_be_any_text():
    listed = recorded("nodes-cordoned.txt").replace("disk swap, by ann", "was State=DOWN, CPUTot=x")
    assert slurm(listed).nodes()[0].state is NodeState.CORDONED


def test_unreadable_list_of_nodes_is_an_engine_error():
    with pytest.raises(EngineError, match="cannot read"):
        slurm(recorded("nodes-running.txt"), "7|RUNNING|a[x-y]\n").nodes()


@pytest.mark.parametrize(
    ("short", "names"),
    [
        ("i-0a", ["i-0a"]),
        ("i-0a[09-11],w", ["i-0a09", "i-0a10", "i-0a11", "w"]),
        ("a[1,3-4]b[1-2]", ["a1b1", "a1b2", "a3b1", "a3b2", "a4b1", "a4b2"]),
        ("a[08-12:2]", ["a08", "a10", "a12"]),
    ],
)
def test_lists_of_nodes_are_expanded(short, names):
    assert list(expand(short)) == names


def test_job_on_several_nodes_counts_on_each():
    listed = recorded("nodes-running.txt")
    both = listed + "\n" + listed.replace("abcdef0", "abcdef1")
    nodes = slurm(both, "7|COMPLETING|i-0123456789abcdef[0-1]\n").nodes()
    assert [node.running for node in nodes] == [("7",), ("7",)]


def told(act):
    words = []
    act(Slurm(lambda given: words.append(list(given)) or ""))
    return words


def test_cordon_drain_and_uncordon_say_why():
    assert told(lambda slurm: slurm.cordon(NODE)) == [
        ["scontrol", "update", f"NodeName={NODE}", "State=DRAIN", "Reason=toilctl: cordoned"]
    ]
    assert told(lambda slurm: slurm.drain(NODE))[0][-1] == "Reason=toilctl: draining"
    assert told(lambda slurm: slurm.uncordon(NODE)) == [["scontrol", "update", f"NodeName={NODE}", "State=UNDRAIN"]]


def test_unknown_node_is_named():
    def run(words):
        raise subprocess.CalledProcessError(1, words, "", "slurm_update error: Invalid node name specified\n")

    with pytest.raises(EngineError, match="does not know a node i-0none"):
        Slurm(run).drain("i-0none")


def test_what_runs_on_an_evacuated_node_runs_again_at_once():
    (busy,) = slurm(recorded("nodes-running.txt"), recorded("squeue.txt")).nodes()
    assert told(lambda slurm: slurm.evacuate(busy)) == [
        ["scontrol", "requeue", "1,2"],
        ["scontrol", "update", "JobId=1", "StartTime=now"],
        ["scontrol", "update", "JobId=2", "StartTime=now"],
    ]
    assert told(lambda slurm: slurm.evacuate(replace(busy, running=()))) == []


def test_what_ran_on_a_lost_node_runs_again_at_once_and_then_the_node_is_forgotten():
    (busy,) = slurm(recorded("nodes-running.txt"), recorded("squeue.txt")).nodes()
    assert told(lambda slurm: slurm.lost(busy)) == [
        ["scontrol", "update", f"NodeName={NODE}", "State=DOWN", "Reason=toilctl: terminated"],
        ["scontrol", "update", "JobId=1", "StartTime=now"],
        ["scontrol", "update", "JobId=2", "StartTime=now"],
    ]
    (down,) = slurm(recorded("nodes-down.txt")).nodes()
    assert told(lambda slurm: slurm.lost(down)) == [["scontrol", "delete", f"NodeName={down.name}"]]
    assert told(lambda slurm: slurm.lost(replace(down, running=("1",)))) == []


@pytest.mark.parametrize("text", ["2026-13-41T99:99:99", "9999-12-31T23:59:59", "1", "9" * 5000])
def test_odd_time_of_a_node_is_not_known(text):
    listed = recorded("nodes-running.txt").replace("2026-11-21T03:00:21", text)
    assert slurm(listed).nodes()[0].idle_since is None


@pytest.mark.parametrize("reason", ["swap\u2028State=DOWN", "a\x85b", "two\nlines", "x\x1b[2J\0"])
def test_reason_may_have_any_character(reason):
    listed = recorded("nodes-cordoned.txt").replace("disk swap, by ann", reason)
    assert [node.state for node in slurm(listed).nodes()] == [NodeState.CORDONED]


@pytest.mark.parametrize(
    "line",
    ["----", "No nodes in the system", "NodeName=x", "NodeName=x State=IDLE CPUTot=x RealMemory=1", "7|RUNNING|x"],
)
def test_line_of_a_reason_is_no_node_and_ends_no_list(line):
    listed, _, jobs = recorded("nodes-many.txt").partition(PART)
    first, _, other = listed.partition("\n")
    nodes = slurm(f"{first} Reason=swap\n{line}\n{line} [root@2026-11-21T11:05:31]\n{other}", jobs).nodes()
    assert nodes == slurm(listed, jobs).nodes()


@pytest.mark.parametrize("nodes", ["a[0-99999999999]", "a" + "[0-9]" * 9, "a" + "[1]" * 5000, f"a[{'9' * 5000}]"])
def test_list_that_is_longer_than_any_is_an_engine_error(nodes):
    with pytest.raises(EngineError, match="cannot read"):
        slurm(recorded("nodes-running.txt"), f"7|RUNNING|{nodes}\n").nodes()
