"""The permissions in AWS of whoever launches, of leaders and of workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import jinja2

from docs.generate.markdown import code, page, table
from toilctl.system import paths

LAUNCHER: Final = {
    "ec2": (
        "Describe*", "CreateFleet", "RunInstances", "TerminateInstances", "CreateTags", "CreateLaunchTemplate",
        "CreateLaunchTemplateVersion", "DeleteLaunchTemplate", "CreateSecurityGroup", "AuthorizeSecurityGroupIngress",
        "RevokeSecurityGroupIngress", "DeleteSecurityGroup", "DeleteTags", "DeleteVolume", "DeleteNetworkInterface",
        "CancelSpotInstanceRequests",
    ),
    "iam": (
        "GetRole", "ListRoles", "CreateRole", "TagRole", "DeleteRole", "GetRolePolicy", "PutRolePolicy",
        "ListRolePolicies", "DeleteRolePolicy", "ListAttachedRolePolicies", "DetachRolePolicy", "PassRole",
        "GetInstanceProfile", "CreateInstanceProfile", "TagInstanceProfile", "DeleteInstanceProfile",
        "AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile", "CreateServiceLinkedRole",
    ),
    "ssm": ("GetParameter",),
    "sts": ("GetCallerIdentity",),
    "servicequotas": ("GetServiceQuota",),
    "elasticfilesystem": ("DescribeMountTargets",),
}  # fmt: skip
"""Who launches, scales and destroys; a test holds it against the calls in the code."""
OPTIONAL: Final = {
    "servicequotas:GetServiceQuota": "Quotas are not checked before a launch.",
    "elasticfilesystem:DescribeMountTargets": "Whether `--shared efs:ID` works shows only at the mount on the nodes.",
}
_FACTS: Final = {
    "ec2_network_partition": "aws", "region": "REGION", "cluster_name": "CLUSTER",
    "ec2_network_profile_prefix": "toilctl-CLUSTER-REGION", "ec2_network_s3_resources": ["*"],
}  # fmt: skip


def text() -> str:
    """Return the page."""
    rows = ((code(service), ", ".join(map(code, actions))) for service, actions in LAUNCHER.items())
    may_lack = ((code(action), without) for action, without in OPTIONAL.items())
    return page(
        "Permissions",
        "## Who launches, scales and destroys",
        table(("service", "actions"), rows),
        "Some of these can be left out:",
        table(("action", "without it"), may_lack),
        "With `--aws-ec2-profile-arn`, of IAM only `PassRole` and `GetInstanceProfile` are needed.",
        "As a policy:",
        f"```json\n{json.dumps(_policy(), indent=2)}\n```",
        "## Who only connects",
        "EC2's `Describe*`, and `AuthorizeSecurityGroupIngress` from a new address.",
        "## The leader's role",
        "The autoscaler uses it. It acts on its own cluster alone, by tag.",
        table(("statement", "actions", "resources", "condition"), _statements("leader_policy.json.j2")),
        "## The workers' role",
        table(("statement", "actions", "resources", "condition"), _statements("worker_policy.json.j2")),
        "What jobs may reach in S3 is the variable `ec2_network_s3_resources`: [](roles.md#ec2_network).",
    )


def _policy() -> dict[str, Any]:
    actions = [f"{service}:{action}" for service, names in LAUNCHER.items() for action in names]
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}


def policy(name: str) -> dict[str, Any]:
    """Return a policy of role ec2_network, with words in capitals for what differs from cluster to cluster."""
    source = (paths.ansible_dir() / "roles/ec2_network/templates" / name).read_text()
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - JSON, not HTML
    environment.filters["to_json"] = json.dumps
    found: dict[str, Any] = json.loads(environment.from_string(source).render(_FACTS))
    return found


def _statements(name: str) -> Iterator[tuple[str, ...]]:
    for one in policy(name)["Statement"]:
        conditions = (
            f"{code(key)} {operator} {', '.join(map(code, listed(value)))}"
            for operator, wanted in one.get("Condition", {}).items()
            for key, value in wanted.items()
        )
        yield (
            code(one["Sid"]), ", ".join(map(code, listed(one["Action"]))),
            ", ".join(map(code, listed(one["Resource"]))), "; ".join(conditions),
        )  # fmt: skip


def listed(value: Any) -> list[str]:
    """Return what a policy has as a word or as a list of words."""
    return [value] if isinstance(value, str) else list(value)
