"""launch.yml, scale_out.yml and destroy.yml: exactly the nodes asked for, and nothing left of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from toilctl.local.process.testing import TestCloud

Play = Callable[..., Any]
Changed = Callable[[Any], int]


def instances(cloud: TestCloud, cluster: str = "my") -> list[dict[str, Any]]:
    wanted = [
        {"Name": "tag:toilctl:cluster", "Values": [cluster]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    found = cloud.client("ec2").describe_instances(Filters=wanted)["Reservations"]
    return [instance for reservation in found for instance in reservation["Instances"]]


def tags_of(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource["Tags"]}


def roles_of(cloud: TestCloud, cluster: str = "my") -> list[str]:
    return sorted(tags_of(instance)["toilctl:role"] for instance in instances(cloud, cluster))


def everything(cloud: TestCloud) -> dict[str, list[str]]:
    """Return what exists that could be a cluster's."""
    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    names = {
        "instances": [i["InstanceId"] for cluster in ("my", "my-cluster") for i in instances(cloud, cluster)],
        "volumes": [volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]],
        "templates": [t["LaunchTemplateName"] for t in ec2.describe_launch_templates()["LaunchTemplates"]],
        "groups": [g["GroupName"] for g in ec2.describe_security_groups()["SecurityGroups"]],
        "roles": [role["RoleName"] for role in iam.list_roles()["Roles"] if role["Path"] == "/"],
        "profiles": [p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]],
    }
    return {kind: sorted(found) for kind, found in names.items()}


def test_a_cluster_grows_to_exactly_what_is_asked_and_leaves_nothing_but_its_neighbour(
    cloud: TestCloud, play: Play, changed: Changed
) -> None:
    changed(play("launch.yml", cluster="my-cluster", worker_counts=[0]))
    neighbour = everything(cloud)

    spot = {"node_types": ["t2.micro", "r3.large/m5.large:0.6"], "worker_counts": [1, 1], "node_storage_gb": 60}
    assert changed(play("launch.yml", **spot)) > 0
    first = {instance["InstanceId"] for instance in instances(cloud)}
    assert roles_of(cloud) == ["leader", "worker", "worker"]
    check_hosts_are_as_the_design_says(cloud)
    assert changed(play("launch.yml", **spot)) == 0
    assert {instance["InstanceId"] for instance in instances(cloud)} == first

    # Whoever scales need not know how the cluster was launched.
    other = {"launches": [{"node_type": "t2.micro", "count": 2}], "engine": "mesos", "zones": [], "owner": "you"}
    changed(play("scale_out.yml", intent="out-1", **other))
    changed(play("scale_out.yml", intent="out-1", **other))
    # The leader's role is enough for the same on the leader, with a node type that has no template yet.
    leader = next(i["InstanceId"] for i in instances(cloud) if tags_of(i)["toilctl:role"] == "leader")
    third = {"launches": [{"node_type": "t2.small:0.5", "count": 1}]}
    assert changed(play("scale_out.yml", intent="out-2", leader=leader, **third)) > 0
    assert roles_of(cloud) == ["leader", *["worker"] * 5]
    new = [tags_of(i) for i in instances(cloud) if tags_of(i)["toilctl:intent"] == "out-1"]
    assert [(tags["toilctl:engine"], tags["Owner"]) for tags in new] == [("slurm", "me")] * 2

    assert changed(play("destroy.yml")) > 0
    assert everything(cloud) == neighbour
    assert changed(play("destroy.yml")) == 0


