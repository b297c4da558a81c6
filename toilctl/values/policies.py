"""What people may do in AWS: one IAM policy for who launches, one for who only connects, as data.

Which action knows which resource and condition is the service authorization reference's word ("Actions, resources, and
condition keys for Amazon EC2", and for IAM). What can be told apart is: things are made with a cluster's tag, and
changed or deleted where they carry one; roles and profiles are those called ``toilctl-…``.
"""

from __future__ import annotations

from typing import Any, Final

from toilctl.values.tags import CLUSTER

Document = dict[str, Any]

MAX_LENGTH: Final = 6144
"""Characters of a managed policy, white space left out ("IAM and AWS STS quotas")."""

OPTIONAL: Final = {
    "servicequotas:GetServiceQuota": "Quotas are not checked before a launch.",
    "elasticfilesystem:DescribeMountTargets": "Whether `--shared efs:ID` works shows only at the mount on the nodes.",
    "ec2:GetEbsDefaultKmsKeyId": "A leader may not use a disk key of your own, and launches no workers with it.",
    "iam:ListRoles": "Whether spot may be used shows only when EC2 is asked for it.",
    "iam:CreateServiceLinkedRole": "Somebody else makes the account's role for spot instances, once.",
}
"""What each action that can be left out is for; a launch goes on without it."""

_LOOK: Final = (
    "ec2:DescribeInstances", "ec2:DescribeKeyPairs", "ec2:DescribeRegions", "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
)  # fmt: skip
"""Finding clusters, their nodes and the key that opens them."""
_LOOK_AT_WHAT_A_LAUNCH_NEEDS: Final = (
    "ec2:DescribeAvailabilityZones", "ec2:DescribeImages", "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplates", "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables", "ec2:DescribeSpotInstanceRequests", "ec2:DescribeSubnets", "ec2:DescribeVolumes",
    "ec2:DescribeVpcs", "ec2:GetEbsDefaultKmsKeyId", "elasticfilesystem:DescribeMountTargets", "iam:ListRoles",
    "servicequotas:GetServiceQuota",
)  # fmt: skip
_MADE: Final = ("fleet", "instance", "network-interface", "spot-instances-request", "volume")
_USED: Final = ("image", "key-pair", "security-group", "snapshot", "subnet")
_PUBLIC: Final = ("image", "snapshot")
"""Kinds of things whose ARNs name no account."""
_CREATE_ACTIONS: Final = ("CreateFleet", "CreateLaunchTemplate", "CreateSecurityGroup", "RunInstances")
_LAUNCH: Final = ("ec2:CreateFleet", "ec2:RunInstances")
_CHANGE: Final = (
    "ec2:AuthorizeSecurityGroupIngress", "ec2:CancelSpotInstanceRequests", "ec2:CreateLaunchTemplateVersion",
    "ec2:DeleteLaunchTemplate", "ec2:DeleteNetworkInterface", "ec2:DeleteSecurityGroup", "ec2:DeleteVolume",
    "ec2:RevokeSecurityGroupIngress", "ec2:TerminateInstances",
)  # fmt: skip
_RULES: Final = ("ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress")
_ROLES: Final = (
    "iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:CreateRole", "iam:DeleteInstanceProfile",
    "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:GetInstanceProfile", "iam:GetRole",
    "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:PutRolePolicy",
    "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile", "iam:TagRole",
)  # fmt: skip
_DISK_KEYS: Final = (
    "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*",
)  # fmt: skip
"""What EC2 does with a key of the account's own in its caller's name ("Requirements for Amazon EBS encryption")."""
SPOT_DISK_KEY_OPERATIONS: Final = (
    "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "CreateGrant", "DescribeKey",
    "ReEncryptFrom", "ReEncryptTo",
)  # fmt: skip
"""What the role for spot instances has to be granted with such a key."""
_PASSED_TO: Final = ("ec2.amazonaws.com", "ec2.amazonaws.com.cn")
_SPOT: Final = "spot.amazonaws.com"


