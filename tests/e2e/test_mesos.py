"""Mesos in full, with a real master and real agents, where there are some: see TOILCTL_MESOS_PREFIX in the README."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pexpect
import pytest

from tests.e2e.autoscaled import COUNT_JOBS, GROW_S, RUN_S, WORKFLOWS, Autoscaled
from tests.e2e.world import KEY_PAIR, NEEDS_MESOS, SOON_S, World, wait_for
from toilctl.autoscaler.memory.spot_history import TAKEN_CODE

pytestmark = [pytest.mark.e2e, NEEDS_MESOS]

ROOT = Path(__file__).parents[2]
CLUSTER = "on-mesos"
SPOT, ON_DEMAND = "t2.medium:0.03", "t2.small"
TUNING = ("--scale-interval", "2", "--idle-timeout", "10", "--join-deadline", "120")
PLACE = ("--leaderNodeType", "t2.medium", "-z", "us-west-2a,us-west-2b", "--keyPairName", KEY_PAIR)
LAUNCH = (
    "launch-cluster", CLUSTER, *PLACE, "--nodeTypes", f"{SPOT},{ON_DEMAND}", "--minNodes", "0,0", "--maxNodes", "2,1",
    *TUNING,
)  # fmt: skip
WORKFLOW_S = 600


@dataclass
class OnMesos(Autoscaled):
    """The cluster, its master, and its workflows."""

    def ask(self, path: str) -> Any:
        """Ask the master."""
        return json.loads(self.on_leader("bash", "-c", f"curl -sS http://$(hostname -i):5050/{path}"))

    def master(self) -> str:
        """Return the process id of the master; empty while there is none."""
        return self.on_leader("bash", "-c", "pgrep -x mesos-master || true").strip()

    def in_engine(self) -> set[str]:
        return {agent["attributes"]["instance_id"] for agent in self.ask("slaves")["slaves"]}

    def running(self) -> dict[str, str]:
        """Return agent ids by the ids of the tasks that run."""
        tasks = self.ask("tasks?limit=1000")["tasks"]
        return {task["id"]: task["slave_id"] for task in tasks if task["state"] == "TASK_RUNNING"}

    def start(self, *words: str, python: str = "python") -> subprocess.Popen[str]:
        """Start the sorting workflow on the leader, in a directory and a store of its own."""
        number = uuid4().hex[:8]
        here = f"mkdir -p /tmp/{number}/code && cd /tmp/{number} && cp /tmp/sort.py code"
        run = f"{python} code/sort.py aws:us-west-2:sort-{number} --logLevel INFO {' '.join(words)}"
        return self.world.start("ssh-cluster", self.name, f"{here} && {run}")

    def finish(self, workflow: subprocess.Popen[str]) -> str:
        """Wait for its end, and return what it said."""
        said, _ = workflow.communicate(timeout=WORKFLOW_S)
        assert workflow.returncode == 0, said[-6000:]
        assert "Sorted file: " in said
        return said

    def deactivated(self) -> set[str]:
        """Return the instances whose agents get no more tasks."""
        agents = self.ask("slaves")["slaves"]
        return {agent["attributes"]["instance_id"] for agent in agents if agent["deactivated"]}

    def busy_spot_node(self) -> str:
        """Return a spot instance where a piece is being sorted; empty while there is none."""
        busy = set(self.running().values())
        nodes = [one["attributes"]["instance_id"] for one in self.ask("slaves")["slaves"] if one["id"] in busy]
        return next((node for node in nodes if self.market(node) == "spot"), "")

    def wait_for_task(self) -> str:
        """Wait until a piece is being sorted, and return the id of the instance where."""
        running = wait_for(self.running, RUN_S, "a running task")
        (agent,) = set(running.values())
        return next(a["attributes"]["instance_id"] for a in self.ask("slaves")["slaves"] if a["id"] == agent)


def sorted_on(said: str) -> list[str]:
    """Return the hosts on which pieces were sorted."""
    return re.findall(r"sorted \d+ lines on (\S+)", said)


@pytest.fixture(scope="module")
def cluster(mesos_world: World) -> Iterator[OnMesos]:
    before = mesos_world.everything()
    mesos_world.toilctl(*LAUNCH)
    mesos_world.toilctl("rsync-cluster", CLUSTER, "sort.py", ":/tmp", cwd=ROOT / "demo")
    yield OnMesos(mesos_world, CLUSTER, before)
    mesos_world.toilctl("destroy-cluster", CLUSTER, check=False)


@pytest.fixture
def auto(cluster: OnMesos) -> Iterator[OnMesos]:
    """The cluster without workers; a test's own are gone when the next begins."""
    yield cluster
    cluster.wait_for_none()


