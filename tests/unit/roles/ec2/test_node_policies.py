"""What leader and workers may do, as the rehearsal cloud reads their policies, and what they may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jinja2
import pytest
from botocore.exceptions import ClientError

from tests.checkout import ROOT
from toilctl.local.process.testing import TestCloud

TEMPLATES = ROOT / "roles/ec2_network/templates"
Clients = Callable[[str, str], Any]


def policy(role: str, cluster: str) -> str:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=False)
    environment.filters["to_json"] = json.dumps
    return environment.get_template(f"{role}_policy.json.j2").render(
        cluster_name=cluster,
        region="us-west-2",
        ec2_network_partition="aws",
        ec2_network_profile_prefix=f"toilctl-{cluster}-us-west-2",
        ec2_network_s3_resources=["*"],
    )


@pytest.fixture
def acting(cloud: TestCloud) -> Clients:
    """Return a client that may do what a role of cluster my may."""
    iam = cloud.client("iam")

    def client(role: str, service: str) -> Any:
        name = f"{role}-{service}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(role, "my"))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client(service, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    return client


@pytest.fixture
def run(cloud: TestCloud) -> Callable[..., str]:
    """Run an instance with a cluster's tag, as anybody, and return its id."""
    image = cloud.client("ssm").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]

    def launch(cluster: str, client: Any = None, **options: Any) -> str:
        tags = [{"Key": "toilctl:cluster", "Value": cluster}]
        kinds = ("instance", "volume", "network-interface")
        answer = (client or cloud.client("ec2")).run_instances(
            ImageId=image,
            InstanceType="t2.micro",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in kinds],
            **options,
        )
        return str(answer["Instances"][0]["InstanceId"])

    return launch


@pytest.fixture
def template(ec2: Any) -> Callable[[str], str]:
    """Make a launch template with a cluster's tag, and return its id."""

    def make(cluster: str) -> str:
        tags = [{"Key": "toilctl:cluster", "Value": cluster}]
        made = ec2.create_launch_template(
            LaunchTemplateName=f"toilctl-{cluster}-worker", LaunchTemplateData={"KeyName": "k"},
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
        )  # fmt: skip
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    return make


def refused(call: Callable[..., Any], **params: Any) -> bool:
    """Return whether a call is forbidden; any other failure is raised."""
    try:
        call(**params)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException"):
            raise
        return True
    return False


def test_a_leader_ends_nodes_of_its_own_cluster_only(acting: Clients, run: Callable[..., str]) -> None:
    leader = acting("leader", "ec2")
    assert refused(leader.terminate_instances, InstanceIds=[run("my-cluster")])
    assert not refused(leader.terminate_instances, InstanceIds=[run("my")])


def test_a_leader_launches_into_its_own_cluster_only(acting: Clients, run: Callable[..., str]) -> None:
    leader = acting("leader", "ec2")
    assert not refused(run, cluster="my", client=leader)
    assert refused(run, cluster="my-cluster", client=leader)


def test_a_leader_gives_nodes_the_role_of_the_workers_and_no_other(
    cloud: TestCloud, acting: Clients, run: Callable[..., str]
) -> None:
    cloud.faults.set("profile-delay", seconds=0)
    iam, leader = cloud.client("iam"), acting("leader", "ec2")
    outcome = {}
    for role in ("leader", "worker"):
        name = f"toilctl-my-us-west-2-{role}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        outcome[role] = refused(run, cluster="my", client=leader, IamInstanceProfile={"Name": name})
    assert outcome == {"leader": True, "worker": False}


def test_a_leader_can_neither_adopt_what_runs_nor_change_who_gets_in(
    acting: Clients, run: Callable[..., str], template: Callable[[str], str], make_group: Callable[..., dict[str, Any]]
) -> None:
    leader, group = acting("leader", "ec2"), make_group()["group_id"]
    mine = [{"Key": "toilctl:cluster", "Value": "my"}]
    assert refused(leader.create_tags, Resources=[run("my-cluster")], Tags=mine)
    assert refused(leader.create_tags, Resources=[group], Tags=[{"Key": "toilctl:state", "Value": ""}])
    attempt = [{"Key": "toilctl:attempt", "Value": "1"}]
    templates = {cluster: template(cluster) for cluster in ("my", "my-cluster")}
    assert refused(leader.create_tags, Resources=[group], Tags=attempt)
    assert refused(leader.create_tags, Resources=[templates["my"]], Tags=[*mine, *attempt])
    assert refused(leader.create_tags, Resources=[templates["my-cluster"]], Tags=attempt)
    assert not refused(leader.create_tags, Resources=[templates["my"]], Tags=attempt)
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    assert refused(leader.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])


def test_workers_reach_s3_and_nothing_else(acting: Clients, run: Callable[..., str]) -> None:
    assert not refused(acting("worker", "s3").list_buckets)
    worker = acting("worker", "ec2")
    assert refused(worker.describe_instances)
    assert refused(worker.terminate_instances, InstanceIds=[run("my")])


def test_a_leader_reads_the_consoles_of_its_own_nodes_and_quotas(acting: Clients, run: Callable[..., str]) -> None:
    leader = acting("leader", "ec2")
    assert not refused(leader.get_console_output, InstanceId=run("my"))
    assert refused(leader.get_console_output, InstanceId=run("my-cluster"))
    quota = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
    assert not refused(acting("leader", "service-quotas").get_service_quota, **quota)
    assert refused(acting("worker", "service-quotas").get_service_quota, **quota)


def test_a_leader_changes_none_of_its_users_settings(
    acting: Clients, make_group: Callable[..., dict[str, Any]]
) -> None:
    leader, group = acting("leader", "ec2"), make_group()["group_id"]
    for key in ("toilctl:limits", "toilctl:paused", "toilctl:leader-public-key", "toilctl:node-types", "Owner"):
        assert refused(leader.create_tags, Resources=[group], Tags=[{"Key": key, "Value": "x"}]), key
