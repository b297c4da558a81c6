"""What a launch names of the account's, and cannot do without: a profile, security groups, a file system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from toilctl.system import aws, quotas
from toilctl.values import aws_limits
from toilctl.values.aws_errors import DENIED
from toilctl.values.errors import CapacityError, NotFoundError, UsageError
from toilctl.values.units import exact
from toilctl.verbs.checks.zones_and_images import Place

_MOUNTABLE: Final = "available"
"""The state of a mount target that answers; "MountTargetDescription" in the EFS API reference."""


def check_profile(region: str, arn: str) -> None:
    """Make sure that an instance profile exists.

    :raises UsageError: when it is not an instance profile's ARN.
    :raises NotFoundError: when there is none of that name.
    """
    if ":instance-profile/" not in arn:
        raise UsageError(
            f"{arn!r} is not the ARN of an instance profile.", "It looks like arn:aws:iam::…:instance-profile/…"
        )
    name = arn.rpartition("/")[2]
    if aws.look(aws.client("iam", region).get_instance_profile, InstanceProfileName=name) is None:
        raise NotFoundError(f"There is no instance profile {name!r}.", "'aws iam list-instance-profiles' lists them.")


def check_security_groups(region: str, vpc_id: str, groups: Sequence[str]) -> None:
    """Make sure that nodes in a VPC can have security groups beside the cluster's own.

    :raises UsageError: when they are more than a network interface can ever have, or one is another VPC's.
    :raises CapacityError: when the account's quota is lower.
    :raises NotFoundError: naming the first that does not exist.
    """
    _check_count(region, len(set(groups)) + 1)
    for group in groups:
        try:
            found = aws.client("ec2", region).describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        except Exception as error:
            if not aws.error_code(error).startswith("InvalidGroup"):
                raise
            raise NotFoundError(
                f"There is no security group {group} in {region}.", "'aws ec2 describe-security-groups' lists them."
            ) from error
        if found["VpcId"] != vpc_id:
            raise UsageError(
                f"Security group {group} is in {found['VpcId']}, and the nodes will be in {vpc_id}.",
                "Name a group of that VPC, or a subnet of the group's with --vpc-subnet.",
                security_group=group, vpc=found["VpcId"], nodes_vpc=vpc_id,
            )  # fmt: skip


def _check_count(region: str, count: int) -> None:
    if count > quotas.MOST_GROUPS:
        raise UsageError(
            f"Nodes would have {count} security groups with the cluster's own, and EC2 allows {quotas.MOST_GROUPS}.",
            "Name fewer with --aws-ec2-extra-security-group-id.", groups=count,
        )  # fmt: skip
    quota = quotas.groups_per_interface(region) if count > aws_limits.GROUPS_PER_INTERFACE else None
    if quota is not None and count > quota:
        raise CapacityError(
            f"Nodes would have {count} security groups with the cluster's own, and the account's quota in {region} is "
            f"{exact(quota)}.",
            f"Name fewer, or ask for up to {quotas.MOST_GROUPS}: aws service-quotas request-service-quota-increase "
            f"--region {region} --service-code vpc --quota-code {quotas.GROUPS_CODE} --desired-value {count}",
            groups=count, quota=quota,
        )  # fmt: skip


def check_file_system(region: str, place: Place, file_system: str) -> None:
    """Make sure that an EFS file system can be mounted where nodes will be; who may not look is left to the mount.

    Its name resolves in the VPC of its mount targets alone.

    :raises NotFoundError: when it, or a mount target that works in one of the zones, does not exist.
    :raises UsageError: when its mount targets are in another VPC.
    """
    try:
        answer = aws.look(aws.client("efs", region).describe_mount_targets, FileSystemId=file_system)
    except Exception as error:
        if aws.error_code(error) in DENIED:
            return
        raise
    if answer is None:
        raise NotFoundError(
            f"There is no EFS file system {file_system} in {region}.",
            "'aws efs describe-file-systems' lists them.", file_system=file_system,
        )  # fmt: skip
    targets = answer["MountTargets"]
    vpcs = sorted({str(target["VpcId"]) for target in targets})
    if vpcs and place.vpc_id not in vpcs:
        raise UsageError(
            f"EFS file system {file_system} has its mount targets in {', '.join(vpcs)}, and the nodes will be in "
            f"{place.vpc_id}.",
            "Launch in a subnet of that VPC with --vpc-subnet, or name a file system of this one.",
            file_system=file_system, vpcs=vpcs, nodes_vpc=place.vpc_id,
        )  # fmt: skip
    states = {
        target["AvailabilityZoneName"]: target["LifeCycleState"]
        for target in targets
        if target["VpcId"] == place.vpc_id
    }
    missing = sorted(set(place.zones) - states.keys())
    if missing:
        raise NotFoundError(
            f"EFS file system {file_system} has no mount target in {', '.join(missing)}.",
            "Make one with 'aws efs create-mount-target', or launch where there is one.",
            file_system=file_system, zones=missing,
        )  # fmt: skip
    for zone in place.zones:
        if states[zone] != _MOUNTABLE:
            raise NotFoundError(
                f"The mount target of EFS file system {file_system} in {zone} is {states[zone]}.",
                "Wait until 'aws efs describe-mount-targets' has it available, or launch in another zone.",
                file_system=file_system, zones=[zone],
            )  # fmt: skip