def test_mesos_is_the_engine_where_the_appliance_has_it(auto: OnMesos) -> None:
    assert auto.world.data("describe-cluster", CLUSTER)["engine"] == "mesos"
    assert auto.ask("slaves") == {"slaves": [], "recovered_slaves": []}
    same = {one["InstanceId"] for one in auto.world.instances(CLUSTER)}
    auto.world.toilctl(*LAUNCH)
    assert {one["InstanceId"] for one in auto.world.instances(CLUSTER)} == same


@pytest.mark.parametrize(
    "options",
    [
        "--provisioner aws --nodeType t2.small --batchSystem mesos --mesosMaster $(hostname -i):5050",
        f"--nodeTypes {SPOT},{ON_DEMAND} --minNodes 0,0 --maxNodes 20,2 --provisioner aws --batchSystem mesos",
        "",
    ],
)
def test_lines_of_toils_documents_typed_in_a_shell_scale_out_and_in(
    auto: OnMesos, options: str, tmp_path: Path
) -> None:
    shell = pexpect.spawn(
        "toilctl", ["ssh-cluster", CLUSTER], env=auto.world.env, encoding="utf-8", timeout=SOON_S, logfile=sys.stdout
    )
    shell.expect(r"[#$] $")
    shell.sendline(f"cd /tmp && python /tmp/sort.py aws:us-west-2:sort-{uuid4().hex[:8]} --logLevel INFO {options}")
    if options:
        shell.expect("its autoscaler follows t2[^;]+ while this workflow runs")
    said = ""
    while shell.expect([r"sorted \d+ lines on (\S+)", r"Sorted file: (\S+)"], timeout=WORKFLOW_S) == 0:
        said += shell.match[0] + "\n"
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    auto.world.toilctl("rsync-cluster", CLUSTER, ":/tmp/sorted.txt", ":/tmp/unsorted.txt", tmp_path)
    unsorted = (tmp_path / "unsorted.txt").read_bytes().splitlines()
    assert (tmp_path / "sorted.txt").read_bytes().splitlines() == sorted(unsorted)
    assert set(sorted_on(said)) <= auto.ever()
    assert len(sorted_on(said)) == 9


def test_deployed_workflow_runs_detached_and_is_recorded(auto: OnMesos, tmp_path: Path) -> None:
    world = auto.world
    world.toilctl("deploy", CLUSTER, str(WORKFLOWS / "siblings/count.py"))
    command = ("python", "count.py", f"aws:us-west-2:count-{uuid4().hex[:8]}", "--seconds", "4")
    done = world.toilctl("run", "--name", "recorded", "--wait", CLUSTER, "--", *command)
    assert "counted [3, 2, 1]" in done.stdout
    (run,) = world.data("runs", CLUSTER)["runs"]
    assert (run["state"], run["progress"]["done"]) == ("succeeded", COUNT_JOBS)
    assert auto.replay("recorded", tmp_path, "--node-types", ON_DEMAND, "--max-nodes", "2")["makespan_s"] >= 4


def test_workflow_without_the_plugin_is_followed_by_its_message_bus(auto: OnMesos) -> None:
    said = auto.finish(auto.start("--pieces", "1", python="env -u PYTHONPATH python"))
    assert len(set(sorted_on(said))) == 1


