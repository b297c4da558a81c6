"""A cluster of spot workers that EC2 takes away, whose money is bounded, and whose leader goes before them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.autoscaled import GROW_S, RUN_S, OnSlurm
from tests.e2e.world import KEY_PAIR, REGION, World, wait_for
from toilctl.autoscaler.memory.spot_history import TAKEN_CODE
from toilctl.autoscaler.observe.spot_notices import DIRECTORY

pytestmark = pytest.mark.e2e

CLUSTER = "spot"
SPOT, ON_DEMAND = "t2.medium:0.05", "t2.medium"
ORPHAN_TIMEOUT_S, FALLBACK_S = 60, 5
LAUNCH = (
    "launch-cluster", CLUSTER, "--leaderNodeType", "t2.medium", "-z", "us-west-2a,us-west-2b", "--keyPairName",
    KEY_PAIR, "--nodeTypes", f"{SPOT},{ON_DEMAND}", "--minNodes", "0,0", "--maxNodes", "3,1", "--scale-interval", "2",
    "--idle-timeout", "120", "--join-deadline", "180", "--orphan-timeout", str(ORPHAN_TIMEOUT_S),
    "--spot-fallback-after", str(FALLBACK_S),
)  # fmt: skip
LONG_S = 300
"""Longer than any test: such a job ends with its test."""
RETURN_S = 120
NOTICED_S = 30
"""Within this time what EC2 announces is known, also on a busy machine."""
WHOLE_NODE = ("-c", "2")
REQUESTS = "ec2:DescribeSpotInstanceRequests"
METRICS_PORT, WATCH_PORT = 7462, 7461


@dataclass
class OnSpot(OnSlurm):
    """The cluster, its jobs, and what EC2 does to its workers."""

    def runs_on(self, job: str) -> str:
        """Return the node where a job runs; empty while it does not."""
        return self.on_leader("squeue", "-h", "-j", job, "-t", "R", "-o", "%N").strip()

    def start(self, seconds: int = LONG_S) -> tuple[str, str]:
        """Return a job that runs, and its node."""
        job = self.submit(seconds)
        return job, wait_for(lambda: self.runs_on(job), RUN_S, "a running job")

    def fault(self, *words: str) -> None:
        self.world.toilctl("local", "fault", *words)

    def wait_for_drain(self, node: str) -> None:
        wait_for(lambda: "drain" in self.on_leader("sinfo", "-h", "-n", node, "-o", "%T"), NOTICED_S, "the drain")

    def on_worker(self, node: str, *words: str) -> Any:
        return self.world.toilctl("ssh-cluster", "--host", "--node", node, CLUSTER, "sudo", *words, check=False)

    def notices(self) -> dict[str, dict[str, Any]]:
        """Return what workers told the leader, by instance id."""
        told = self.on_host("sh", "-c", f"cat {DIRECTORY}/*.json", check=False).stdout
        return {one["instance_id"]: one for one in map(json.loads, told.splitlines())}

    def metric(self, name: str) -> float:
        """Return what the leader's metrics say, added up over all labels."""
        told = self.on_host("curl", "-sSf", f"http://{self.leader()['PrivateIpAddress']}:{METRICS_PORT}/metrics").stdout
        return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", told, re.MULTILINE)))

    def interruption(self, node: str) -> dict[str, Any]:
        """Return how the running cluster's timeline tells of a node's interruption."""
        told = self.world.data("timeline", CLUSTER)["timeline"]["interruptions"]
        return next(one for one in told if one["instance_id"] == node)

    def waits_for(self, reason: str) -> str:
        """Return what explain says of jobs that wait for a reason; empty when none do."""
        return next((one["next_step"] for one in self.report()["waiting"] if one["reason"] == reason), "")

    def autoscale(self, *words: str) -> None:
        self.world.toilctl("autoscale", CLUSTER, *words)

    def leader(self) -> dict[str, Any]:
        workers = self.workers()
        return next(one for one in self.world.instances(CLUSTER) if one["InstanceId"] not in workers)

    def answers(self) -> bool:
        return self.world.toilctl("ssh-cluster", CLUSTER, "scontrol", "ping", check=False).returncode == 0


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[OnSpot]:
    before = world.everything()
    world.toilctl(*LAUNCH)
    yield OnSpot(world, CLUSTER, before)
    world.toilctl("destroy-cluster", CLUSTER, check=False)


@pytest.fixture
def auto(cluster: OnSpot) -> Iterator[OnSpot]:
    """The cluster without jobs and faults; the next test takes over what workers there are."""
    yield cluster
    cluster.fault("--clear")
    cluster.world.on_leader(CLUSTER, "scancel", "--user", "root", check=False)


def test_notice_drains_the_node_at_once_and_its_job_runs_again_on_the_successor(auto: OnSpot) -> None:
    # So nothing but the worker's own word tells of it.
    auto.fault("throttle", f"action={REQUESTS}", "count=10000")
    job, node = auto.start()
    before, heard = len(auto.begun()), auto.metric("toilctl_interruptions_total")
    auto.interrupt(node, seconds=50)
    auto.wait_for_drain(node)
    (seen,) = [one for one in auto.report()["nodes"] if one["instance_id"] == node]
    assert (seen["phase"], seen["verdict"], seen["reason"]) == ("interrupted", "kept", "interrupted")
    assert "EC2 takes it away at " in auto.world.toilctl("explain", CLUSTER).stdout
    assert auto.metric("toilctl_interruptions_total") == heard + 1
    successor = wait_for(lambda: (there := auto.runs_on(job)) != node and there, RUN_S, "the job on another node")
    assert auto.wait_until_gone(node) == TAKEN_CODE
    assert auto.runs_on(job) == successor
    assert auto.begun()[before:] == [("drain", node), ("launch", SPOT), ("evacuate", node)]
    told, interruption = auto.notices()[node], auto.interruption(node)
    assert told["kind"] == interruption["kind"] == "terminate"
    assert datetime.fromisoformat(interruption["takes_at"]) == datetime.fromisoformat(told["takes_at"])


