"""A user with exactly the policy that toilctl prints launches, changes and destroys a cluster, and no less will do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from tests.unit.roles.ec2.cluster_life import Life
from toilctl.local.process.testing import TestCloud
from toilctl.system import aws
from toilctl.values import policies

Module = Callable[[str], ModuleType]
OF_KEYS: Final = "kms:"
"""What EC2 does with a key of the account's own; the rehearsal cloud encrypts nothing."""
NEEDED: Final = [
    one
    for one in policies.actions(policies.launch())
    if not one.startswith(OF_KEYS) and one != "ec2:CancelSpotInstanceRequests"
]
NOT_ASKED: Final = {
    ("LaunchWith", "ec2:CreateFleet"),
    ("ChangeRules", "ec2:AuthorizeSecurityGroupIngress"),
    ("ChangeAndDelete", "ec2:CancelSpotInstanceRequests"),
}
"""What the reference has for these actions and the rehearsal cloud does not ask; it leaves no spot request behind."""
SAMPLE: Final = ("ec2:RunInstances", "ec2:CreateTags", "iam:TagRole", "iam:PassRole", "ec2:DeleteSecurityGroup")


def tried() -> list[str]:
    """Return the actions that are taken away, one at a time: all of them with make deep."""
    return NEEDED if os.environ.get("EXAMPLES") == "many" else list(SAMPLE)


@pytest.fixture
def live(cloud: TestCloud, module: Module, quick: None) -> Callable[..., Life]:
    """Return a cluster's life as a user who has this policy."""
    cloud.faults.set("profile-delay", seconds=0)
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    cloud.client("ec2").create_key_pair(KeyName="k")
    cloud.client("efs").create_file_system(CreationToken="x")
    return lambda document: Life(cloud, module, cloud.user("me", document))


def without(action: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return a policy with one action less."""
    kept = []
    for one in document["Statement"]:
        left = [name for name in policies.listed(one["Action"]) if name != action]
        kept += [{**one, "Action": left}] if left else []
    return {**document, "Statement": kept}


def said(error: Exception, aws_utils: ModuleType) -> str:
    """Return the sentence that a user gets for an error of a module's or a command's."""
    if not isinstance(error, ClientError):
        return str(error)
    told = aws.explain(error)
    assert told is not None
    assert aws_utils.said(error) == told.message
    return told.message


def test_policies_fit_what_iam_keeps() -> None:
    longest = {"prefix": "c" * 20, "region": "ap-southeast-2", "partition": "aws-us-gov"}
    for make in (policies.launch, policies.connect):
        assert len("".join(json.dumps(make(**longest), separators=(",", ":")).split())) <= policies.MAX_LENGTH
        assert len({one["Sid"] for one in make()["Statement"]}) == len(make()["Statement"])


def test_who_has_the_policy_launches_changes_and_destroys_a_cluster_and_uses_all_of_it(
    cloud: TestCloud, live: Callable[..., Life]
) -> None:
    document = policies.launch(prefix="my", region="us-west-2")
    life = live(document)
    life.whole()
    assert life.warnings == []
    granted = {(one["Sid"], action) for one in document["Statement"] for action in policies.listed(one["Action"])}
    unused = {(sid, action) for sid, action in granted - cloud.allowed("me") if not action.startswith(OF_KEYS)}
    assert unused == NOT_ASKED


def test_who_may_make_no_roles_launches_changes_and_destroys_a_cluster_with_a_profile_of_others(
    cloud: TestCloud, module: Module, live: Callable[..., Life]
) -> None:
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="theirs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    profile = iam.create_instance_profile(InstanceProfileName="theirs")["InstanceProfile"]["Arn"]
    iam.add_role_to_instance_profile(InstanceProfileName="theirs", RoleName="theirs")
    kept = [one for one in policies.launch()["Statement"] if one["Sid"] not in ("MakeRoles", "PassRoles")]
    instead = [("iam:GetInstanceProfile", profile), ("iam:PassRole", role)]
    kept += [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in instead]
    document = {"Version": "2012-10-17", "Statement": kept}
    Life(cloud, module, cloud.user("me", document), profile).whole()
    assert [one["RoleName"] for one in iam.list_roles(PathPrefix="/")["Roles"] if one["Path"] == "/"] == ["theirs"]


@pytest.mark.parametrize("action", tried())
def test_a_sentence_names_the_one_action_that_is_missing(
    action: str, live: Callable[..., Life], aws_utils: ModuleType
) -> None:
    life = live(without(action, policies.launch()))
    if action in policies.OPTIONAL and action != "iam:CreateServiceLinkedRole":
        life.whole()
        return
    with pytest.raises(Exception) as error:  # noqa: PT011 - of either class
        life.whole()
    assert action in said(error.value, aws_utils)
    assert len(said(error.value, aws_utils)) < 300
