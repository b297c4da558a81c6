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

from tests.e2e.autoscaled import GROW_S, LONG_S, RUN_S, OnSlurm
from tests.e2e.world import KEY_PAIR, REGION, RETURN_S, SOON_S, World, wait_for
from toilctl.autoscaler.memory.spot_history import TAKEN_CODE
from toilctl.autoscaler.observe.spot_notices import DIRECTORY

pytestmark = pytest.mark.e2e

CLUSTER = "spot"
SPOT, ON_DEMAND = "t2.medium:0.05", "t2.medium"
# A leader that reboots on a slow machine is back before its workers give it up.
ORPHAN_TIMEOUT_S, FALLBACK_S = 150, 5
LAUNCH = (
    "launch-cluster", CLUSTER, "--leaderNodeType", "t2.medium", "-z", "us-west-2a,us-west-2b", "--keyPairName",
    KEY_PAIR, "--nodeTypes", f"{SPOT},{ON_DEMAND}", "--minNodes", "0,0", "--maxNodes", "3,1", "--scale-interval", "2",
    "--idle-timeout", "120", "--join-deadline", "180", "--orphan-timeout", str(ORPHAN_TIMEOUT_S),
    "--spot-fallback-after", str(FALLBACK_S),
)  # fmt: skip
NOTICE_S = 90
"""A node is given up half a minute before its end; until then even a slow machine has time for what comes first."""
WHOLE_NODE = ("-c", "2")
REQUESTS = "ec2:DescribeSpotInstanceRequests"
METRICS_PORT, WATCH_PORT = 7462, 7461


@dataclass
class OnSpot(OnSlurm):
    """The cluster, its jobs, and what EC2 does to its workers."""

    def fault(self, *words: str) -> None:
        self.world.toilctl("local", "fault", *words)

    def wait_for_drain(self, node: str) -> None:
        wait_for(lambda: "drain" in self.on_leader("sinfo", "-h", "-n", node, "-o", "%T"), SOON_S, "the drain")

    def take_all_spot_workers(self) -> None:
        """Let EC2 take away at once whatever spot workers there are, and wait until they go."""
        spot = [one for one in self.workers() if self.market(one) == "spot"]
        for node in spot:
            words = ("interrupt", f"instance-id={node}", "seconds=0")
            asked = self.world.toilctl("local", "fault", *words, check=False)
            # One that has its notice, or ends, goes all the same.
            assert asked.returncode == 0 or "already" in asked.stderr, asked.stderr
        for node in spot:
            self.wait_until_gone(node)

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

        def told() -> dict[str, Any] | None:
            interruptions = self.world.data("timeline", CLUSTER)["timeline"]["interruptions"]
            return next((one for one in interruptions if one["instance_id"] == node), None)

        found: dict[str, Any] = wait_for(told, SOON_S, f"the journal's word of the interruption of {node}")
        return found

    def told_of(self, node: str, phase: str) -> dict[str, Any] | None:
        """Return what the last report says of a node in a phase; None while it says nothing, or is in another."""
        told = (one for one in self.report()["nodes"] if (one["instance_id"], one["phase"]) == (node, phase))
        return next(told, None)

    def waits_for(self, reason: str) -> str:
        """Return what explain says of jobs that wait for a reason; empty when none do."""
        return next((one["next_step"] for one in self.report()["waiting"] if one["reason"] == reason), "")

    def autoscale(self, *words: str) -> None:
        self.world.toilctl("autoscale", CLUSTER, *words)

    def leader(self) -> dict[str, Any]:
        workers = self.workers()
        return next(one for one in self.world.instances(CLUSTER) if one["InstanceId"] not in workers)


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[OnSpot]:
    before = world.everything()
    world.toilctl(*LAUNCH)
    yield OnSpot(world, CLUSTER, before)
    world.toilctl("destroy-cluster", CLUSTER, check=False)


@pytest.fixture
def auto(cluster: OnSpot) -> Iterator[OnSpot]:
    """The cluster at rest, without jobs and faults; a test takes over what workers there are."""
    cluster.wait_until_settled("idle")
    yield cluster
    cluster.fault("--clear")
    cluster.world.on_leader(CLUSTER, "scancel", "--user", "root", check=False)


