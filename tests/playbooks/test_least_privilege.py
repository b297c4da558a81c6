"""Playbooks as a user with exactly the policy that toilctl prints, and as a leader with exactly its role."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.playbooks.autoscaled import TYPES, leader_of
from tests.playbooks.autoscaled import instances as live
from toilctl.local.process.testing import TestCloud
from toilctl.system import aws, price_list, quotas
from toilctl.values import policies

Play = Callable[..., Any]
Changed = Callable[[Any], int]
ROLE = "toilctl-my-us-west-2-leader"
OF_JOBS = {"ReadS3", "MakeJobStores", "WriteJobStores"}
NOT_ASKED = {("LaunchInto", "ec2:CreateFleet"), ("LaunchIntoOwnNetwork", "ec2:CreateFleet")}
"""EC2 may ask for these, too; the rehearsal cloud asks for RunInstances alone where a fleet launches."""


def test_a_user_with_the_policy_and_a_leader_with_its_role_do_all_that_a_cluster_needs(
    cloud: TestCloud, play: Play, changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = cloud.user("me", policies.launch("my", "us-west-2"))
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    several = {**TYPES, "zones": ["us-west-2a", "us-west-2b"], "worker_counts": [1, 1], "s3_write": ["results/sorted"]}
    changed(play("launch.yml", user=user, **several))
    assert len(live(cloud, cluster="my")) == 3
    leader = leader_of(cloud)
    # As if the cluster had been launched without bids.
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    larger = [{"node_type": "t2.small:0.5", "count": 1}, {"node_type": "t2.small:0.5", "count": 2, "storage_gb": 70}]
    changed(play("scale_out.yml", intent="auto-1", leader=leader, launches=larger))
    (one, *_) = live(cloud, role="worker")
    observe_as(leader, one["InstanceId"], cloud, monkeypatch)
    document = cloud.client("iam").get_role_policy(RoleName=ROLE, PolicyName="toilctl")["PolicyDocument"]
    written = next(one for one in document["Statement"] if one["Sid"] == "WriteNamedPlaces")
    assert written["Resource"] == ["arn:aws:s3:::results/sorted/*"]
    granted = {
        (one["Sid"], action)
        for one in document["Statement"]
        for action in policies.listed(one["Action"])
        if one["Sid"] not in OF_JOBS | {"WriteNamedPlaces"}
    }
    assert granted - cloud.allowed(ROLE) == NOT_ASKED
    changed(play("destroy.yml", user=user))
    assert live(cloud, cluster="my") == []


def test_a_user_who_may_make_no_roles_launches_and_destroys_with_a_profile_of_others(
    cloud: TestCloud, play: Play, changed: Changed
) -> None:
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="theirs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    profile = iam.create_instance_profile(InstanceProfileName="theirs")["InstanceProfile"]["Arn"]
    iam.add_role_to_instance_profile(InstanceProfileName="theirs", RoleName="theirs")
    kept = [one for one in policies.launch("my")["Statement"] if one["Sid"] not in ("MakeRoles", "PassRoles")]
    kept.append({"Sid": "PassTheirs", "Effect": "Allow", "Action": "iam:PassRole", "Resource": role})
    user = cloud.user("me", {"Version": "2012-10-17", "Statement": kept})
    changed(play("launch.yml", user=user, aws_ec2_profile_arn=profile, worker_counts=[0]))
    assert len(live(cloud, cluster="my")) == 1
    assert changed(play("destroy.yml", user=user)) > 0
    assert changed(play("destroy.yml", user=user)) == 0
    groups = cloud.client("ec2").describe_security_groups()["SecurityGroups"]
    assert [group["GroupName"] for group in groups if group["GroupName"].startswith("toilctl-")] == []


def observe_as(leader: str, worker: str, cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask what the autoscaler asks beside its playbooks, and end a node as scale_in.yml does."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    given = {**cloud.env, "AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.metadata(leader)}
    for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
                 "AWS_EC2_METADATA_SERVICE_ENDPOINT"):  # fmt: skip
        monkeypatch.setenv(name, given[name])
    price_list.on_demand("us-west-2", "t2.micro")
    price_list.spot("us-west-2", ["m5.large"], datetime.now(UTC))
    assert quotas.vcpus("us-west-2", spot=False)
    list(aws.pages("ec2", "us-west-2", "describe_spot_instance_requests", "SpotInstanceRequests"))
    ec2 = aws.client("ec2", "us-west-2")
    ec2.get_console_output(InstanceId=worker)
    ec2.terminate_instances(InstanceIds=[worker])
