"""The dynamic inventory: the cluster's nodes and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT
from toilctl.local.process.testing import TestCloud


@pytest.fixture
def nodes(cloud: TestCloud) -> dict[str, str]:
    """A leader, an old and a new worker of cluster my, and a worker of my-cluster: name → id."""
    ec2 = cloud.client("ec2")
    image = cloud.client("ssm").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]
    made = {}
    for name, cluster, role, intent in (
        ("leader", "my", "leader", "leader"),
        ("old", "my", "worker", "launch"),
        ("new", "my", "worker", "out-1"),
        ("other", "my-cluster", "worker", "out-1"),
    ):
        tags = {
            "toilctl:cluster": cluster, "toilctl:role": role, "toilctl:intent": intent, "toilctl:engine": "slurm",
            "toilctl:node-type": "t2.micro:0.02" if role == "worker" else "t2.micro", "toilctl:storage-gb": "50",
            "toilctl:appliance": "example.org/toil:1", "toilctl:login-user": "admin",
        }  # fmt: skip
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        specification = [{"ResourceType": "instance", "Tags": pairs}]
        answer = ec2.run_instances(
            ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1, TagSpecifications=specification
        )
        made[name] = answer["Instances"][0]["InstanceId"]
    ec2.describe_instances()
    return made


def inventory(cloud: TestCloud, tmp_path: Path, *arguments: str, **env: str) -> Any:
    usual = {"TOILCTL_CLUSTER": "my", "TOILCTL_REGION": "us-west-2", "XDG_STATE_HOME": str(tmp_path)}
    program = str(Path(sys.executable).with_name("ansible-inventory"))
    return subprocess.run(
        [program, "-i", "inventory", *arguments],
        cwd=ROOT, env={**os.environ, **cloud.env, **usual, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def groups(cloud: TestCloud, tmp_path: Path, **env: str) -> dict[str, set[str]]:
    result = inventory(cloud, tmp_path, "--list", "--export", **env)
    assert result.returncode == 0, result.stderr
    listed = json.loads(result.stdout)
    return {name: set(group["hosts"]) for name, group in listed.items() if "hosts" in group}


def test_a_cluster_is_its_nodes_in_groups(cloud: TestCloud, nodes: dict[str, str], tmp_path: Path) -> None:
    found = groups(cloud, tmp_path)
    workers = {nodes["old"], nodes["new"]}
    assert found == {
        "aws_ec2": workers | {nodes["leader"]}, "leader": {nodes["leader"]}, "worker": workers,
        "node_type_t2_micro": {nodes["leader"]}, "node_type_t2_micro_0_02": workers,
        "engine_slurm": workers | {nodes["leader"]},
    }  # fmt: skip


def test_an_intent_narrows_it_to_the_new_nodes_and_the_leader_in_one_call(
    cloud: TestCloud, nodes: dict[str, str], tmp_path: Path
) -> None:
    before = cloud.calls["ec2:DescribeInstances"]
    found = groups(cloud, tmp_path, TOILCTL_INTENT="out-1")
    assert (found["leader"], found["worker"]) == ({nodes["leader"]}, {nodes["new"]})
    assert cloud.calls["ec2:DescribeInstances"] == before + 1


def test_terminated_nodes_are_not_in_it(cloud: TestCloud, nodes: dict[str, str], tmp_path: Path) -> None:
    cloud.client("ec2").terminate_instances(InstanceIds=[nodes["old"]])
    assert groups(cloud, tmp_path)["worker"] == {nodes["new"]}


@pytest.mark.parametrize("address", ["public", "private"])
def test_a_host_says_how_it_is_reached_and_what_it_is(
    address: str, cloud: TestCloud, nodes: dict[str, str], tmp_path: Path
) -> None:
    program = str(Path(sys.executable).with_name("ansible"))
    shown = (
        "{{ [ansible_host, ansible_user, ansible_ssh_common_args, node_type, engine, appliance_image, instance_type,"
    )
    shown += " node_storage_gb, private_ip_address, public_ip_address] | to_json }}"
    env = {
        "TOILCTL_CLUSTER": "my", "TOILCTL_REGION": "us-west-2", "XDG_STATE_HOME": str(tmp_path),
        "TOILCTL_CONNECT_ADDRESS": address, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "json",
    }  # fmt: skip
    result = subprocess.run(
        [program, "-i", "inventory", nodes["new"], "-m", "ansible.builtin.debug", "-a", f"msg={shown}"],
        cwd=ROOT, env={**os.environ, **cloud.env, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    said = json.loads(result.stdout)["plays"][0]["tasks"][0]["hosts"][nodes["new"]]["msg"]
    said = json.loads(said) if isinstance(said, str) else said
    host, user, ssh, *facts, private_address, public_address = said
    assert host == (private_address if address == "private" else public_address or private_address)
    assert user == "admin"
    assert f"HostKeyAlias={nodes['new']}" in ssh
    assert f"{tmp_path}/toilctl/clusters/us-west-2/my/known_hosts" in ssh
    assert facts == ["t2.micro:0.02", "slurm", "example.org/toil:1", "t2.micro", 50]


@pytest.mark.parametrize("variable", ["TOILCTL_CLUSTER", "TOILCTL_REGION"])
def test_without_a_cluster_or_region_it_fails_and_says_what_to_set(
    variable: str, cloud: TestCloud, tmp_path: Path
) -> None:
    result = inventory(cloud, tmp_path, "--list", **{variable: ""})
    assert result.returncode != 0
    assert f"Set {variable}." in result.stderr


def taken(
    cloud: TestCloud, nodes: dict[str, str], tmp_path: Path, tag: str, variable: str, said: dict[str, str]
) -> dict[str, str]:
    """Return what the inventory makes of a tag's values; an empty one is no tag."""
    ec2 = cloud.client("ec2")
    for name, value in said.items():
        ec2.delete_tags(Resources=[nodes[name]], Tags=[{"Key": tag}])
        if value:
            ec2.create_tags(Resources=[nodes[name]], Tags=[{"Key": tag, "Value": value}])
    shown = inventory(cloud, tmp_path, "--list")
    assert shown.returncode == 0, shown.stderr
    listed = json.loads(shown.stdout)["_meta"]["hostvars"]
    values = {name: listed[nodes[name]][variable] for name in said}
    return {name: value["__ansible_unsafe"] if isinstance(value, dict) else value for name, value in values.items()}


