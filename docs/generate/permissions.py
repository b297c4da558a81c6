"""The permissions in AWS of whoever launches, of leaders and of workers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jinja2
import yaml

from docs.generate.markdown import code, page, table
from toilctl.system import paths
from toilctl.values import policies

_HEAD: Final = ("statement", "actions", "resources", "condition")
_FACTS: Final = {
    "ec2_network_partition": "aws", "region": "REGION", "cluster_name": "CLUSTER",
    "ec2_network_profile_prefix": "toilctl-CLUSTER-REGION", "ec2_network_s3_resources": [],
    "ec2_network_s3_written": ["arn:aws:s3:::BUCKET/PREFIX/*"],
    "ec2_network_disk_statements": policies.disk_keys("KEY", "REGION"),
    "ec2_network_group": {
        "group_id": "GROUP", "vpc_id": "VPC", "tags": {"toilctl:ami": "AMI", "toilctl:key-pair-name": "KEY_PAIR"},
    },
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
        "own. Then spot instances need more: the role by which EC2 launches them has to be granted the key, once, or "
        "they end as they begin, with `Client.InternalError`:",
        f"```sh\n{policies.spot_disk_key_grant('arn:PARTITION:kms:REGION:ACCOUNT:key/KEY')}\n```",
        "`DescribeInstances` and its like know no conditions: who may launch sees what else runs in the account.",
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
        "Jobs read in S3 all that its owners let them. They write where Toil keeps job stores, and where `--s3-write` "
        "says: then there is `WriteNamedPlaces`. ARNs in the variable `ec2_network_s3_resources` ([](roles.md"
        "#ec2_network)) are those with which leader and workers may do everything. `UseDiskKeys` and `GrantDiskKeys` "
        "are there only where the account's default key for disks is one of your own.",
    )


def policy(name: str, **given: Any) -> dict[str, Any]:
    """Return a policy of role ec2_network, with words in capitals for what differs and is not ``given``."""
    role = paths.ansible_dir() / "roles/ec2_network"
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(role / "templates"), autoescape=False)  # noqa: S701
    environment.filters["to_json"] = json.dumps
    stores = yaml.safe_load((role / "vars/main.yml").read_text())["ec2_network_job_stores"]
    facts = {**_FACTS, "ec2_network_job_stores": stores, **given}
    found: dict[str, Any] = json.loads(environment.get_template(name).render(facts))
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