def test_worker_that_is_drained_finishes_its_task_and_goes(auto: OnMesos) -> None:
    workflow = auto.start("--pieces", "1", "--job-seconds", "25")
    node = auto.wait_for_task()
    auto.world.toilctl("autoscale", CLUSTER, "--max-nodes", "0,1" if auto.node_types() == [SPOT] else "1,0")
    wait_for(auto.deactivated, SOON_S, "the drain")
    assert auto.workers() == {node}
    wait_for(lambda: node not in auto.workers(), GROW_S, "the drained node's end")
    auto.world.toilctl("autoscale", CLUSTER, "--max-nodes", "2,1")
    said = auto.finish(workflow)
    assert sorted_on(said) == [node]
    assert "TASK_KILLED" not in said


def test_lost_agents_task_runs_again_on_another(auto: OnMesos) -> None:
    workflow = auto.start("--pieces", "1", "--job-seconds", "15")
    node = auto.wait_for_task()
    auto.world.client("ec2").terminate_instances(InstanceIds=[node])
    said = auto.finish(workflow)
    assert sorted_on(said)
    assert node not in sorted_on(said)


def test_interrupted_agent_is_drained_and_gone_and_its_task_runs_again_on_another(auto: OnMesos) -> None:
    # Two pieces at once do not fit on the one on-demand node.
    workflow = auto.start("--pieces", "2", "--job-seconds", "60")
    node = wait_for(auto.busy_spot_node, RUN_S, "a task on a spot node")
    before = len(auto.begun())
    auto.interrupt(node, seconds=60)
    wait_for(lambda: node in auto.deactivated(), GROW_S, "the drain")
    wait_for(lambda: node not in auto.in_engine(), GROW_S, "the agent's end")
    told, successor = [("drain", node), ("evacuate", node)], ("launch", SPOT)
    wait_for(lambda: {*told, successor} <= {*auto.begun()[before:]}, SOON_S, "the journal's word of it")
    assert [*dict.fromkeys(one for one in auto.begun()[before:] if node in one)] == told
    assert auto.wait_until_gone(node) == TAKEN_CODE
    said = auto.finish(workflow)
    assert len(sorted_on(said)) == 2
    assert node not in sorted_on(said)


def test_master_that_restarts_strands_no_agent_and_no_node_goes_or_comes(auto: OnMesos) -> None:
    workflow = auto.start("--pieces", "1", "--job-seconds", "20")
    node = auto.wait_for_task()
    before = auto.ever()
    auto.on_leader("pkill", "-x", "mesos-master")
    wait_for(lambda: auto.report()["phases"].get("returning"), SOON_S, "the report that the engine lost sight of it")
    wait_for(lambda: auto.report()["phases"].keys() <= {"busy", "idle"}, GROW_S, "the agent's return")
    said = auto.finish(workflow)
    # EC2 forgets after a while what has gone.
    assert auto.ever() <= before
    assert set(sorted_on(said)) == {node}


def test_hung_master_is_started_again(auto: OnMesos) -> None:
    first = auto.master()
    auto.on_leader("pkill", "-STOP", "-x", "mesos-master")
    wait_for(lambda: auto.master() not in ("", first), GROW_S, "another master")
    wait_for(lambda: auto.report()["problem"] == "", SOON_S, "an engine that answers")


def test_leader_alone_grows_for_a_workflow_and_shrinks_again(cluster: OnMesos) -> None:
    """A cluster without limits of its own, as the documents launch it: the workflow brings the node types."""
    world, name = cluster.world, "leader-only"
    world.toilctl("launch-cluster", name, *PLACE)
    try:
        world.toilctl("rsync-cluster", name, "sort.py", ":/tmp", cwd=ROOT / "demo")
        alone = OnMesos(world, name, cluster.before)
        options = ("--provisioner", "aws", "--nodeTypes", "t2.small", "--maxNodes", "1", "--batchSystem", "mesos")
        said = alone.finish(alone.start("--pieces", "2", *options))
        assert len(set(sorted_on(said))) == 1
        alone.wait_for_workers(0)
    finally:
        world.toilctl("destroy-cluster", name)


def test_destruction_leaves_nothing(cluster: OnMesos) -> None:
    cluster.world.toilctl("destroy-cluster", CLUSTER)
    assert cluster.world.everything() == cluster.before
