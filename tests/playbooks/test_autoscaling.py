"""Playbooks that launch and destroy an autoscaled cluster: its settings, and what is left of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.playbooks.autoscaled import KEY, TYPES, instances, leader_of, settings, tag
from toilctl.local.process.testing import TestCloud
from toilctl.system import variables
from toilctl.values.tuning import Tuning

Play = Callable[..., Any]
Changed = Callable[[Any], int]


def test_limits_are_kept_with_the_cluster_and_counts_are_what_it_begins_with(
    cloud: TestCloud, play: Play, changed: Changed
) -> None:
    changed(play("launch.yml", **{**TYPES, "worker_counts": [1, 0], "idle_timeout_s": 60}))
    has = settings(cloud)
    assert has["toilctl:limits"] == "t2.micro=0..3,r3.large/m5.large:0.6=0..2"
    assert Tuning.parse(has["toilctl:autoscaler"]) == Tuning.of({**variables.defaults(), "idle_timeout_s": 60})
    assert has["toilctl:autoscaler"] == str(Tuning.parse(has["toilctl:autoscaler"]))
    assert has["toilctl:default-preemptible"] == "no"
    assert has["toilctl:node-storage-gb"] == "t2.micro=20,r3.large/m5.large:0.6=60"
    assert has["toilctl:workers"] == "t2.micro=1,r3.large/m5.large:0.6=0"
    assert len(instances(cloud, role="worker")) == 1

    # By hand, without a word of limits: the autoscaler knows how many workers there are to be.
    tag(cloud, paused="yes", leader_public_key=KEY)
    has = settings(cloud)
    (worker,) = instances(cloud, role="worker")
    cloud.client("ec2").terminate_instances(InstanceIds=[worker["InstanceId"]])
    again = {**TYPES, "limits": [], "worker_counts": [2, 2], "default_preemptible": True}
    changed(play("launch.yml", **again))
    assert instances(cloud, role="worker") == []
    expected = {"toilctl:workers": "t2.micro=2,r3.large/m5.large:0.6=2", "toilctl:default-preemptible": "yes"}
    assert settings(cloud) == {**has, **expected}


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
