"""Whether the autoscaler may act: alone, not on a cluster that goes, not while a launch may be unseen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from toilctl.autoscaler.service.guard import Guard, alone, last_attempt
from toilctl.values.errors import ConflictError, HostError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def tag(aws_env) -> Any:
    """Make the cluster's security group; the result adds tags to it."""
    ec2 = aws_env.client("ec2")
    group = ec2.create_security_group(GroupName="toilctl-my", Description="x")["GroupId"]

    def add(key: str, value: str) -> None:
        ec2.create_tags(Resources=[group], Tags=[{"Key": key, "Value": value}])

    add("toilctl:cluster", "my")
    return add


@pytest.fixture
def attempt(aws_env) -> Any:
    """Make a launch template as role ec2_nodes does, with what its tag says of launches."""
    ec2 = aws_env.client("ec2")

    def add(role: str, kind: str, value: str) -> None:
        own = {"toilctl:cluster": "my", "toilctl:role": role, "toilctl:attempt": value}
        tags = [{"Key": key, "Value": text} for key, text in own.items()]
        ec2.create_launch_template(
            LaunchTemplateName=f"toilctl-my-{role}-{kind}", LaunchTemplateData={"KeyName": "k"},
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
        )  # fmt: skip

    return add


def test_second_autoscaler_is_refused_until_the_first_has_gone(tmp_path):
    with alone(tmp_path), pytest.raises(ConflictError, match="Another autoscaler works"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


@pytest.mark.parametrize("blocked", ["state", "state/lock"])
def test_state_that_cannot_be_written_is_said_in_a_sentence(tmp_path, blocked):
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    # Not a matter of permissions, which the root user has everywhere.
    (tmp_path / blocked).symlink_to("/proc/version/x")
    with pytest.raises(HostError, match="use sudo"), alone(tmp_path / "state"):
        pass


def test_lock_of_a_killed_process_is_free_at_once(tmp_path):
    code = (
        "import sys, time, pathlib\nfrom toilctl.autoscaler.service.guard import alone\n"
        "with alone(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ConflictError), alone(tmp_path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with alone(tmp_path):
            pass


def test_launch_that_was_cut_short_is_waited_for_until_ec2_lists_what_it_made(tag, attempt):
    attempt("worker", "t2_micro", f"4 2 {NOW.timestamp():.0f} {'ab' * 32}")
    attempt("worker", "c4_8xlarge_0_6", "7")
    guard = Guard()
    assert "cut short" in guard.problem("us-west-2", "my", NOW + timedelta(seconds=5))
    assert guard.wait_until == NOW + timedelta(seconds=15)
    assert guard.problem("us-west-2", "my", NOW + timedelta(seconds=15)) == ""
    assert guard.passed


def test_process_that_follows_another_waits_until_ec2_lists_what_that_launched(tag):
    guard = Guard(started=NOW)
    assert "just started" in guard.problem("us-west-2", "my", NOW + timedelta(seconds=4))
    assert guard.wait_until == NOW + timedelta(seconds=5)
    assert guard.problem("us-west-2", "my", NOW + timedelta(seconds=5)) == ""
    assert guard.wait_until is None


def test_cluster_that_is_being_destroyed_is_left_alone(tag):
    tag("toilctl:state", "destroying")
    guard = Guard()
    assert "being destroyed" in guard.problem("us-west-2", "my", NOW)
    assert not guard.passed


def test_cluster_without_a_group_is_left_alone(aws_env):
    assert "no security group" in Guard().problem("us-west-2", "my", NOW)


def test_tags_are_read_once_while_all_is_well(tag, aws_env):
    guard = Guard()
    for _ in range(3):
        assert guard.problem("us-west-2", "my", NOW) == ""
    assert aws_env.calls["ec2:DescribeSecurityGroups"] == 1


def test_attempts_of_leaders_and_answered_ones_do_not_count(tag, attempt):
    attempt("leader", "t2_micro", f"0 1 {NOW.timestamp():.0f} aa")
    assert Guard().problem("us-west-2", "my", NOW) == ""
    assert last_attempt(["3"]) is None
