"""Clusters with limits: launched, launched again, described, scaled."""

from __future__ import annotations

import pytest

from tests.unit.cli.stand_in import AUTOSCALED
from toilctl.values import tags

SPOT, ON_DEMAND = "c4.8xlarge:0.6", "r3.8xlarge"

pytestmark = pytest.mark.usefixtures("playbooks")


def test_leader_is_launched_alone_and_the_playbooks_get_the_limits(toilctl, playbooks):
    result = toilctl(*AUTOSCALED)
    assert result.exit_code == 0, result.stderr
    ((name, variables),) = playbooks.runs
    assert (name, variables["worker_counts"]) == ("launch.yml", [0, 0])
    assert variables["limits"] == ["c4.8xlarge:0.6=0..20", "r3.8xlarge=0..2"]
    assert variables["tuning"].startswith("target_time_s=1800 ")
    assert " idle_timeout_s=60 " in variables["tuning"]
    assert "0 to 20 c4.8xlarge:0.6 and 0 to 2 r3.8xlarge" in result.stderr
    assert "toilctl explain -z us-west-2a c" in result.stdout


def test_cost_is_that_of_the_leader_alone_and_that_of_the_maximum(toilctl):
    planned = toilctl(*AUTOSCALED, "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert "about $0.06 per hour to begin with and at most $17.61 per hour" in planned.stdout
    assert "at the maximum (instances, root volumes and public addresses; prices of " in planned.stdout
    data = toilctl.json(*AUTOSCALED, "--dry-run")["data"]
    assert data["scaling"]["limits"] == ["c4.8xlarge:0.6=0..20", "r3.8xlarge=0..2"]
    assert data["scaling"]["tuning"].startswith("target_time_s=1800 ")


def test_one_number_is_that_of_all_node_types_and_w_is_the_number_to_begin_with(toilctl):
    words = [word for word in AUTOSCALED if word not in ("--minNodes", "0,0")]
    words[words.index("20,2")] = "3"
    data = toilctl.json(*words, "-w", "2,1", "--dry-run")["data"]
    assert data["scaling"]["limits"] == ["c4.8xlarge:0.6=0..3", "r3.8xlarge=0..3"]
    assert data["worker_counts"] == [2, 1]


def test_cluster_begins_with_its_minimum(toilctl):
    data = toilctl.json(*AUTOSCALED, "--minNodes", "1,0", "--dry-run")["data"]
    assert data["worker_counts"] == [1, 0]


def test_spellings_of_older_toil(toilctl):
    data = toilctl.json(
        "launch-cluster", "c", "-z", "us-west-2a", "--keyPairName", "k", "--engine", "slurm",
        "--nodeType", "r3.8xlarge", "--maxNodes", "2", "--preemptableNodeType", SPOT, "--maxPreemptableNodes", "9",
        "--minPreemptableNodes", "1", "--preemptableCompensation", "0.5", "--defaultPreemptable", "--targetTime", "60",
        "--betaInertia", "0.2", "--scaleInterval", "10", "--nodeStorage", "50,100", "--dry-run",
    )["data"]  # fmt: skip
    assert data["scaling"]["limits"] == ["r3.8xlarge=0..2", "c4.8xlarge:0.6=1..9"]
    tuning = dict(word.split("=") for word in data["scaling"]["tuning"].split())
    assert (tuning["preemptible_compensation"], tuning["target_time_s"]) == ("0.5", "60")
    assert (tuning["beta_inertia"], tuning["scale_interval_s"]) == ("0.2", "10")
    assert (data["default_preemptible"], data["node_storage_gb"]) == (True, "50,100")


def test_spot_workers_alone_need_preemptible_jobs_and_that_is_said(toilctl):
    words = ("launch-cluster", "c", "-z", "us-west-2a", "--keyPairName", "k", "--engine", "slurm", "--nodeTypes", SPOT)
    told = "There are only spot workers: jobs run there when their workflow calls them preemptible."
    assert told in toilctl(*words, "--maxNodes", "3", "--dry-run").stdout
    assert told not in toilctl(*words, "--maxNodes", "3", "--defaultPreemptible", "--dry-run").stdout


def test_default_preemptible_holds_without_limits_too(toilctl, playbooks):
    words = ("--nodeTypes", SPOT, "-w", "1", "-z", "us-west-2a", "--keyPairName", "k")
    assert toilctl("launch-cluster", "c", *words, "--defaultPreemptible").exit_code == 0
    assert playbooks.runs[0][1]["default_preemptible"] is True
    assert "limits" not in playbooks.runs[0][1]
    assert toilctl("launch-cluster", "c", *words).exit_code == 0


def test_same_launch_again_leaves_the_workers_to_the_autoscaler(toilctl, autoscaled):
    autoscaled.start_worker(ON_DEMAND)
    autoscaled.not_joining = set(autoscaled.live())
    result = toilctl(*AUTOSCALED, "-w", "1,1")
    assert result.exit_code == 0, result.stderr
    assert autoscaled.runs[0][1]["worker_counts"] == [0, 0]
    assert len(autoscaled.live()) == 1


@pytest.mark.parametrize(
    ("changed", "told", "options"),
    [
        (
            ("--maxNodes", "20,3"),
            "limits is c4.8xlarge:0.6=0..20,r3.8xlarge=0..2, not c4.8xlarge:0.6=0..20,",
            "--min-nodes 0,0 --max-nodes 20,3\n",
        ),
        (("--idle-timeout", "61"), "autoscaler is idle_timeout_s=60, not idle_timeout_s=61.", "--idle-timeout 61\n"),
        (("--budget", "500"), "autoscaler is budget_usd=0, not budget_usd=500.", "--budget 500\n"),
        (
            ("--max-cost-per-hour", "12.5", "--spot-fallback-after", "600"),
            "spot_fallback_after_s=0 max_usd_per_hour=0, not spot_fallback_after_s=600 max_usd_per_hour=12.5.",
            "--spot-fallback-after 600 --max-cost-per-hour 12.5\n",
        ),
        (("--default-preemptible",), "default-preemptible is no, not yes", "--default-preemptible\n"),
        (
            ("--node-storage", "50,60"),
            "node-storage-gb is 50, not c4.8xlarge:0.6=50,r3.8xlarge=60",
            "--node-storage 50,60\n",
        ),
    ],
)
def test_launch_again_with_other_limits_names_autoscale(toilctl, autoscaled, changed, told, options):
    result = toilctl(*AUTOSCALED, *changed)
    assert result.exit_code == 5
    assert told in result.stderr
    assert f"Change them: toilctl autoscale -z us-west-2a c {options}" in result.stderr
    assert autoscaled.runs == []


def test_launch_again_without_limits_names_autoscale(toilctl, autoscaled):
    words = ("--leaderNodeType", "t2.medium", "-z", "us-west-2a", "--keyPairName", "k", "--engine", "slurm")
    result = toilctl("launch-cluster", "c", *words, "--nodeTypes", f"{SPOT},{ON_DEMAND}", "-w", "0,0")
    assert (result.exit_code, "toilctl autoscale -z us-west-2a c" in result.stderr) == (5, True)


def test_describe_shows_the_limits_and_whether_it_is_paused(toilctl, autoscaled):
    limits = "0 to 20 c4.8xlarge:0.6 and 0 to 2 r3.8xlarge"
    assert f"{limits}, autoscaled" in toilctl("describe-cluster", "c").stdout
    autoscaled.tag("c", {tags.PAUSED: "yes"})
    assert f"{limits}, autoscaling is paused" in toilctl("describe-cluster", "c").stdout
    data = toilctl.json("describe-cluster", "c")["data"]
    assert (data["limits"], data["paused"], data["desired"]) == (
        ["c4.8xlarge:0.6=0..20", "r3.8xlarge=0..2"], True, {}
    )  # fmt: skip


def test_cluster_without_workers_is_running_unless_its_minimum_is_missing(toilctl, autoscaled):
    assert toilctl.json("list-clusters")["data"]["clusters"][0]["state"] == "running"
    autoscaled.tag("c", {tags.LIMITS: "c4.8xlarge:0.6=0..20,r3.8xlarge=1..2"})
    assert toilctl.json("list-clusters")["data"]["clusters"][0]["state"] == "partial"


# --- scale-cluster ---


def test_scaling_fixes_the_limits_and_says_how_to_let_go(toilctl, autoscaled):
    result = toilctl("scale-cluster", "c", "--nodeType", ON_DEMAND, "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert autoscaled.settings()[tags.LIMITS] == "c4.8xlarge:0.6=0..20,r3.8xlarge=1..1"
    assert autoscaled.names == ["autoscale.yml"]
    assert "The autoscaler of c now keeps 0 to 20 c4.8xlarge:0.6 and 1 r3.8xlarge." in result.stdout
    assert "as before: toilctl autoscale c --min-nodes 0,0 --max-nodes 20,2" in result.stdout


def test_scaling_all_node_types_takes_a_number_for_each(toilctl, autoscaled):
    refused = toilctl("scale-cluster", "c", "-w", "1")
    assert (refused.exit_code, "and -w has 1 number." in refused.stderr) == (2, True)
    assert toilctl("scale-cluster", "c", "-w", "3,0").exit_code == 0
    assert autoscaled.settings()[tags.LIMITS] == "c4.8xlarge:0.6=3..3,r3.8xlarge=0..0"


def test_node_type_that_is_new_is_added(toilctl, autoscaled):
    result = toilctl("scale-cluster", "c", "--nodeType", "t2.small", "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert autoscaled.settings()[tags.WORKERS] == "c4.8xlarge:0.6=0,r3.8xlarge=0,t2.small=0"
    assert "--node-types c4.8xlarge:0.6,r3.8xlarge --min-nodes 0,0" in result.stdout


def test_dry_run_of_scaling_changes_nothing(toilctl, autoscaled):
    before = autoscaled.settings()
    result = toilctl("scale-cluster", "c", "-w", "1,1", "--dry-run")
    assert "Would fix the number of workers of c: 1 c4.8xlarge:0.6 and 1 r3.8xlarge." in result.stdout
    assert (autoscaled.settings(), autoscaled.runs) == (before, [])


def test_force_is_not_for_an_autoscaled_cluster(toilctl, autoscaled):
    result = toilctl("scale-cluster", "c", "-w", "0,0", "--force")
    assert result.exit_code == 2
    assert "its autoscaler never ends a running job" in result.stderr
    assert autoscaled.runs == []
