"""Roles, profiles and service-linked roles."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from toilctl.local.aws.requests.refusals import Refusal
from toilctl.local.process.testing import TestCloud
from toilctl.values import policies
from toilctl.values.aws_limits import ROLE_POLICY_CHARACTERS

Module = Callable[[str], ModuleType]
STATEMENT = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def options(cluster: str, action: str = "s3:*") -> dict[str, Any]:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    return {
        "cluster": cluster,
        "must_see": True,
        "trust": TRUST,
        "tags": {"Owner": "", "toilctl:generation": "0123abcd"},
        "profiles": [
            {"name": f"toilctl-{cluster}-us-west-2-{role}", "role": role, "policy": json.dumps(policy)}
            for role in ("leader", "worker")
        ],
    }


def names(iam: Any) -> list[str]:
    return sorted(role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith("toilctl-"))


def test_roles_and_profiles_are_made_once_and_follow_their_policy(module: Module, cloud: TestCloud) -> None:
    iam, profiles = cloud.client("iam"), module("iam_node_profiles")
    assert profiles.present(iam, options("my"))["changed"]
    assert not profiles.present(iam, options("my"))["changed"]
    assert profiles.present(iam, options("my", "s3:GetObject"))["changed"]
    profile = iam.get_instance_profile(InstanceProfileName="toilctl-my-us-west-2-worker")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["toilctl-my-us-west-2-worker"]
    assert {"Key": "toilctl:cluster", "Value": "my"} in profile["Tags"]


def test_only_the_roles_of_exactly_this_cluster_are_deleted(module: Module, cloud: TestCloud) -> None:
    iam, profiles = cloud.client("iam"), module("iam_node_profiles")
    profiles.present(iam, options("my"))
    profiles.present(iam, options("my-cluster"))
    assert profiles.absent(iam, options("my"))["changed"]
    assert not profiles.absent(iam, options("my"))["changed"]
    assert names(iam) == ["toilctl-my-cluster-us-west-2-leader", "toilctl-my-cluster-us-west-2-worker"]


def test_what_iam_shows_late_is_made_and_deleted_all_the_same(module: Module, cloud: TestCloud, quick: None) -> None:
    iam, profiles = cloud.client("iam"), module("iam_node_profiles")
    cloud.faults.set("iam-lag", seconds=5)
    assert profiles.present(iam, options("my"))["changed"]
    iam.put_role_policy(RoleName="toilctl-my-us-west-2-leader", PolicyName="more", PolicyDocument=EVERYTHING)
    assert not profiles.present(iam, options("my"))["changed"]
    assert profiles.absent(iam, options("my"))["changed"]
    assert names(iam) == iam.list_instance_profiles()["InstanceProfiles"] == []


def test_what_iam_never_shows_or_frees_is_iams_own_error(
    module: Module, cloud: TestCloud, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 10)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    iam, profiles = cloud.client("iam"), module("iam_node_profiles")
    cloud.faults.set("iam-lag", seconds=1e9)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        profiles.present(iam, options("my"))
    cloud.faults.clear("iam-lag")
    profiles.present(iam, options("other"))
    cloud.faults.set("iam-lag", seconds=1e9)
    with pytest.raises(ClientError, match="DeleteConflict"):
        profiles.absent(iam, options("other"))


def test_a_role_that_iam_still_shows_though_it_is_gone_is_deleted(module: Module, cloud: TestCloud) -> None:
    iam, profiles = cloud.client("iam"), module("iam_node_profiles")
    profiles.present(iam, options("my"))
    shown = {name: iam.get_role(RoleName=name) for name in names(iam)}
    profiles.absent(iam, options("my"))

    class Stale:
        def __getattr__(self, name: str) -> Any:
            return self.show if name == "get_role" else getattr(iam, name)

        def show(self, RoleName: str) -> Any:
            return shown[RoleName]

    assert profiles.absent(Stale(), options("my"))["names"] == list(shown)
    assert names(iam) == []


@pytest.mark.parametrize("must_see", [True, False])
def test_roles_that_one_may_not_look_for_are_none_only_where_others_made_the_profile(
    module: Module, cloud: TestCloud, *, must_see: bool
) -> None:
    wanted = {**options("my"), "must_see": must_see}
    outcome = pytest.raises(ClientError, match="AccessDenied") if must_see else nullcontext()
    with outcome:
        assert not module("iam_node_profiles").absent(person(cloud, "s3:*"), wanted)["changed"]
    module("iam_node_profiles").present(cloud.client("iam"), wanted)
    assert module("iam_node_profiles").absent(cloud.client("iam"), wanted)["changed"]
    assert names(cloud.client("iam")) == []


def test_a_role_with_our_name_and_without_our_tag_is_left_alone(
    module: Module, cloud: TestCloud, aws_utils: ModuleType
) -> None:
    iam, profiles = cloud.client("iam"), module("iam_node_profiles")
    iam.create_role(RoleName="toilctl-my-us-west-2-leader", AssumeRolePolicyDocument=TRUST)
    with pytest.raises(aws_utils.AwsError, match="not cluster my's"):
        profiles.present(iam, options("my"))
    assert not profiles.absent(iam, options("my"))["changed"]
    assert names(iam) == ["toilctl-my-us-west-2-leader"]


def test_policies_that_somebody_added_do_not_keep_a_role(module: Module, cloud: TestCloud) -> None:
    iam, profiles = cloud.client("iam"), module("iam_node_profiles")
    profiles.present(iam, options("my"))
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = iam.create_policy(PolicyName="p", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="toilctl-my-us-west-2-leader", PolicyArn=policy)
    assert profiles.absent(iam, options("my"))["changed"]
    assert names(iam) == []


SERVICES = ["spot.amazonaws.com"]


def test_service_linked_roles_are_made_once(module: Module, cloud: TestCloud) -> None:
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    iam, warnings = cloud.client("iam"), list[str]()
    ensure_all = module("iam_service_linked_roles").ensure_all
    assert ensure_all(iam, SERVICES, warnings.append)["created"] == SERVICES
    assert not ensure_all(iam, SERVICES, warnings.append)["changed"]
    assert warnings == []


@pytest.mark.parametrize(("actions", "made"), [(("iam:CreateServiceLinkedRole",), SERVICES), (("s3:*",), [])])
def test_a_leader_makes_a_missing_role_with_one_call_and_leaves_it_to_ec2_where_it_may_not(
    module: Module, cloud: TestCloud, actions: tuple[str, ...], made: list[str]
) -> None:
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    iam, warnings = person(cloud, *actions), list[str]()
    for expected in (made, []):
        result = module("iam_service_linked_roles").ensure_all(iam, SERVICES, warnings.append, look=False)
        assert result["created"] == expected
    assert (cloud.calls["iam:CreateServiceLinkedRole"], cloud.calls.get("iam:ListRoles", 0), warnings) == (2, 0, [])


def person(cloud: TestCloud, *actions: str) -> Any:
    """A client of somebody who may do only these actions."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    return cloud.client("iam", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])


