"""A cluster that the last release launched: its numbers stand in the order of another tag."""

from __future__ import annotations

import pytest

from tests.unit.cli.stand_in import AUTOSCALED, LAUNCH
from toilctl.values import tags


@pytest.fixture
def older(toilctl, playbooks):
    """A cluster c of two node types, with the tags of the last release."""
    launch = ("-z", "us-west-2a", "--keyPairName", "k", "--nodeTypes", "t2.micro,t2.small:0.01", "-w", "2,1",
              "--nodeStorage", "50,60")  # fmt: skip
    result = toilctl("launch-cluster", "c", *launch)
    assert result.exit_code == 0, result.stderr
    playbooks.tag("c", {tags.NODE_TYPES: "t2.micro,t2.small:0.01", tags.WORKERS: "2,1", tags.NODE_STORAGE: "50,60"})
    playbooks.runs.clear()
    return ("launch-cluster", "c", *launch)


def test_it_is_listed_and_described(toilctl, older):
    assert toilctl.json("list-clusters")["data"]["clusters"][0]["state"] == "running"
    assert toilctl.json("describe-cluster", "c")["data"]["desired"] == {"t2.micro": 2, "t2.small:0.01": 1}


def test_it_is_completed_by_the_same_launch(toilctl, older, playbooks):
    result = toilctl(*older)
    assert result.exit_code == 0, result.stderr
    assert playbooks.runs[0][1]["worker_counts"] == [2, 1]


def test_it_is_scaled_and_remembers_numbers_with_their_node_types(toilctl, older, playbooks):
    assert toilctl("scale-cluster", "c", "-w", "1,1").exit_code == 0
    assert playbooks.settings()[tags.WORKERS] == "t2.micro=1,t2.small:0.01=1"
    assert toilctl.json("describe-cluster", "c")["data"]["desired"] == {"t2.micro": 1, "t2.small:0.01": 1}


def test_it_becomes_autoscaled_with_the_storage_that_it_has(toilctl, older, playbooks):
    assert toilctl("autoscale", "c", "--max-nodes", "3").exit_code == 0
    assert playbooks.settings()[tags.NODE_STORAGE] == "50,60"
    assert toilctl("autoscale", "c", "--node-types", "t2.small:0.01", "--max-nodes", "3").exit_code == 0
    assert playbooks.settings()[tags.NODE_STORAGE] == "t2.small:0.01=60"


def test_it_is_destroyed(toilctl, older, playbooks):
    assert toilctl("destroy-cluster", "c").exit_code == 0
    assert playbooks.live() == []


def test_settings_that_mean_the_same_are_not_changed(toilctl, autoscaled):
    same = {tags.NODE_TYPES: "c4.8xlarge:0.6,r3.8xlarge", tags.WORKERS: "0,0", tags.PAUSED: "no"}
    autoscaled.tag("c", {**same, tags.AUTOSCALER: "target_time_s=1.8e+03 idle_timeout_s=60"})
    planned = toilctl("autoscale", "c", "--max-nodes", "20,2", "--dry-run")
    assert planned.stdout == "Nothing would change for c: it has these settings.\n"
    assert toilctl(*AUTOSCALED).exit_code == 0


def test_numbers_with_many_digits_are_those_of_the_same_launch(toilctl, playbooks):
    precise = (*AUTOSCALED, "--preemptible-compensation", "0.3333333", "--target-time", "1234567")
    assert toilctl(*precise).exit_code == 0
    assert "target_time_s=1234567 " in playbooks.settings()[tags.AUTOSCALER]
    assert toilctl(*precise).exit_code == 0
    shown = toilctl("autoscale", "c").stdout
    assert "preemptible compensation  0.3333333\n" in shown
    assert "target time               1234567 s\n" in shown


def test_launch_whose_node_types_fit_no_tag_makes_nothing(toilctl, playbooks):
    names = [f"{family}.{size}:0.{digit}" for family in ("m5", "c5", "r5") for size in ("large", "xlarge")
             for digit in (11, 12, 13, 14)]  # fmt: skip
    words = [word for word in LAUNCH if word not in ("--nodeType", "t2.micro", "-w", "2")]
    result = toilctl(*words, "--nodeTypes", ",".join(names), "-w", ",".join("1" for _ in names))
    assert (result.exit_code, "There are too many node types" in result.stderr) == (2, True), result.stderr
    assert playbooks.runs == []
