"""What is left of a launch for which a permission was missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.stand_in import LAUNCH, Playbooks
from toilctl.local.process.testing import TestCloud
from toilctl.system.playbooks import Failure, PlaybookResult, PlaybookTarget

DENIED = {
    "code": "credentials", "message": "These credentials may not do iam:TagRole.", "next_step": "Ask for it.",
    "facts": {"aws_code": "AccessDenied"},
}  # fmt: skip


def groups(cloud: TestCloud) -> list[str]:
    found = cloud.client("ec2").describe_security_groups()["SecurityGroups"]
    return [group["GroupName"] for group in found if group["GroupName"] != "default"]


@pytest.fixture
def refuse(
    account: TestCloud, playbooks: Playbooks, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Mapping[str, Any]], Playbooks]:
    """Let launches make their security group, and then end with this error."""

    def begin(error: Mapping[str, Any]) -> Playbooks:
        usual = playbooks.run

        def run(name: str, target: PlaybookTarget, variables: Mapping[str, Any], **more: Any) -> PlaybookResult:
            if name != "launch.yml":
                return usual(name, target, variables, **more)
            playbooks.runs.append((name, dict(variables)))
            if "toilctl-c" not in groups(account):
                tags = [{"Key": key, "Value": "x"} for key in ("toilctl:generation",)]
                tags.append({"Key": "toilctl:cluster", "Value": "c"})
                account.client("ec2").create_security_group(
                    GroupName="toilctl-c", Description="x",
                    TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
                )  # fmt: skip
            failure = Failure(
                "localhost", "Make the roles", str(error["message"]), unreachable=False, error=dict(error)
            )
            return PlaybookResult(False, (failure,), {}, Path("log"))

        monkeypatch.setattr("toilctl.system.playbooks.run", run)
        return playbooks

    return begin


def test_launch_that_lacks_a_permission_removes_what_it_made(toilctl, account, refuse):
    playbooks = refuse(DENIED)
    result = toilctl(*LAUNCH)
    assert result.exit_code == 3
    assert "may not do iam:TagRole. What was made is removed again." in " ".join(result.stderr.split())
    assert playbooks.names == ["launch.yml", "destroy.yml"]
    assert groups(account) == []


def test_what_may_not_be_removed_is_named(toilctl, account, refuse, monkeypatch):
    monkeypatch.setattr("toilctl.verbs.clusters.destroy._PATIENCE_S", 0.0)
    refuse(DENIED).leaves = True
    said = " ".join(toilctl(*LAUNCH).stderr.split())
    assert "may not do iam:TagRole. Of cluster 'c' in us-west-2 there still is: security group sg-" in said


def test_launch_that_is_refused_for_a_cluster_with_nodes_removes_nothing(toilctl, account, playbooks, refuse):
    toilctl(*LAUNCH)
    refuse(DENIED)
    assert toilctl(*LAUNCH).exit_code == 3
    assert "destroy.yml" not in playbooks.names


def test_credentials_that_expired_remove_nothing(toilctl, account, refuse):
    playbooks = refuse({**DENIED, "message": "Expired.", "facts": {"aws_code": "ExpiredToken"}})
    assert toilctl(*LAUNCH).exit_code == 3
    assert playbooks.names == ["launch.yml"]