def test_a_missing_role_that_one_may_not_make_names_the_command(
    module: Module, cloud: TestCloud, aws_utils: ModuleType
) -> None:
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    iam = person(cloud, "iam:ListRoles")
    with pytest.raises(aws_utils.AwsError) as error:
        module("iam_service_linked_roles").ensure_all(iam, SERVICES, lambda _: None)
    assert error.value.code == "credentials"
    assert "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com" in error.value.next_step


def test_where_one_may_not_even_look_a_warning_is_enough(module: Module, cloud: TestCloud) -> None:
    warnings = list[str]()
    iam = person(cloud, "s3:*")
    assert not module("iam_service_linked_roles").ensure_all(iam, SERVICES, warnings.append)["changed"]
    assert len(warnings) == 1


def test_a_policy_that_is_too_large_is_told_as_iam_tells_it(module: Module, cloud: TestCloud) -> None:
    large = options("my", "s3:" + "x" * ROLE_POLICY_CHARACTERS)
    with pytest.raises(ClientError, match="Maximum policy size of 10240 bytes exceeded for role toilctl-my"):
        module("iam_node_profiles").present(cloud.client("iam"), large)


def test_an_account_with_too_many_roles_is_told_so(
    module: Module, cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise Refusal("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", 409)

    monkeypatch.setattr("moto.iam.models.IAMBackend.create_role", full)
    with pytest.raises(ClientError, match="RolesPerAccount"):
        module("iam_node_profiles").present(cloud.client("iam"), options("my"))


def test_only_a_default_disk_key_of_the_accounts_own_needs_a_permission(module: Module, cloud: TestCloud) -> None:
    ec2, warnings = cloud.client("ec2"), list[str]()
    place = {"region": "us-west-2", "partition": "aws"}
    keys = module("ec2_disk_key").own_keys
    assert keys(ec2, place, warnings.append) == []
    ec2.create_volume(AvailabilityZone="us-west-2a", Size=1, Encrypted=True)
    assert keys(ec2, place, warnings.append) == []
    own = cloud.client("kms").create_key()["KeyMetadata"]
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=own["KeyId"])
    assert keys(ec2, place, warnings.append) == [own["Arn"]]
    assert warnings == []
    nobody = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    assert keys(cloud.client("ec2", **cloud.user("nobody", nobody)), place, warnings.append) == []
    assert "ec2:GetEbsDefaultKmsKeyId" in warnings[0]


def test_spot_with_a_disk_key_of_the_accounts_own_is_told_with_the_command_that_grants_it(module: Module) -> None:
    disks, place = module("ec2_disk_key"), {"region": "us-west-2", "partition": "aws"}
    key = "arn:aws:kms:us-west-2:123456789012:key/0a1b-2c"
    assert disks.spot_grant(key) == policies.spot_disk_key_grant(key)
    said = list[str]()
    disks.warn_of_spot(key, place, said.append)
    assert said[0].endswith(policies.spot_disk_key_grant(key))
    disks.warn_of_spot("arn:aws:kms:us-west-2:*:key/*", place, said.append)
    assert said[1].endswith(policies.spot_disk_key_grant("arn:aws:kms:us-west-2:ACCOUNT:key/KEY"))
