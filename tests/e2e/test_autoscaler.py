"""A cluster that grows from a leader alone with what waits in its queue, and shrinks again, whatever happens to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.e2e.autoscaled import GROW_S, JOBCOMP_LOG, LONG_S, RUN_S, SHRINK_S, OnSlurm
from tests.e2e.world import KEY_PAIR, SOON_S, World, wait_for
from toilctl.autoscaler.journal.report import STATE_DIR

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CLUSTER = "auto"
SPOT, ON_DEMAND = "t2.medium:0.03", "t2.small"
FOR_SPOT = ("-c", "2")
"""Only a spot node has two cores; for a single small job the on-demand one is cheaper."""
TUNING = ("--scale-interval", "2", "--idle-timeout", "10", "--join-deadline", "180")
LAUNCH = (
    "launch-cluster", CLUSTER, "--leaderNodeType", "t2.medium", "-z", "us-west-2a,us-west-2b", "--keyPairName",
    KEY_PAIR, "--nodeTypes", f"{SPOT},{ON_DEMAND}", "--minNodes", "0,0", "--maxNodes", "2,1", *TUNING,
)  # fmt: skip
AS_DOCUMENTED = (
    f"--nodeTypes {SPOT},{ON_DEMAND} --minNodes 0,0 --maxNodes 2,1 --provisioner aws --batchSystem mesos "
    "--mesosMaster $(hostname -i):5050"
)
"""Toil's options as its documents have them, whatever the engine is here."""
REFUSED = 5


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[OnSlurm]:
    before = world.everything()
    world.toilctl(*LAUNCH)
    yield OnSlurm(world, CLUSTER, before)
    world.toilctl("destroy-cluster", CLUSTER, check=False)


@pytest.fixture
def auto(cluster: OnSlurm) -> Iterator[OnSlurm]:
    """The cluster without jobs, workers and faults; a test's own are gone when the next begins."""
    yield cluster
    # The jobs first: nothing is launched for them once the faults end.
    cluster.on_leader("scancel", "--user", "root")
    cluster.world.toilctl("local", "fault", "--clear")
    cluster.wait_for_none()
    if cluster.report()["set_aside"]:
        # A new process asks again for what EC2 refused a moment before.
        cluster.on_host("systemctl", "restart", "toilctl-autoscaler")
        cluster.wait_until_settled()


def test_leader_is_launched_alone_with_the_very_same_toilctl(auto: OnSlurm) -> None:
    assert auto.workers() == set()
    assert auto.on_host("/opt/toilctl/bin/toilctl", "--version").stdout.strip() == f"toilctl {version('toilctl')}"
    assert auto.on_host("systemctl", "is-active", "toilctl-autoscaler").stdout.strip() == "active"
    assert auto.on_host("/opt/toilctl/bin/python", "-c", "import moto", check=False).returncode == 1


def test_same_launch_again_changes_nothing(auto: OnSlurm) -> None:
    before = {one["InstanceId"] for one in auto.world.instances(CLUSTER)}
    auto.world.toilctl(*LAUNCH)
    assert {one["InstanceId"] for one in auto.world.instances(CLUSTER)} == before


def test_workflow_makes_workers_of_both_node_types_appear_and_go(auto: OnSlurm, tmp_path: Path) -> None:
    world = auto.world
    world.toilctl("rsync-cluster", CLUSTER, "sort.py", ":/tmp", cwd=ROOT / "demo")
    said = auto.on_leader(
        "bash", "-c", f"cd /tmp && python /tmp/sort.py aws:us-west-2:sort --logLevel INFO {AS_DOCUMENTED} 2>&1"
    )
    assert "the workflow runs with --batchSystem slurm" in said
    assert f"its autoscaler follows {SPOT}=0..2, {ON_DEMAND}=0..1 while this workflow runs" in said
    world.toilctl("rsync-cluster", CLUSTER, ":/tmp/sorted.txt", ":/tmp/unsorted.txt", tmp_path)
    unsorted = (tmp_path / "unsorted.txt").read_bytes().splitlines()
    assert (tmp_path / "sorted.txt").read_bytes().splitlines() == sorted(unsorted)
    spot, on_demand = set(), set()
    pages = world.client("ec2").get_paginator("describe_instances").paginate()
    for one in pages.search("Reservations[].Instances[]"):
        (spot if one.get("InstanceLifecycle") == "spot" else on_demand).add(one["InstanceId"])
    log = auto.on_leader("cat", JOBCOMP_LOG)
    ran = re.findall(r"Name=toil_job_\d+_(\w+).*?JobState=COMPLETED.*?NodeList=(\S+)", log)
    assert {node for name, node in ran if name == "split"} <= on_demand
    # Those that may be interrupted may run on demand, too, and on a slow machine have ended before spot has booted.
    assert spot
    assert {node for name, node in ran if name == "sort_piece"} <= spot | on_demand
    auto.wait_for_none()


