"""autoscale simulate, as it is typed and read: made-up and recorded jobs against policies, nothing launched."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.system.instance_table import shipped

TYPES = ("--node-types", "c4.8xlarge:0.6,r3.8xlarge", "--max-nodes", "20,2", "-z", "us-west-2a")
BURSTS = ("autoscale", "simulate", "bursts", "--jobs", "300", "--hours", "2", *TYPES)


def simulated(toilctl: Any, *words: str) -> Any:
    answer = toilctl.json(*words)
    assert "data" in answer, answer
    return answer["data"]


def test_made_up_jobs_run_and_their_cost_is_over_the_bound(toilctl: Any, account: TestCloud) -> None:
    data = simulated(toilctl, *BURSTS)
    (one,) = data["outcomes"]
    assert (data["jobs"], one["jobs"], one["stuck"], one["infeasible"]) == (300, 300, 0, [])
    assert data["trace"] == "300 made-up jobs (bursts) in 2 h, seed 0"
    assert 0 < one["least_usd"] < one["usd"]
    assert one["over_least"] == pytest.approx(one["usd"] / one["least_usd"], abs=1e-2)
    assert one["launches"] == sum(use["launched"] for use in one["nodes"])
    assert (one["interruptions"], one["refusals"], one["lost_hours"]) == (0, 0, 0)


def test_same_seed_is_the_same_and_another_is_another(toilctl: Any, account: TestCloud) -> None:
    first, again, other = (simulated(toilctl, *BURSTS, "--seed", seed)["outcomes"] for seed in ("1", "1", "2"))
    assert first == again
    assert first != other


def test_interruptions_cost_work_and_shortages_cost_launches(toilctl: Any, account: TestCloud) -> None:
    hazards = ("--interruptions-per-hour", "2", "--shortages", "0.5")
    (calm,), (rough,) = simulated(toilctl, *BURSTS)["outcomes"], simulated(toilctl, *BURSTS, *hazards)["outcomes"]
    assert rough["interruptions"] > 0
    assert rough["lost_hours"] > 0
    assert rough["refusals"] > 0
    assert rough["jobs"] == calm["jobs"]
    shown = toilctl(*BURSTS, *hazards).stdout
    assert "A spot worker is taken away 2 times an hour." in shown
    assert "for 50% of the time" in shown
    assert "hours of jobs were lost" in shown


def test_policies_are_compared_by_what_differs(toilctl: Any, account: TestCloud) -> None:
    others = ("--target-time 60", "--node-types m5.large --max-nodes 50 --idle-timeout 0")
    compared = [word for text in others for word in ("--compare", text)]
    first, eager, small = simulated(toilctl, *BURSTS, *compared)["outcomes"]
    assert [one["policy"] for one in (first, eager, small)] == ["as given", *others]
    assert "--target-time 60" in eager["launch_command"]
    assert "--node-types c4.8xlarge:0.6,r3.8xlarge --max-nodes 20,2" in eager["launch_command"]
    assert [use["node_type"] for use in small["nodes"]] == ["m5.large"]
    assert first["launch_command"] != eager["launch_command"]
    shown = toilctl(*BURSTS, *compared).stdout
    lines = [line for line in shown.splitlines() if line.startswith(("  as given ", "  --target-time 60 "))]
    assert len(lines) == 2


def test_launch_line_is_a_launch(toilctl: Any, account: TestCloud) -> None:
    (one,) = simulated(toilctl, *BURSTS, "--idle-timeout", "90", "--min-nodes", "0,1")["outcomes"]
    words = shlex.split(one["launch_command"].replace(" NAME ", " big ").replace(" KEY ", " k "))
    plan = toilctl.json(*words[1:], "--dry-run")["data"]
    assert plan["scaling"]["limits"] == ["c4.8xlarge:0.6=0..20", "r3.8xlarge=1..2"]


def test_recorded_run_is_replayed_as_estimate_trace_does(toilctl: Any, account: TestCloud, tmp_path: Path) -> None:
    path = tmp_path / "trace-87.jsonl"
    lines: list[Any] = [{"toilctl": 1, "workflow": "6f1c", "started": 1000, "name": "sort.py", "generation": 1}]
    for key in ("1", "2"):
        lines.append(["q", key, "sort", 2, 2**30, 2**30, 1, 0, 1000, "store"])
        lines += [["r", key, "", 1001], ["e", key, 0, 60, 1061]]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    estimated = simulated(toilctl, "estimate", "trace", str(path), *TYPES)
    data = simulated(toilctl, "autoscale", "simulate", str(path), *TYPES)
    (one,) = data["outcomes"]
    assert (data["trace"], one["jobs"], one["usd"]) == (str(path), 2, estimated["workers_usd"])
    assert one["nodes"] == estimated["nodes"]


def test_money_is_a_bound_and_jobs_that_wait_for_it_to_the_end_say_so(toilctl: Any, account: TestCloud) -> None:
    some = ("autoscale", "simulate", "diurnal", "--jobs", "60", "--hours", "24", *TYPES)
    poor = (*some, "--budget", "0.25")
    (one,) = simulated(toilctl, *poor)["outcomes"]
    assert 0 < one["stuck"] == sum(waiting["count"] for waiting in one["waiting"])
    assert {waiting["reason"] for waiting in one["waiting"]} == {"budget"}
    assert one["jobs"] + one["stuck"] == 60
    assert "--budget 0.25" in one["launch_command"]
    shown = toilctl(*poor, "--max-cost-per-hour", "9").stdout
    assert "waited to the end: The cluster has cost $" in shown
    assert "of its budget of $0.25" in shown
    assert "--max-cost-per-hour 9" in shown


def test_picture_is_drawn_beside_the_numbers(toilctl: Any, account: TestCloud, tmp_path: Path) -> None:
    said = toilctl(*BURSTS, "--plot", str(tmp_path / "bursts"), "--compare", "--target-time 60")
    assert said.exit_code == 0, said.stderr
    assert said.stdout.endswith(f"Drawn: {tmp_path / 'bursts.svg'}, {tmp_path / 'bursts.png'}\n")
    assert (tmp_path / "bursts.png").read_bytes().startswith(b"\x89PNG")
    assert "as given" in (tmp_path / "bursts.svg").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--compare", "--nonsense 3"), "--compare '--nonsense 3' is no policy"),
        (("--compare", "--max-nodes 'x"), "is no policy"),
        (("--compare", "m5.large"), "is no policy"),
        (("--compare", "--max-nodes x"), "is not a number of workers"),
        (("--compare", "--node-types m5.large,r5.large"), "How many nodes of"),
        (("--jobs", "0"), "'0' is not a whole number from 1 to"),
        (("--jobs", "1.5"), "'1.5' is not a whole number"),
        (("--hours", "nan"), "'nan' is not a number from"),
        (("--interruptions-per-hour", "-1"), "'-1' is not a number from 0 to"),
        (("--shortages", "1"), "'1' is not a number from 0 to 0.99"),
        (("--boot-time", "901"), "none would ever run a job"),
        (("--plot", "/none/x"), "/none"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_the_next_step(
    toilctl: Any, account: TestCloud, words: tuple[str, ...], says: str
) -> None:
    answer = toilctl(*BURSTS, *words)
    assert answer.exit_code == 2, answer.stdout
    error, next_step = answer.stderr.splitlines()[-2:]
    assert says in error
    assert next_step


def test_boot_that_takes_too_long_names_the_flags(toilctl: Any, account: TestCloud) -> None:
    assert toilctl(*BURSTS, "--boot-time", "901").stderr.endswith("Raise --join-deadline, or lower --boot-time.\n")


def test_trace_that_is_neither_file_nor_pattern_says_what_there_is(toilctl: Any) -> None:
    answer = toilctl("autoscale", "simulate", "burst", *TYPES)
    assert answer.exit_code == 2
    assert "burst cannot be read: no such file or directory." in answer.stderr


def test_it_is_found_in_the_help_and_hides_no_cluster(toilctl: Any) -> None:
    assert "autoscale simulate" in toilctl("--help").stdout
    shown = toilctl("autoscale", "simulate", "--help").stdout
    assert "Usage: toilctl autoscale simulate" in " ".join(shown.split())
    assert "pause" in toilctl("autoscale", "--help").stdout


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


def test_user_without_credentials_simulates_by_the_shipped_table_and_is_told(toilctl: Any, nobody: None) -> None:
    data = simulated(toilctl, *BURSTS)
    assert data["source"] == shipped().text
    assert f"Prices and sizes of instance types are from {shipped().text}." in toilctl(*BURSTS).stdout


def test_instance_type_that_only_ec2_knows_needs_credentials(toilctl: Any, nobody: None) -> None:
    answer = toilctl(*BURSTS[:-6], "--node-types", "c4.8xlrge:0.6", "--max-nodes", "20", "-z", "us-west-2a")
    assert answer.exit_code == 2
    assert "c4.8xlrge is not in the table that comes with toilctl" in answer.stderr
    assert "EC2 cannot be asked" in answer.stderr
    assert "Did you mean c4.8xlarge" in answer.stderr


def test_what_ec2_had_to_be_asked_for_is_told(toilctl: Any, account: TestCloud) -> None:
    words = ("autoscale", "simulate", "bursts", "--jobs", "10", "--node-types", "c8a.8xlarge", "--max-nodes", "9")
    data = simulated(toilctl, *words, "-z", "us-west-2a")
    assert data["source"] == f"{shipped().text}, and the sizes of c8a.8xlarge from EC2"
