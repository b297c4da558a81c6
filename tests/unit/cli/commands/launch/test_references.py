"""Security groups and EFS file systems that a launch names: there, of the nodes' VPC, and not too many."""

from __future__ import annotations

import pytest
from moto.efs.models import efs_backends

from tests.unit.cli.stand_in import LAUNCH
from toilctl.local.aws.cloud import ACCOUNT_ID

pytestmark = pytest.mark.usefixtures("playbooks")
GROUP = "--aws-ec2-extra-security-group-id"


def vpc_of(account) -> str:
    return account.client("ec2").describe_subnets()["Subnets"][0]["VpcId"]


def make_efs(account, *zones: str) -> str:
    return mount(account, account.client("ec2").describe_subnets()["Subnets"], *zones)


def mount(account, subnets, *zones: str) -> str:
    efs = account.client("efs")
    made = efs.create_file_system(CreationToken="x")["FileSystemId"]
    for subnet in subnets:
        if subnet["AvailabilityZone"] in zones:
            efs.create_mount_target(FileSystemId=made, SubnetId=subnet["SubnetId"])
    return made


def other_subnet(account) -> dict[str, str]:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    return ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="us-west-2a")["Subnet"]


def make_groups(account, count: int, vpc: str = "") -> list[str]:
    ec2 = account.client("ec2")
    return [
        ec2.create_security_group(GroupName=f"g{number}", Description="x", VpcId=vpc or vpc_of(account))["GroupId"]
        for number in range(count)
    ]


def named(groups: list[str]) -> list[str]:
    return [word for group in groups for word in (GROUP, group)]


def test_extra_security_group_that_is_not_there(toilctl):
    result = toilctl(*LAUNCH, "--awsEc2ExtraSecurityGroupId", "sg-0123456789abcdef0")
    assert (result.exit_code, "There is no security group" in result.stderr) == (4, True)


def test_extra_security_group_of_another_vpc_is_refused_before_anything_is_made(toilctl, account, playbooks):
    vpc = other_subnet(account)["VpcId"]
    (group,) = make_groups(account, 1, vpc)
    result = toilctl(*LAUNCH, GROUP, group)
    assert (result.exit_code, playbooks.runs) == (2, [])
    assert f"Security group {group} is in {vpc}, and the nodes will be in {vpc_of(account)}." in result.stderr


def test_as_many_extra_security_groups_are_taken_as_the_quota_allows(toilctl, account, playbooks):
    groups = make_groups(account, 4)
    result = toilctl(*LAUNCH, *named(groups))
    assert result.exit_code == 0, result.stderr
    assert playbooks.runs[0][1]["aws_ec2_extra_security_group_ids"] == groups


def test_more_extra_security_groups_than_the_quota_allows_are_refused_with_how_to_raise_it(toilctl, account, playbooks):
    result = toilctl(*LAUNCH, *named(make_groups(account, 5)))
    assert (result.exit_code, playbooks.runs) == (7, [])
    said = " ".join(result.stderr.split())
    assert "6 security groups with the cluster's own, and the account's quota in us-west-2 is 5." in said
    assert "--service-code vpc --quota-code L-2AFB9258 --desired-value 6" in said


@pytest.mark.parametrize("quota", [None, 16.0])
def test_more_extra_security_groups_are_taken_where_the_quota_is_raised_or_unknown(
    toilctl, account, monkeypatch, quota
):
    monkeypatch.setattr("toilctl.system.quotas.groups_per_interface", lambda _: quota)
    groups = make_groups(account, 16)
    assert toilctl(*LAUNCH, "--dry-run", *named(groups[:10])).exit_code == 0
    result = toilctl(*LAUNCH, "--dry-run", *named(groups))
    assert (result.exit_code, "17 security groups" in result.stderr) == (2, True)


def test_efs_file_system_with_a_mount_target_in_the_zone_is_taken(toilctl, account, playbooks):
    shared = f"efs:{make_efs(account, 'us-west-2a')}"
    result = toilctl(*LAUNCH, "--shared", shared)
    assert result.exit_code == 0, result.stderr
    assert playbooks.runs[0][1]["shared"] == shared


def test_efs_file_system_that_does_not_exist_is_named(toilctl, playbooks):
    result = toilctl(*LAUNCH, "--shared", "efs:fs-0123abcd")
    assert (result.exit_code, playbooks.runs) == (4, [])
    assert "There is no EFS file system fs-0123abcd in us-west-2." in result.stderr


def test_zone_without_a_mount_target_is_named(toilctl, account, playbooks):
    made = make_efs(account, "us-west-2a")
    result = toilctl(*LAUNCH, "-z", "us-west-2a,us-west-2b,us-west-2c", "--shared", f"efs:{made}")
    assert (result.exit_code, playbooks.runs) == (4, [])
    assert f"EFS file system {made} has no mount target in us-west-2b, us-west-2c." in result.stderr


def test_who_may_not_look_at_efs_launches_all_the_same(toilctl, account, playbooks, monkeypatch):
    from botocore.exceptions import ClientError

    from toilctl.system import aws

    class Denied:
        def describe_mount_targets(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeMountTargets")

    real = aws.client
    monkeypatch.setattr(
        aws, "client", lambda service, *more, **how: Denied() if service == "efs" else real(service, *more, **how)
    )
    assert toilctl(*LAUNCH, "--shared", "efs:fs-0123abcd").exit_code == 0


def test_efs_file_system_of_another_vpc_is_refused(toilctl, account, playbooks):
    subnet = other_subnet(account)
    made = mount(account, [subnet], "us-west-2a")
    result = toilctl(*LAUNCH, "--shared", f"efs:{made}")
    assert (result.exit_code, playbooks.runs) == (2, [])
    said = " ".join(result.stderr.split())
    assert f"has its mount targets in {subnet['VpcId']}, and the nodes will be in {vpc_of(account)}." in said


def test_mount_target_that_is_not_yet_there_is_told(toilctl, account, playbooks):
    made = make_efs(account, "us-west-2a")
    (target,) = efs_backends[ACCOUNT_ID]["us-west-2"].mount_targets_by_id.values()
    target.life_cycle_state = "creating"
    result = toilctl(*LAUNCH, "--shared", f"efs:{made}")
    assert (result.exit_code, playbooks.runs) == (4, [])
    assert f"The mount target of EFS file system {made} in us-west-2a is creating." in " ".join(result.stderr.split())
