"""Whether these credentials may do a launch's work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from toilctl.system import aws
from toilctl.values import tags
from toilctl.values.cluster import Role


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


def _try(call: Callable[..., Any], **parameters: Any) -> None:
    try:
        call(DryRun=True, **parameters)
    except Exception as error:
        if aws.error_code(error) != "DryRunOperation":
            raise
