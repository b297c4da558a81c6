"""Which permissions a request needs: pairs of action and resource, with the condition keys of each.

After "Actions, resources, and condition keys for Amazon EC2" (and IAM, S3, SSM) in the service authorization
reference. EC2 resources are recognised by the form of their ids; what a request creates is ``type/*``, and tagging it
in the same request takes ec2:CreateTags with the condition key ec2:CreateAction. RunInstances is apart, in
``launching``: its resources are known once the launch template is merged in. CreateFleet needs ec2:CreateFleet on the
fleet and the template; the launch itself is authorised as the caller's RunInstances.

Here is only what is needed. ``cloud.Cloud.authorise`` refuses who lacks it; ``ec2.actions`` calls it for launches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from toilctl.local.aws.iam import s3_permissions
from toilctl.local.aws.iam.policies import Context
from toilctl.local.aws.requests.call import Call

Tags = Mapping[str, str]


class ExistingResources(Protocol):
    """What exists in a region."""

    def tags(self, resource_id: str) -> Tags:
        """Return the tags of an EC2 resource."""
        ...

    def template_id(self, name: str) -> str | None:
        """Return the id of a launch template."""
        ...

    def vpc_id(self, resource_id: str = "") -> str | None:
        """Return the VPC of a subnet or a security group; without an id, the default one."""
        ...


_TYPES: Final = {
    "i": "instance", "sg": "security-group", "sgr": "security-group-rule", "subnet": "subnet", "vol": "volume",
    "lt": "launch-template", "eni": "network-interface", "fleet": "fleet", "vpc": "vpc", "key": "key-pair",
    "ami": "image", "snap": "snapshot", "sir": "spot-instances-request",
}  # fmt: skip
_CREATED: Final = {
    "CreateSecurityGroup": "security-group", "CreateLaunchTemplate": "launch-template", "CreateFleet": "fleet",
    "CreateVolume": "volume", "CreateKeyPair": "key-pair", "ImportKeyPair": "key-pair", "CreateSubnet": "subnet",
}  # fmt: skip
_ID: Final = re.compile(r"(?P<prefix>[a-z]+)-[0-9a-f-]{8,36}")
_TAG_SPECIFICATION: Final = re.compile(r"TagSpecification\.(\d+)\.ResourceType")
_PUBLIC: Final = ("image", "snapshot")
"""Resource types whose ARNs name no account."""


@dataclass(frozen=True)
class Permission:
    """One thing that must be allowed."""

    action: str
    resource: str
    context: Context


def needed(call: Call, account_id: str, existing: ExistingResources) -> list[Permission]:
    """Return what a call needs; RunInstances needs more once its launch is resolved."""
    if call.name == "sts:GetCallerIdentity":
        return []
    if call.service == "ec2":
        return [] if call.action == "RunInstances" else list(_ec2(call, account_id, existing))
    context = {"aws:requestedregion": call.region, "aws:sourceip": call.source}
    if call.service == "iam":
        return list(_iam(call, account_id, context))
    if call.service == "s3":
        return [Permission(action, arn, context) for action, arn in s3_permissions.needed(call, account_id)]
    return [Permission(call.name, resource, context) for resource in _others(call, account_id)]


def ec2_arn(region: str, account_id: str, kind: str, resource_id: str) -> str:
    """Return the ARN of an EC2 resource; an id of ``*`` stands for one that is about to be created."""
    owner = "" if kind in _PUBLIC else account_id
    return f"arn:aws:ec2:{region}:{owner}:{kind}/{resource_id}"


def ec2_context(region: str, source: str, resource_tags: Tags, request_tags: Tags) -> dict[str, Any]:
    """Return the condition keys that every EC2 action has."""
    context: dict[str, Any] = {"aws:requestedregion": region, "ec2:region": region, "aws:sourceip": source}
    for key, value in resource_tags.items():
        context[f"aws:resourcetag/{key}".lower()] = context[f"ec2:resourcetag/{key}".lower()] = value
    for key, value in request_tags.items():
        context[f"aws:requesttag/{key}".lower()] = value
    if request_tags:
        context["aws:tagkeys"] = list(request_tags)
    return context


def vpc_context(region: str, account_id: str, resource_id: str, existing: ExistingResources) -> dict[str, str]:
    """Return the condition key that says in which VPC a subnet or a security group is."""
    vpc = existing.vpc_id(resource_id)
    return {"ec2:vpc": ec2_arn(region, account_id, "vpc", vpc)} if vpc else {}


def tagging(region: str, source: str, arn: str, tags: Tags, create_action: str) -> Permission:
    """Return the permission to tag what ``create_action`` creates."""
    context = ec2_context(region, source, {}, tags) | {"ec2:createaction": create_action}
    return Permission("ec2:CreateTags", arn, context)


def flat_tags(params: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Read ``PREFIX.1.Key``, ``PREFIX.1.Value``, … of a flat EC2 request."""
    key = re.compile(rf"{re.escape(prefix)}\.(\d+)\.Key")
    numbers = [match[1] for name in params if (match := key.fullmatch(name))]
    return {params[f"{prefix}.{n}.Key"]: params.get(f"{prefix}.{n}.Value", "") for n in numbers}