def test_spot_request_tells_of_a_node_that_does_not(auto: OnSpot) -> None:
    _, node = auto.start()
    before = len(auto.begun())
    auto.on_worker(node, "systemctl", "stop", "toilctl-watch")
    auto.interrupt(node, seconds=60)
    auto.wait_for_drain(node)
    assert node not in auto.notices()
    assert auto.begun()[before:] == [("drain", node), ("launch", SPOT)]


def test_node_taken_without_notice_is_replaced_on_demand_while_spot_is_lacking_and_then_by_spot(auto: OnSpot) -> None:
    job, node = auto.start()
    auto.fault("insufficient-capacity", "market=spot")
    auto.interrupt(node, seconds=0)
    assert auto.wait_until_gone(node) == TAKEN_CODE
    there = wait_for(lambda: auto.runs_on(job), RUN_S, "the job on another node")
    assert auto.market(there) == "on-demand"
    assert auto.interruption(node)["takes_at"] == ""
    auto.fault("--clear")
    # A new process asks again for what EC2 refused a moment before.
    auto.on_host("systemctl", "restart", "toilctl-autoscaler")
    before = auto.workers()
    auto.submit(LONG_S, *WHOLE_NODE)
    new = wait_for(lambda: auto.workers() - before, GROW_S, "another node")
    assert {auto.market(one) for one in new} == {"spot"}


def test_bounds_on_money_hold_workers_back_and_are_named(auto: OnSpot) -> None:
    auto.autoscale("--max-cost-per-hour", "0.05")
    before = auto.workers()
    for _ in range(len(before) + 1):
        auto.submit(LONG_S, *WHOLE_NODE)
    said = wait_for(lambda: auto.waits_for("cost-per-hour"), NOTICED_S, "the bound per hour")
    assert "cluster may cost $0.05 per hour" in said
    auto.autoscale("--max-cost-per-hour", "0", "--budget", "0.0001")
    said = wait_for(lambda: auto.waits_for("budget"), NOTICED_S, "the budget's end")
    assert "of its budget of $0.00" in said
    assert auto.workers() <= before
    auto.autoscale("--budget", "0")
    wait_for(lambda: auto.workers() - before, GROW_S, "another node")


def test_metrics_are_served_on_the_private_address_alone(auto: OnSpot) -> None:
    auto.start()
    wait_for(lambda: auto.metric("toilctl_jobs_running") == 1, NOTICED_S, "the running job")
    assert auto.metric("toilctl_nodes_current") == len(auto.workers())
    public = f"http://{auto.leader()['PublicIpAddress']}:{METRICS_PORT}/metrics"
    assert auto.world.run("curl", "-sS", "--max-time", "5", public, check=False).returncode != 0


def test_leader_that_reboots_keeps_its_workers_and_is_heard_again(auto: OnSpot) -> None:
    job, node = auto.start(seconds=20)
    before = auto.ever()
    auto.on_host("touch", "/run/before")
    auto.on_host("systemctl", "reboot", "--no-block", check=False)
    wait_for(lambda: auto.on_host("test", "!", "-e", "/run/before", check=False).returncode == 0, RETURN_S, "reboot")
    watch = f"http://{auto.leader()['PrivateIpAddress']}:{WATCH_PORT}/"
    answer = wait_for(lambda: auto.on_worker(node, "curl", "-sSf", watch).stdout, RETURN_S, "the leader's answer")
    assert json.loads(answer)["cluster"] == CLUSTER
    wait_for(auto.answers, RETURN_S, "Slurm's answer")
    assert auto.wait_for_jobs(job)[job][1] == node
    assert auto.ever() == before


def test_workers_of_a_leader_that_is_stopped_end_themselves(auto: OnSpot) -> None:
    auto.start()
    leader, workers, ec2 = auto.leader()["InstanceId"], auto.workers(), auto.world.client("ec2")
    ec2.stop_instances(InstanceIds=[leader])
    assert {auto.wait_until_gone(one) for one in workers} == {"Client.InstanceInitiatedShutdown"}
    wait_for(lambda: auto.world.hosts() == {leader}, NOTICED_S, "the hosts' end")
    ec2.start_instances(InstanceIds=[leader])
    wait_for(auto.answers, RETURN_S, "the leader's return")
    wait_for(lambda: not workers & auto.in_engine(), RETURN_S, "an engine without them")


def test_destruction_leaves_nothing_but_the_journal_which_the_timeline_draws(cluster: OnSpot, tmp_path: Path) -> None:
    world = cluster.world
    live = world.data("timeline", CLUSTER)["timeline"]["interruptions"]
    assert live
    world.toilctl("destroy-cluster", CLUSTER)
    assert world.everything() == cluster.before
    kept = world.data("timeline", CLUSTER, "--plot", str(tmp_path / "plot"))
    assert Path(kept["source"]).parent == world.home / f"state/toilctl/journals/{REGION}/{CLUSTER}"
    assert kept["timeline"]["interruptions"] == live
    assert {one.suffix for one in tmp_path.iterdir()} == {".svg", ".png"}
