"""Playbooks on an autoscaled cluster: its settings, what the leader launches, and what is left of it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from toilctl import variables
from toilctl.autoscaler.policy import Tuning
from toilctl.autoscaler.settings import Settings
from toilctl.local.testing import TestCloud

ROOT = Path(__file__).parents[2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ toilctl-autoscaler"
TYPES: dict[str, Any] = {
    "node_types": ["t2.micro", "r3.large/m5.large:0.6"],
    "worker_counts": [0, 0],
    "node_storage_gb": "20,60",
    "limits": ["t2.micro=0..3", "r3.large/m5.large:0.6=0..2"],
}

Play = Callable[..., Any]
Changed = Callable[[Any], int]


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


def test_limits_are_kept_with_the_cluster_and_counts_are_what_it_begins_with(
    cloud: TestCloud, play: Play, changed: Changed
) -> None:
    changed(play("launch.yml", **{**TYPES, "worker_counts": [1, 0], "idle_timeout_s": 60}))
    has = settings(cloud)
    assert has["toilctl:limits"] == "t2.micro=0..3,r3.large/m5.large:0.6=0..2"
    assert Tuning.parse(has["toilctl:autoscaler"]) == Tuning.of({**variables.defaults(), "idle_timeout_s": 60})
    assert has["toilctl:autoscaler"] == str(Tuning.parse(has["toilctl:autoscaler"]))
    assert (has["toilctl:default-preemptible"], has["toilctl:node-storage-gb"]) == ("no", "20,60")
    assert len(instances(cloud, role="worker")) == 1

    # By hand, without a word of limits: the autoscaler knows how many workers there are to be.
    tag(cloud, paused="yes", leader_public_key=KEY)
    has = settings(cloud)
    (worker,) = instances(cloud, role="worker")
    cloud.client("ec2").terminate_instances(InstanceIds=[worker["InstanceId"]])
    again = {**TYPES, "limits": [], "worker_counts": [2, 2], "default_preemptible": True}
    changed(play("launch.yml", **again))
    assert instances(cloud, role="worker") == []
    expected = {"toilctl:workers": "2,2", "toilctl:default-preemptible": "yes"}
    assert settings(cloud) == {**has, **expected}


def test_the_leader_launches_what_it_may_where_it_may_and_can_open_it(
    cloud: TestCloud, play: Play, changed: Changed
) -> None:
    changed(play("launch.yml", **TYPES))
    tag(cloud, leader_public_key=KEY, zones="us-west-2a,us-west-2b")
    leader = leader_of(cloud)
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", zone="us-west-2a")
    launches = [
        {"node_type": "t2.micro", "count": 2, "without": [{"instance_type": "t2.micro", "zone": "us-west-2a"}]},
        {
            "node_type": "r3.large/m5.large:0.6", "count": 1,
            "without": [{"instance_type": "r3.large", "zone": zone} for zone in ("us-west-2a", "us-west-2b")],
        },
    ]  # fmt: skip
    before = cloud.calls["ec2:DescribeInstanceTypes"]
    changed(play("scale_out.yml", intent="auto-1", leader=leader, launches=launches))
    assert cloud.calls["ec2:DescribeInstanceTypes"] == before + 1
    workers = instances(cloud, intent="auto-1")
    assert (
        sorted((one["InstanceType"], one["Placement"]["AvailabilityZone"]) for one in workers)[1:]
        == [("t2.micro", "us-west-2b")] * 2
    )
    assert {one["InstanceType"] for one in workers} == {"m5.large", "t2.micro"}
    assert [volume_gb(cloud, one) for one in sorted(workers, key=lambda one: str(one["InstanceType"]))] == [60, 20, 20]
    for worker in workers:
        assert yaml.safe_load(user_data(cloud, worker))["ssh_authorized_keys"] == [KEY]
    # Configured again after a crash, without a launch.
    assert changed(play("scale_out.yml", intent="auto-1", leader=leader, launches=[])) == 0
    assert len(instances(cloud, intent="auto-1")) == 3


def volume_gb(cloud: TestCloud, instance: dict[str, Any]) -> int:
    root = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    return int(cloud.client("ec2").describe_volumes(VolumeIds=[root])["Volumes"][0]["Size"])


def user_data(cloud: TestCloud, instance: dict[str, Any]) -> str:
    asked = {"InstanceId": instance["InstanceId"], "Attribute": "userData"}
    answer = cloud.client("ec2").describe_instance_attribute(**asked)
    return base64.b64decode(answer["UserData"]["Value"]).decode()


def test_launches_that_say_nothing_sensible_are_refused(cloud: TestCloud, play: Play, changed: Changed) -> None:
    changed(play("launch.yml", **TYPES))
    wrong = [{"node_type": "t2.micro", "count": 1, "without": [{"instance_type": "t2.micro"}]}]
    result = play("scale_out.yml", intent="out-1", launches=wrong)
    assert result.returncode == 2
    assert "missing required arguments: zone" in result.stdout
    assert instances(cloud, role="worker") == []


def test_an_offering_that_is_set_aside_is_missing_and_the_other_launch_goes_on(
    cloud: TestCloud, play: Play, changed: Changed
) -> None:
    changed(play("launch.yml", **TYPES))
    launches = [
        {"node_type": "t2.micro", "count": 2, "without": [{"instance_type": "t2.micro", "zone": "us-west-2a"}]},
        {"node_type": "t2.small", "count": 1},
    ]
    result = play("scale_out.yml", intent="auto-1", leader=leader_of(cloud), launches=launches)
    assert result.returncode == 2
    assert "2 of 2 worker nodes t2.micro could not be launched: SetAside in us-west-2a" in result.stdout
    assert [one["InstanceType"] for one in instances(cloud, role="worker")] == ["t2.small"]


def test_the_leader_is_told_everything_that_the_tags_say(
    cloud: TestCloud, play: Play, changed: Changed, tmp_path: Path
) -> None:
    changed(play("launch.yml", **{**TYPES, "target_time_s": 60}))
    tag(cloud, paused="yes", default_preemptible="yes")
    roles = ROOT / "roles/leader"
    names = {"cluster.yml": tmp_path / "cluster.yml", "default.yaml": tmp_path / "default.yaml"}
    tasks: list[dict[str, Any]] = [{"ansible.builtin.include_vars": str(roles / "defaults/main.yml")}]
    for name, dest in names.items():
        content = f"{{{{ lookup('ansible.builtin.template', '{roles}/templates/{name}.j2') }}}}"
        tasks.append({"ansible.builtin.copy": {"content": content, "dest": str(dest)}, "delegate_to": "localhost"})
    # By hand, from anywhere: nothing of it is said again.
    nothing: dict[str, Any] = {"node_types": [], "worker_counts": [], "zones": []}
    changed(play("autoscale.yml", on_leader=tasks, ssh_cidrs=["192.0.2.1/32"], **nothing))
    written = yaml.safe_load(names["cluster.yml"].read_text())
    found = Settings.of(written)
    assert [str(one) for one in found.policy.limits] == TYPES["limits"]
    assert found.policy.tuning == Tuning.of({**variables.defaults(), "target_time_s": 60})
    assert (found.policy.paused, found.policy.zones) == (True, ("us-west-2a",))
    assert {str(one): gb for one, gb in found.storage_gb.items()} == {"t2.micro": 20, "r3.large/m5.large:0.6": 60}
    assert found.metrics_port == variables.defaults()["metrics_port"]
    assert written["leader_address"] == instances(cloud, role="leader")[0]["PrivateIpAddress"]
    toil = yaml.safe_load(names["default.yaml"].read_text())
    # A t2.micro has 1 GiB, and there is none yet.
    assert toil["defaultPreemptible"] is True
    assert 300 < int(toil["defaultMemory"].removesuffix("Mi")) < 1024


def test_ended_workers_leave_known_hosts_and_another_node_at_their_address_is_no_stranger(
    cloud: TestCloud, play: Play, changed: Changed, tmp_path: Path
) -> None:
    changed(play("launch.yml", worker_counts=[2]))
    gone, stays = sorted(one["InstanceId"] for one in instances(cloud, role="worker"))
    known_hosts = tmp_path / "state/toilctl/clusters/us-west-2/my/known_hosts"
    kept = f"{stays} ssh-ed25519 AAAAstays\n{gone}0 ssh-ed25519 AAAAother\n"
    known_hosts.write_text(f"{gone} ssh-ed25519 AAAAgone\n{kept}{gone} ecdsa-sha2-nistp256 AAAAgone\n")
    result = {"drained": [gone], "still_running": {}}
    drained = [{"ansible.builtin.set_fact": {"drain_result": result}}]
    ended = play("scale_in.yml", on_leader=drained, instance_ids=[gone], ssh_cidrs=["192.0.2.1/32"])
    assert ended.returncode == 0, ended.stdout
    assert known_hosts.read_text() == kept
    assert [one["InstanceId"] for one in instances(cloud, role="worker")] == [stays]


@pytest.mark.parametrize("action", ["ec2:DescribeSecurityGroups", "ec2:CreateFleet"])
def test_a_destruction_while_the_leader_launches_leaves_nothing(
    action: str, cloud: TestCloud, play: Play, changed: Changed
) -> None:
    changed(play("launch.yml", **TYPES))
    before = cloud.calls[action]
    leader = leader_of(cloud)
    launches = [{"node_type": kind, "count": 2} for kind in ("t2.micro", "t3.micro", "m5.large:0.3")]
    with ThreadPoolExecutor(1) as pool:
        scale_out = pool.submit(play, "scale_out.yml", intent="auto-1", leader=leader, launches=launches)
        while cloud.calls[action] == before and not scale_out.done():
            time.sleep(0.05)
        assert not scale_out.done()
        destroyed = play("destroy.yml")
        scaled = scale_out.result()
    changed(destroyed if destroyed.returncode == 0 else play("destroy.yml"))
    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    left = {
        "instances": [one["InstanceId"] for one in instances(cloud, cluster="my")],
        "templates": [one["LaunchTemplateName"] for one in ec2.describe_launch_templates()["LaunchTemplates"]],
        "volumes": [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]],
        "groups": [
            g["GroupName"] for g in ec2.describe_security_groups()["SecurityGroups"] if "toilctl" in g["GroupName"]
        ],
        "profiles": [one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]],
    }
    assert left == {kind: [] for kind in left}, json.dumps(left) + scaled.stdout