def launch(prefix: str = "", region: str = "*", partition: str = "aws") -> Document:
    """Return the policy of who launches, scales and destroys clusters, and of who connects to them.

    :param prefix: how the clusters' names begin; empty allows all.
    :param region: ``*`` for all.
    """
    ec2 = f"arn:{partition}:ec2:{region}:*:"
    iam = f"arn:{partition}:iam::*:"
    used = [f"{ec2}{kind}/*" if kind not in _PUBLIC else f"arn:{partition}:ec2:{region}::{kind}/*" for kind in _USED]
    made = [f"{ec2}{kind}/*" for kind in _MADE]
    name = f"{prefix}?*" if not prefix else f"{prefix}*"
    asked = {"StringLike": {f"aws:RequestTag/{CLUSTER}": name}}
    own = {"StringLike": {f"aws:ResourceTag/{CLUSTER}": name}}
    create = {"StringEquals": {"ec2:CreateAction": list(_CREATE_ACTIONS)}}
    keep_whose = {"ForAllValues:StringNotEquals": {"aws:TagKeys": CLUSTER}}
    roles = [f"{iam}{kind}/toilctl-{prefix}*" for kind in ("role", "instance-profile")]
    passed = {"StringEquals": {"iam:PassedToService": list(_PASSED_TO)}}
    return _document(
        _statement("Look", [*_LOOK, *_LOOK_AT_WHAT_A_LAUNCH_NEEDS], "*"),
        _statement("FindImages", "ssm:GetParameter", f"arn:{partition}:ssm:{region}::parameter/aws/service/*"),
        _statement("LaunchWith", list(_LAUNCH), used),
        _statement("LaunchFromTemplates", list(_LAUNCH), f"{ec2}launch-template/*", own),
        _statement("LaunchNodes", list(_LAUNCH), made, asked),
        _statement("MakeTemplates", "ec2:CreateLaunchTemplate", f"{ec2}launch-template/*", asked),
        _statement("MakeGroups", "ec2:CreateSecurityGroup", f"{ec2}security-group/*", asked),
        _statement("MakeGroupsIn", "ec2:CreateSecurityGroup", f"{ec2}vpc/*"),
        _statement("TagWhatIsMade", "ec2:CreateTags", f"{ec2}*/*", {**asked, **create}),
        _statement("Retag", ["ec2:CreateTags", "ec2:DeleteTags"], f"{ec2}*/*", {**own, **keep_whose}),
        _statement("ChangeAndDelete", list(_CHANGE), f"{ec2}*/*", own),
        # A rule is only reached together with its group.
        _statement("ChangeRules", list(_RULES), f"{ec2}security-group-rule/*"),
        _statement("MakeRoles", list(_ROLES), roles),
        _statement("PassRoles", "iam:PassRole", roles[0], passed),
        _statement(
            "MakeSpotRole", "iam:CreateServiceLinkedRole", f"{iam}role/aws-service-role/{_SPOT}/*",
            {"StringEquals": {"iam:AWSServiceName": _SPOT}},
        ),
        *disk_keys(f"arn:{partition}:kms:{region}:*:key/*", region),
    )  # fmt: skip


def connect(prefix: str = "", region: str = "*", partition: str = "aws") -> Document:
    """Return the policy of who lists clusters and uses those that others launched; parameters as of ``launch``."""
    name = f"{prefix}?*" if not prefix else f"{prefix}*"
    ec2 = f"arn:{partition}:ec2:{region}:*:"
    groups = f"{ec2}security-group/*"
    own = {"StringLike": {f"aws:ResourceTag/{CLUSTER}": name}}
    return _document(
        _statement("Look", list(_LOOK), "*"),
        _statement("LetOwnAddressIn", _RULES[0], groups, own),
        _statement("MakeRules", _RULES[0], f"{ec2}security-group-rule/*"),
    )


def disk_keys(keys: str | list[str], region: str) -> list[Document]:
    """Return the statements by which EC2 may use keys of the account's own for disks of instances.

    :param keys: their ARNs.
    """
    through = {"StringLike": {"kms:ViaService": f"ec2.{region}.*"}}
    grant = {**through, "Bool": {"kms:GrantIsForAWSResource": "true"}}
    return [
        _statement("UseDiskKeys", [one for one in _DISK_KEYS if one != "kms:CreateGrant"], keys, through),
        _statement("GrantDiskKeys", "kms:CreateGrant", keys, grant),
    ]


def spot_disk_key_grant(key: str) -> str:
    """Return the command by which spot instances may have disks with a key of the account's own.

    "EC2 Spot Instance requests" in the EC2 user guide, under customer managed keys: the caller's rights are not enough.

    :param key: its ARN.
    """
    _, partition, _, region, account, _ = key.split(":", 5)
    role = f"arn:{partition}:iam::{account}:role/aws-service-role/{_SPOT}/AWSServiceRoleForEC2Spot"
    operations = " ".join(SPOT_DISK_KEY_OPERATIONS)
    return f"aws kms create-grant --region {region} --key-id {key} --grantee-principal {role} --operations {operations}"


def actions(document: Document) -> list[str]:
    """Return the actions that a policy names, each once, in its order."""
    named = (one for statement in document["Statement"] for one in listed(statement["Action"]))
    return list(dict.fromkeys(named))


def listed(value: str | list[str]) -> list[str]:
    """Return what a policy has as a word or as a list of words."""
    return [value] if isinstance(value, str) else list(value)


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _statement(sid: str, action: str | list[str], resource: str | list[str], condition: Document | None = None) -> Any:
    granted = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}
    return {**granted, "Condition": condition} if condition else granted