def _ec2(call: Call, account_id: str, existing: ExistingResources) -> Iterator[Permission]:
    if call.action.startswith("Describe"):
        yield Permission(call.name, "*", ec2_context(call.region, call.source, {}, {}))
        return
    created = _CREATED.get(call.action)
    if created:
        tags = _requested_tags(call).get(created, {})
        arn = ec2_arn(call.region, account_id, created, "*")
        yield Permission(call.name, arn, ec2_context(call.region, call.source, {}, tags))
        if call.action == "CreateSecurityGroup" and "VpcId" not in call.params and (vpc := existing.vpc_id()):
            context = ec2_context(call.region, call.source, existing.tags(vpc), {})
            yield Permission(call.name, ec2_arn(call.region, account_id, "vpc", vpc), context)
        if tags:
            yield tagging(call.region, call.source, arn, tags, call.action)
    # CreateTags puts its tags in "Tag"; so does DeleteTags, with keys alone.
    tags = flat_tags(call.params, "Tag")
    found = False
    for resource_id in dict.fromkeys(_named_resources(call, existing)):
        kind = _TYPES[resource_id.partition("-")[0]]
        context = ec2_context(call.region, call.source, existing.tags(resource_id), tags)
        context |= vpc_context(call.region, account_id, resource_id, existing)
        yield Permission(call.name, ec2_arn(call.region, account_id, kind, resource_id), context)
        found = True
    if not created and not found:
        yield Permission(call.name, "*", ec2_context(call.region, call.source, {}, tags))


def _requested_tags(call: Call) -> dict[str, dict[str, str]]:
    numbers = [match[1] for name in call.params if (match := _TAG_SPECIFICATION.fullmatch(name))]
    return {
        call.params[f"TagSpecification.{n}.ResourceType"]: flat_tags(call.params, f"TagSpecification.{n}.Tag")
        for n in numbers
    }


def _named_resources(call: Call, existing: ExistingResources) -> Iterator[str]:
    for name, value in call.params.items():
        # The content of a template is not used by the request that stores it; a fleet's by its launch, later.
        if name.startswith(("LaunchTemplateData.", "Filter.", "Tag.", "TagSpecification.")) or ".Overrides." in name:
            continue
        if name.endswith("LaunchTemplateName") and (template_id := existing.template_id(value)):
            yield template_id
        if "GroupId" in name and call.action.startswith(("Authorize", "Revoke")) and name != "GroupId":
            continue
        match = _ID.fullmatch(str(value))
        if match and match["prefix"] in _TYPES:
            yield value


def _others(call: Call, account_id: str) -> list[str]:
    if call.service == "sts":
        return [str(call.params.get("RoleArn", "*"))]
    return _ssm(call, account_id) if call.service == "ssm" else ["*"]


def _ssm(call: Call, account_id: str) -> list[str]:
    names = [call.params[key] for key in ("Name", "Path") if key in call.params] + list(call.params.get("Names", []))
    if not names:
        return ["*"]
    return [
        f"arn:aws:ssm:{call.region}:{'' if name.startswith('/aws/') else account_id}:parameter/{name.lstrip('/')}"
        for name in map(str, names)
    ]


_IAM_NAMES: Final = {
    "RoleName": "role", "UserName": "user", "InstanceProfileName": "instance-profile", "GroupName": "group",
}  # fmt: skip


_TAGGING: Final = {
    "CreateRole": "iam:TagRole", "CreateInstanceProfile": "iam:TagInstanceProfile", "CreateUser": "iam:TagUser",
    "CreatePolicy": "iam:TagPolicy",
}  # fmt: skip


def _iam(call: Call, account_id: str, context: dict[str, Any]) -> Iterator[Permission]:
    prefix = f"arn:aws:iam::{account_id}:"
    path = str(call.params.get("Path", "/"))
    names = [(kind, call.params[key]) for key, kind in _IAM_NAMES.items() if key in call.params]
    if call.action == "AddRoleToInstanceProfile":
        role = call.params.get("RoleName", "*")
        passing = context | {"iam:passedtoservice": "ec2.amazonaws.com"}
        yield Permission("iam:PassRole", f"{prefix}role/{role}", passing)
        names = [("instance-profile", call.params.get("InstanceProfileName", "*"))]
    if "PolicyArn" in call.params:
        context = context | {"iam:policyarn": call.params["PolicyArn"]}
    if call.action == "CreateServiceLinkedRole":
        service = call.params.get("AWSServiceName", "*")
        names, path = [("role", "*")], f"/aws-service-role/{service}/"
        context = context | {"iam:awsservicename": service}
    resources = [f"{prefix}{kind}{path}{name}" for kind, name in names] or [call.params.get("PolicyArn", "*")]
    tags = flat_tags(call.params, "Tags.member")
    if tags:
        context = context | {f"aws:requesttag/{key}".lower(): value for key, value in tags.items()}
        context["aws:tagkeys"] = list(tags)
    for resource in resources:
        yield Permission(call.name, resource, context)
        if tags and call.action in _TAGGING:
            # What is made with tags is tagged, too ("Tagging IAM resources").
            yield Permission(_TAGGING[call.action], resource, context)