def check_hosts_are_as_the_design_says(cloud: TestCloud) -> None:
    worker = next(i for i in instances(cloud) if i.get("InstanceLifecycle") == "spot")
    assert worker["InstanceType"] == "m5.large"  # EC2 chooses among spot pools, by price, too.
    assert worker["MetadataOptions"]["HttpTokens"] == "required"
    assert worker["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert worker["IamInstanceProfile"]["Arn"].endswith("/toilctl-my-us-west-2-worker")
    assert [group["GroupName"] for group in worker["NetworkInterfaces"][0]["Groups"]] == ["toilctl-my"]
    assert tags_of(worker).items() >= {
        "Name": "my-worker", "Owner": "me", "toilctl:node-type": "r3.large/m5.large:0.6", "toilctl:intent": "launch",
        "toilctl:engine": "slurm", "toilctl:appliance": "example.org/toil:1", "toilctl:storage-gb": "60",
    }.items()  # fmt: skip
    ec2 = cloud.client("ec2")
    root = worker["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    (volume,) = ec2.describe_volumes(VolumeIds=[root])["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (60, "gp3", True)
    template = ec2.describe_launch_template_versions(
        LaunchTemplateName="toilctl-my-worker-r3_large_m5_large_0_6", Versions=["$Latest"]
    )["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert template["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert template["BlockDeviceMappings"][1] == {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}
    assert base64.b64decode(template["UserData"]).startswith(b"#cloud-config\n")


def test_a_scale_out_without_an_intent_is_refused(cloud: TestCloud, play: Play) -> None:
    result = play("scale_out.yml", launches=[{"node_type": "t2.micro", "count": 1}])
    assert result.returncode == 2
    assert "export TOILCTL_INTENT" in result.stdout


def test_a_type_that_cannot_be_had_keeps_no_other_from_being_launched(
    cloud: TestCloud, play: Play, changed: Changed
) -> None:
    cloud.faults.set("insufficient-capacity", instance_type="t3.micro")
    cloud.faults.set("insufficient-capacity", instance_type="t2.small", count=1)
    types = {"node_types": ["t3.micro", "t2.small", "t2.micro"], "worker_counts": [1, 2, 1]}
    result = play("launch.yml", **types)
    assert result.returncode == 2
    assert "1 of 1 worker nodes t3.micro could not be launched" in result.stdout
    assert "1 of 2 worker nodes t2.small could not be launched" in result.stdout
    assert sorted(i["InstanceType"] for i in instances(cloud)) == ["t2.micro", "t2.micro", "t2.small"]
    cloud.faults.clear("insufficient-capacity")
    changed(play("launch.yml", **types))
    assert len(instances(cloud)) == 5


def test_a_leader_that_cannot_be_had_ends_the_launch(cloud: TestCloud, play: Play) -> None:
    cloud.faults.set("insufficient-capacity", instance_type="t3.micro")
    result = play("launch.yml", leader_node_type="t3.micro")
    assert result.returncode == 2
    assert "InsufficientInstanceCapacity" in result.stdout
    assert instances(cloud) == []


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"key_pair_name": "nope"}, "knows no key pair"),
        ({"leader_storage_gb": 4}, "Give more with --leader-storage"),
        ({"leader_node_type": "m6g.large"}, "is for x86_64"),
        ({"leader_node_type": "not a type"}, "is not an instance type"),
    ],
)
def test_bad_input_is_named_and_launches_nothing(
    variables: dict[str, Any], text: str, cloud: TestCloud, play: Play
) -> None:
    result = play("launch.yml", **variables)
    assert result.returncode == 2
    assert text in " ".join(result.stdout.split())
    assert instances(cloud) == []


def test_a_launch_into_a_cluster_being_destroyed_is_refused(cloud: TestCloud, play: Play) -> None:
    values = {"toilctl:cluster": "my", "toilctl:generation": "0123abcd", "toilctl:state": "destroying"}
    tags = [{"Key": key, "Value": value} for key, value in values.items()]
    specification = [{"ResourceType": "security-group", "Tags": tags}]
    cloud.client("ec2").create_security_group(GroupName="toilctl-my", Description="my", TagSpecifications=specification)
    result = play("launch.yml")
    assert result.returncode == 2
    assert "is being destroyed" in result.stdout
    assert instances(cloud) == []


def test_an_ansible_that_is_not_supported_is_refused_before_anything_is_done(cloud: TestCloud, play: Play) -> None:
    before = everything(cloud)
    for name, range_ in (("supported_core", ("2.98", "2.99")), ("supported_amazon_aws", ("98", "99"))):
        result = play("launch.yml", **{name: dict(zip(("since", "before"), range_, strict=True))})
        said = " ".join((result.stdout + result.stderr).split())
        assert result.returncode != 0
        assert f"{range_[0]} or later, before {range_[1]}" in said
        assert "pip install 'ansible>=12,<15'" in said
    assert everything(cloud) == before
