"""An autoscaled cluster in an account without hosts, and how tests look at it."""

from __future__ import annotations

from typing import Any

from toilctl.local.process.testing import TestCloud

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ toilctl-autoscaler"
TYPES: dict[str, Any] = {
    "node_types": ["t2.micro", "r3.large/m5.large:0.6"],
    "worker_counts": [0, 0],
    "node_storage_gb": "20,60",
    "limits": ["t2.micro=0..3", "r3.large/m5.large:0.6=0..2"],
}


def instances(cloud: TestCloud, **tags: str) -> list[dict[str, Any]]:
    wanted = [{"Name": f"tag:toilctl:{name.replace('_', '-')}", "Values": [value]} for name, value in tags.items()]
    wanted.append({"Name": "instance-state-name", "Values": ["pending", "running"]})
    found = cloud.client("ec2").describe_instances(Filters=wanted)["Reservations"]
    return [instance for reservation in found for instance in reservation["Instances"]]


def settings(cloud: TestCloud) -> dict[str, str]:
    (group,) = cloud.client("ec2").describe_security_groups(GroupNames=["toilctl-my"])["SecurityGroups"]
    return {tag["Key"]: tag["Value"] for tag in group["Tags"]}


def tag(cloud: TestCloud, **tags: str) -> None:
    (group,) = cloud.client("ec2").describe_security_groups(GroupNames=["toilctl-my"])["SecurityGroups"]
    values = [{"Key": f"toilctl:{name.replace('_', '-')}", "Value": value} for name, value in tags.items()]
    cloud.client("ec2").create_tags(Resources=[group["GroupId"]], Tags=values)


def leader_of(cloud: TestCloud) -> str:
    (leader,) = instances(cloud, cluster="my", role="leader")
    return str(leader["InstanceId"])
