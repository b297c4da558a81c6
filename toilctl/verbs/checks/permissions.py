"""Whether these credentials may do a launch's work, and whether what it refers to exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toilctl.system import aws
from toilctl.values import tags
from toilctl.values.aws_errors import DENIED
from toilctl.values.cluster import Role
from toilctl.values.errors import NotFoundError, UsageError


def check_identity(region: str) -> str:
    """Return the account that the credentials belong to; missing or refused ones end here, by the SDK's error."""
    account: str = aws.client("sts", region).get_caller_identity()["Account"]
    return account


def check_permissions(
    region: str, cluster: str, vpc_id: str, group_tags: Mapping[str, str], *, makes_roles: bool
) -> None:
    """Try the calls that make things, without making anything; a denied one raises the SDK's error.

    Policies ask for tags, and an account may have no default VPC: what is tried has both, as what is made.

    :param group_tags: those that the security group will get.
    :param makes_roles: whether the cluster gets IAM roles of its own; IAM lets nobody try, but only look.
    """
    ec2 = aws.client("ec2", region)
    name = f"toilctl-{cluster}"
    own = {key: value for key, value in group_tags.items() if value}
    template_tags = {key: value for key, value in own.items() if key == tags.CLUSTER or not key.startswith("toilctl:")}
    _try(
        ec2.create_security_group, GroupName=name, Description=f"toilctl cluster {cluster}", VpcId=vpc_id,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags.to_list({tags.NAME: name, **own})}],
    )  # fmt: skip
    of_template = tags.to_list({tags.NAME: name, **template_tags, tags.ROLE: Role.LEADER.value})
    _try(
        ec2.create_launch_template, LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t2.micro"},
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": of_template}],
    )  # fmt: skip
    if makes_roles:
        aws.look(aws.client("iam", region).get_role, RoleName=f"{name}-{region}-leader")


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


def check_security_groups(region: str, groups: Sequence[str]) -> None:
    """Make sure that security groups exist.

    :raises NotFoundError: naming the first that does not.
    """
    for group in groups:
        try:
            aws.client("ec2", region).describe_security_groups(GroupIds=[group])
        except Exception as error:
            if not aws.error_code(error).startswith("InvalidGroup"):
                raise
            raise NotFoundError(
                f"There is no security group {group} in {region}.", "'aws ec2 describe-security-groups' lists them."
            ) from error


def check_file_system(region: str, file_system: str, zones: Sequence[str]) -> None:
    """Make sure that an EFS file system can be mounted in zones; who may not look is left to the mount.

    :raises NotFoundError: when it, or its mount target in a zone, does not exist.
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
    missing = sorted(set(zones) - {target["AvailabilityZoneName"] for target in answer["MountTargets"]})
    if missing:
        raise NotFoundError(
            f"EFS file system {file_system} has no mount target in {', '.join(missing)}.",
            "Make one with 'aws efs create-mount-target', or launch where there is one.",
            file_system=file_system, zones=missing,
        )  # fmt: skip


def _try(call: Callable[..., Any], **parameters: Any) -> None:
    try:
        call(DryRun=True, **parameters)
    except Exception as error:
        if aws.error_code(error) != "DryRunOperation":
            raise