def test_infeasible_job_is_named_and_others_run(auto: OnSlurm) -> None:
    big = auto.submit(1, "--mem", "500G", "--job-name", "assemble")
    small = auto.submit(1)
    auto.wait_for_jobs(small)
    (infeasible,) = wait_for(lambda: auto.report()["infeasible"], SOON_S, "the infeasible job")
    assert (infeasible["names"], infeasible["reason"]) == (["assemble"], "memory")
    assert "assemble" in auto.world.toilctl("explain", CLUSTER).stdout
    assert big in auto.on_leader("squeue", "-h", "-o", "%i")


def test_zone_without_capacity_is_passed_over(auto: OnSlurm) -> None:
    auto.world.toilctl("local", "fault", "insufficient-capacity", "zone=us-west-2a", "market=spot")
    before, job = auto.ever(), auto.submit(1, *FOR_SPOT)
    _, node = auto.wait_for_jobs(job)[job]
    # It may have gone again since.
    assert auto.ever() - before == {node}
    assert auto.market(node) == "spot"
    assert auto.instance(node)["Placement"]["AvailabilityZone"] == "us-west-2b"


def test_type_without_capacity_is_set_aside_and_said_so(auto: OnSlurm) -> None:
    auto.world.toilctl("local", "fault", "insufficient-capacity", "market=on-demand")
    waiting = auto.submit(1, preemptible=False)
    aside = wait_for(lambda: auto.report()["set_aside"], SOON_S, "something set aside")
    assert {one["why"].split(":")[0] for one in aside} == {"InsufficientInstanceCapacity"}
    auto.wait_for_jobs(auto.submit(1))
    assert auto.ended(waiting) == {}
    wait_for(
        lambda: [one["reason"] for one in auto.report()["waiting"]] == ["capacity"], SOON_S, "a job without capacity"
    )


def test_changed_limits_take_effect_without_a_restart(auto: OnSlurm) -> None:
    asked = ("systemctl", "show", "-p", "MainPID", "toilctl-autoscaler")
    before = auto.on_host(*asked).stdout
    auto.world.toilctl("autoscale", CLUSTER, "--min-nodes", "0,1")
    auto.wait_for_workers(1)
    assert auto.node_types() == [ON_DEMAND]
    auto.world.toilctl("autoscale", CLUSTER, "--min-nodes", "0,0")
    assert auto.on_host(*asked).stdout == before


def test_paused_autoscaler_launches_nothing_and_resumes(auto: OnSlurm) -> None:
    auto.world.toilctl("autoscale", CLUSTER, "pause")
    wait_for(lambda: auto.report()["paused"], SOON_S, "the pause")
    job = auto.submit(1)
    wait_for(lambda: auto.report()["waiting"], SOON_S, "the waiting job's explanation")
    assert auto.workers() == set()
    auto.world.toilctl("autoscale", CLUSTER, "resume")
    auto.wait_for_jobs(job)


def test_broken_settings_leave_the_last_good_ones(auto: OnSlurm) -> None:
    auto.on_host("sh", "-c", "echo 'limits: [nonsense' > /etc/toilctl/cluster.yml")
    wait_for(lambda: "cluster.yml" in auto.report()["problem"], SOON_S, "the problem's report")
    auto.wait_for_jobs(auto.submit(1))
    auto.world.toilctl("autoscale", CLUSTER, "--idle-timeout", "11")
    wait_for(lambda: not auto.report()["problem"], SOON_S, "the end of the problem")


