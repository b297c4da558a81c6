"""The permissions in AWS of whoever launches, of leaders and of workers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jinja2

from docs.generate.markdown import code, page, table
from toilctl.system import paths
from toilctl.values import policies

_HEAD: Final = ("statement", "actions", "resources", "condition")
_FACTS: Final = {
    "ec2_network_partition": "aws", "region": "REGION", "cluster_name": "CLUSTER",
    "ec2_network_profile_prefix": "toilctl-CLUSTER-REGION", "ec2_network_s3_resources": ["*"],
}  # fmt: skip


def text() -> str:
    """Return the page."""
    launch, connect = policies.launch(), policies.connect()
    may_lack = ((code(action), without) for action, without in policies.OPTIONAL.items())
    return page(
        "Permissions",
        "## Who launches, scales and destroys",
        "`toilctl policy launch` prints this policy; `--cluster-prefix` and `--region` narrow it. It fits a managed "
        "policy of IAM. Clusters and what they are made of are told apart by the tag `toilctl:cluster`, roles and "
        "profiles by their names.",
        table(_HEAD, _statements(launch)),
        "Some of these can be left out:",
        table(("action", "without it"), may_lack),
        "`UseDiskKeys` and `GrantDiskKeys` are needed only where the account's default key for disks is one of your "
        "own. `DescribeInstances` and its like know no conditions: who may launch sees what else runs in the account.",
        "Who may make roles can give them rights that he has not himself. Where that must not be, make the two roles "
        "once, name their profile with `--aws-ec2-profile-arn`, and leave out `MakeRoles` and `PassRoles`: then "
        "`iam:GetInstanceProfile` on that profile and `iam:PassRole` on its role are enough.",
        "As a document:",
        f"```json\n{json.dumps(launch, indent=2)}\n```",
        "## Who only connects",
        "`toilctl policy connect` prints it. It is enough for `list-clusters`, `describe-cluster`, `ssh-cluster`, "
        "`rsync-cluster`, `deploy`, `run` and its kin, job stores and `explain`; `deploy --match-appliance`, "
        "`scale-cluster` and `autoscale` with changes need the other one.",
        table(_HEAD, _statements(connect)),
        "As a document:",
        f"```json\n{json.dumps(connect, indent=2)}\n```",
        "## The leader's role",
        "The autoscaler uses it. It acts on its own cluster alone, by tag.",
        table(_HEAD, _statements(policy("leader_policy.json.j2"))),
        "## The workers' role",
        table(_HEAD, _statements(policy("worker_policy.json.j2"))),
        "What jobs may reach in S3 is the variable `ec2_network_s3_resources`: [](roles.md#ec2_network).",
    )


def policy(name: str) -> dict[str, Any]:
    """Return a policy of role ec2_network, with words in capitals for what differs from cluster to cluster."""
    source = (paths.ansible_dir() / "roles/ec2_network/templates" / name).read_text()
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - JSON, not HTML
    environment.filters["to_json"] = json.dumps
    found: dict[str, Any] = json.loads(environment.from_string(source).render(_FACTS))
    return found


def _statements(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for one in document["Statement"]:
        conditions = (
            f"{code(key)} {operator} {', '.join(map(code, policies.listed(value)))}"
            for operator, wanted in one.get("Condition", {}).items()
            for key, value in wanted.items()
        )
        yield (
            code(one["Sid"]), ", ".join(map(code, policies.listed(one["Action"]))),
            ", ".join(map(code, policies.listed(one["Resource"]))), "; ".join(conditions),
        )  # fmt: skip
