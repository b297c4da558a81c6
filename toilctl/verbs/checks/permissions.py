"""Whether these credentials may do a launch's work, and whether what it refers to exists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from toilctl.system import aws
from toilctl.values import tags
from toilctl.values.aws_errors import DENIED
from toilctl.values.errors import NotFoundError, UsageError


def check_identity(region: str) -> str:
    """Return the account that the credentials belong to; missing or refused ones end here, by the SDK's error."""
    account: str = aws.client("sts", region).get_caller_identity()["Account"]
    return account


def check_permissions(region: str, cluster: str, *, makes_roles: bool, subnet: str | None = None) -> None:
    """Try the calls that make things, without making anything; a denied one raises the SDK's error.

    They are tried as they will be made, in the same VPC and with the tag that policies ask for.

    :param makes_roles: whether the cluster gets IAM roles of its own; IAM lets nobody try, but only look.
    :param subnet: the one whose VPC the cluster is made in; None takes the default VPC.
    """
    ec2 = aws.client("ec2", region)
    name = f"toilctl-{cluster}"
    vpc = _vpc(ec2, subnet)
    _try(
        ec2.create_security_group, GroupName=name, Description="toilctl",
        TagSpecifications=_own_tag("security-group", cluster), **({"VpcId": vpc} if vpc else {}),
    )  # fmt: skip
    _try(
        ec2.create_launch_template, LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t2.micro"},
        TagSpecifications=_own_tag("launch-template", cluster),
    )  # fmt: skip
    if makes_roles:
        aws.look(aws.client("iam", region).get_role, RoleName=f"{name}-{region}-leader")


def _vpc(ec2: Any, subnet: str | None) -> str | None:
    """Return the VPC of a subnet, else the default one; None when there is none, which other checks tell."""
    try:
        if subnet:
            return str(ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"])
    except Exception as error:
        if not aws.error_code(error).startswith("InvalidSubnet"):
            raise
        return None
    found = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    return str(found[0]["VpcId"]) if found else None


def _own_tag(kind: str, cluster: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tags.to_list({tags.CLUSTER: cluster})}]


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