def test_scale_cluster_changes_the_limits(auto: OnSlurm) -> None:
    auto.world.toilctl("scale-cluster", CLUSTER, "--node-type", SPOT, "-w", "1")
    auto.wait_for_workers(1)
    assert auto.node_types() == [SPOT]
    auto.world.toilctl("autoscale", CLUSTER, "--min-nodes", "0,0", "--max-nodes", "2,1")


def test_cordoned_node_is_left_alone(auto: OnSlurm) -> None:
    # While it is busy it does not go.
    job, node = auto.start(LONG_S, *FOR_SPOT)
    auto.on_leader("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=looking")
    auto.on_leader("scancel", job)
    said = wait_for(
        lambda: [one for one in auto.report()["nodes"] if one["reason"] == "cordoned"], SOON_S, "the cordoned node"
    )
    assert [one["instance_id"] for one in said] == [node]
    # Longer than an idle node stays.
    auto.submit(14, preemptible=False)
    wait_for(lambda: len(auto.workers()) == 2, GROW_S, "a node for the job")
    wait_for(lambda: auto.workers() == {node}, SHRINK_S, "the other node's end")
    auto.on_leader("scontrol", "update", f"NodeName={node}", "State=RESUME")


def test_second_autoscaler_refuses_to_start(auto: OnSlurm) -> None:
    second = auto.on_host(
        "sh", "-c", "set -a; . /etc/toilctl/autoscaler.env; exec /opt/toilctl/bin/toilctl-autoscaler run", check=False
    )
    assert second.returncode == REFUSED
    assert "Traceback" not in second.stderr


def test_autoscaler_killed_in_a_scale_out_goes_on_where_it_was(auto: OnSlurm) -> None:
    before = auto.ever()
    # So long that none takes the place of another that has ended.
    jobs = [auto.submit(30, *FOR_SPOT), auto.submit(30, *FOR_SPOT), auto.submit(30, preemptible=False)]
    wait_for(auto.workers, GROW_S, "the first instance")
    auto.on_host("systemctl", "kill", "--signal=KILL", "toilctl-autoscaler")
    auto.wait_for_jobs(*jobs)
    assert len(auto.ever() - before) == 3


def test_leader_rebooted_in_a_scale_out_goes_on_where_it_was(auto: OnSlurm) -> None:
    before = auto.ever()
    job = auto.submit(3)
    wait_for(auto.workers, GROW_S, "the first instance")
    auto.world.reboot_leader(CLUSTER)
    wait_for(lambda: auto.ended(job), 2 * RUN_S, "the job's end")
    auto.wait_for_jobs(job)
    assert len(auto.ever() - before) == 1


def test_node_that_never_boots_is_replaced_and_its_console_is_kept(auto: OnSlurm) -> None:
    # Others join within this time on a slow machine, too.
    auto.world.toilctl("autoscale", CLUSTER, "--join-deadline", "90")
    auto.world.toilctl("local", "fault", "never-boot", "instance_type=t2.medium", "count=1")
    job = auto.submit(1, *FOR_SPOT)
    (dead,) = auto.wait_for_workers(1)
    ended = wait_for(lambda: auto.ended(job), 2 * GROW_S, "the job's end")
    assert ended[job][1] != dead
    wait_for(lambda: dead not in auto.workers(), SHRINK_S, "the end of the one that does not boot")
    assert auto.on_host("cat", f"{STATE_DIR}/consoles/{dead}.log").returncode == 0
    auto.world.toilctl("autoscale", CLUSTER, "--join-deadline", "180")


def test_destruction_during_a_scale_out_leaves_nothing(cluster: OnSlurm) -> None:
    for _ in range(3):
        cluster.submit(LONG_S, *FOR_SPOT)
    wait_for(cluster.workers, GROW_S, "the first instance")
    cluster.world.toilctl("destroy-cluster", CLUSTER)
    assert cluster.world.everything() == cluster.before