def test_login_user_of_a_tag_that_would_be_an_option_is_not_taken(
    cloud: TestCloud, nodes: dict[str, str], tmp_path: Path
) -> None:
    said = {"leader": "-oProxyCommand=id", "old": "ec2-user", "new": ""}
    found = taken(cloud, nodes, tmp_path, "toilctl:login-user", "login_user", said)
    assert found == {"leader": "admin", "old": "ec2-user", "new": "admin"}


def test_engine_of_a_tag_that_would_be_a_role_or_file_of_this_machine_is_not_taken(
    cloud: TestCloud, nodes: dict[str, str], tmp_path: Path
) -> None:
    for other in ("/home/me/results/role", "../../results/role", "leader", "slurm\n", "{{ 'slurm' }}"):
        said = {"leader": "slurm", "old": other, "new": ""}
        found = taken(cloud, nodes, tmp_path, "toilctl:engine", "engine", said)
        assert found == {"leader": "slurm", "old": "mesos", "new": "mesos"}


def test_node_whose_tags_somebody_spoiled_costs_the_others_nothing(
    cloud: TestCloud, nodes: dict[str, str], tmp_path: Path
) -> None:
    ec2 = cloud.client("ec2")
    ec2.create_tags(Resources=[nodes["new"]], Tags=[{"Key": "toilctl:role", "Value": "master"}])
    lost = ("node-type", "engine", "login-user", "appliance", "storage-gb")
    ec2.delete_tags(Resources=[nodes["old"]], Tags=[{"Key": f"toilctl:{name}"} for name in lost])
    found = groups(cloud, tmp_path)
    assert (found["leader"], found["worker"]) == ({nodes["leader"]}, {nodes["old"]})
    assert found["node_type_t2_micro"] == {nodes["leader"], nodes["old"]}