def test_notice_drains_the_node_at_once_and_its_job_runs_again_on_the_successor(auto: OnSpot) -> None:
    # So nothing but the worker's own word tells of it.
    auto.fault("throttle", f"action={REQUESTS}", "count=10000")
    job, node = auto.start()
    before, heard = len(auto.begun()), auto.metric("toilctl_interruptions_total")
    auto.interrupt(node, seconds=NOTICE_S)
    auto.wait_for_drain(node)
    seen = wait_for(lambda: auto.told_of(node, "interrupted"), SOON_S, "the report of the interruption")
    assert (seen["verdict"], seen["reason"]) == ("kept", "interrupted")
    assert "EC2 takes it away at " in auto.world.toilctl("explain", CLUSTER).stdout
    wait_for(lambda: auto.metric("toilctl_interruptions_total") > heard, SOON_S, "the interruption's metric")
    assert auto.metric("toilctl_interruptions_total") == heard + 1
    successor = wait_for(lambda: (there := auto.runs_on(job)) != node and there, RUN_S, "the job on another node")
    assert auto.wait_until_gone(node) == TAKEN_CODE
    assert auto.runs_on(job) == successor
    auto.check_begun(before, ("drain", node), ("launch", SPOT), ("evacuate", node))
    told, interruption = auto.notices()[node], auto.interruption(node)
    assert told["kind"] == interruption["kind"] == "terminate"
    assert datetime.fromisoformat(interruption["takes_at"]) == datetime.fromisoformat(told["takes_at"])


def test_spot_request_tells_of_a_node_that_does_not(auto: OnSpot) -> None:
    _, node = auto.start()
    before = len(auto.begun())
    assert auto.on_worker(node, "systemctl", "stop", "toilctl-watch").returncode == 0
    # Of its request alone nobody can tell that it goes so soon: it is not given up before.
    auto.interrupt(node, seconds=60)
    auto.wait_for_drain(node)
    assert node not in auto.notices()
    auto.check_begun(before, ("drain", node), ("launch", SPOT))


def test_node_taken_without_notice_is_replaced_on_demand_while_spot_is_lacking_and_then_by_spot(auto: OnSpot) -> None:
    job, node = auto.start()
    assert auto.market(node) == "spot"
    # In this order, and all of them: so no other spot worker is there, nor about to come.
    auto.fault("insufficient-capacity", "market=spot")
    auto.take_all_spot_workers()
    assert auto.wait_until_gone(node) == TAKEN_CODE
    there = wait_for(lambda: (now := auto.runs_on(job)) != node and now, RUN_S, "the job on another node")
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
    said = wait_for(lambda: auto.waits_for("cost-per-hour"), SOON_S, "the bound per hour")
    assert "cluster may cost $0.05 per hour" in said
    auto.autoscale("--max-cost-per-hour", "0", "--budget", "0.0001")
    said = wait_for(lambda: auto.waits_for("budget"), SOON_S, "the budget's end")
    assert "of its budget of $0.00" in said
    assert auto.workers() <= before
    auto.autoscale("--budget", "0")
    wait_for(lambda: auto.workers() - before, GROW_S, "another node")


def test_metrics_are_served_on_the_private_address_alone(auto: OnSpot) -> None:
    auto.start()
    wait_for(lambda: auto.metric("toilctl_jobs_running") == 1, SOON_S, "the running job")
    wait_for(lambda: auto.metric("toilctl_nodes_current") == len(auto.workers()), SOON_S, "the nodes that there are")
    public = f"http://{auto.leader()['PublicIpAddress']}:{METRICS_PORT}/metrics"
    assert auto.world.run("curl", "-sS", "--max-time", "5", public, check=False).returncode != 0


def test_leader_that_reboots_keeps_its_workers_and_is_heard_again(auto: OnSpot) -> None:
    job, node = auto.start(seconds=60)
    before = auto.ever()
    auto.world.reboot_leader(CLUSTER)
    watch = f"http://{auto.leader()['PrivateIpAddress']}:{WATCH_PORT}/"
    answer = wait_for(lambda: auto.on_worker(node, "curl", "-sSf", watch).stdout, RETURN_S, "the leader's answer")
    assert json.loads(answer)["cluster"] == CLUSTER
    assert auto.wait_for_jobs(job)[job][1] == node
    # EC2 forgets after a while what has gone.
    assert auto.ever() <= before


def test_workers_of_a_leader_that_is_stopped_end_themselves(auto: OnSpot) -> None:
    # So that no worker goes because it is idle.
    auto.autoscale("--idle-timeout", "3600")
    auto.start()
    auto.wait_until_settled("idle", "busy")
    leader, workers, ec2 = auto.leader()["InstanceId"], auto.workers(), auto.world.client("ec2")
    ec2.stop_instances(InstanceIds=[leader])
    assert {auto.wait_until_gone(one) for one in workers} == {"Client.InstanceInitiatedShutdown"}
    wait_for(lambda: auto.world.hosts() == {leader}, SOON_S, "the hosts' end")
    ec2.start_instances(InstanceIds=[leader])
    wait_for(lambda: auto.world.slurm_answers(CLUSTER), RETURN_S, "the leader's return")
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
