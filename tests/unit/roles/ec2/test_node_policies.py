"""What leader and workers may do, as the rehearsal cloud reads their policies, and what they may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from docs.generate import permissions
from toilctl.local.aws.iam.policies import Decision, decide
from toilctl.local.process.testing import TestCloud
from toilctl.values import tags
from toilctl.values.policies import disk_keys

Clients = Callable[..., Any]


def policy(role: str, cluster: str, group: dict[str, Any], **given: Any) -> str:
    """Return the policy that role ec2_network gives to a role of a cluster with this security group."""
    document = permissions.policy(
        f"{role}_policy.json.j2",
        cluster_name=cluster,
        region="us-west-2",
        ec2_network_profile_prefix=f"toilctl-{cluster}-us-west-2",
        ec2_network_group=group,
        **{"ec2_network_s3_written": [], "ec2_network_disk_statements": [], **given},
    )
    return json.dumps(document)


@pytest.fixture
def group(make_group: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The security group of cluster my, with what policies take from it."""
    return make_group(tags={"toilctl:key-pair-name": "k"})


@pytest.fixture
def acting(cloud: TestCloud, group: dict[str, Any]) -> Clients:
    """Return a client that may do what a role of cluster my may."""
    cloud.client("ec2").create_key_pair(KeyName="k")

    def client(role: str, service: str, **given: Any) -> Any:
        keys = cloud.user(f"{role}-{service}", json.loads(policy(role, "my", group, **given)))
        return cloud.client(service, **keys)

    return client


@pytest.fixture
def run(cloud: TestCloud, group: dict[str, Any]) -> Callable[..., str]:
    """Run an instance with a cluster's tag, as anybody, and return its id."""
    image = cloud.client("ssm").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]

    def launch(cluster: str, client: Any = None, **options: Any) -> str:
        tags = [{"Key": "toilctl:cluster", "Value": cluster}]
        kinds = ("instance", "volume", "network-interface")
        usual = {
            "ImageId": image, "InstanceType": "t2.micro", "MinCount": 1, "MaxCount": 1,
            "SecurityGroupIds": [group["group_id"]],
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in kinds],
        }  # fmt: skip
        answer = (client or cloud.client("ec2")).run_instances(**usual | options)
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


def test_a_leader_makes_the_service_linked_role_of_spot_and_no_other(cloud: TestCloud, acting: Clients) -> None:
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    leader, worker = acting("leader", "iam"), acting("worker", "iam")
    assert refused(worker.create_service_linked_role, AWSServiceName="spot.amazonaws.com")
    assert not refused(leader.create_service_linked_role, AWSServiceName="spot.amazonaws.com")
    assert refused(leader.create_service_linked_role, AWSServiceName="ec2fleet.amazonaws.com")
    assert refused(leader.create_role, RoleName="toilctl-my-us-west-2-other", AssumeRolePolicyDocument="{}")


def test_a_leader_launches_with_its_own_key_group_and_network_only(
    cloud: TestCloud, acting: Clients, run: Callable[..., str], group: dict[str, Any]
) -> None:
    leader, ec2 = acting("leader", "ec2"), cloud.client("ec2")
    ec2.create_key_pair(KeyName="other")
    foreign = ec2.create_security_group(GroupName="foreign", Description="x", VpcId=group["vpc_id"])["GroupId"]
    assert not refused(run, cluster="my", client=leader, KeyName="k")
    assert refused(run, cluster="my", client=leader, KeyName="other")
    assert refused(run, cluster="my", client=leader, SecurityGroupIds=[foreign])
    assert refused(run, cluster="my", client=leader, SecurityGroupIds=[group["group_id"], foreign])
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="us-west-2a")["Subnet"]["SubnetId"]
    context = {"ec2:vpc": f"arn:aws:ec2:us-west-2:123456789012:vpc/{vpc}"}
    document = json.loads(policy("leader", "my", group))
    arn = f"arn:aws:ec2:us-west-2:123456789012:subnet/{subnet}"
    assert decide([document], "ec2:RunInstances", arn, context) is Decision.IMPLICITLY_DENIED


def test_a_leader_launches_from_the_clusters_image_and_subnet_where_those_are_named(group: dict[str, Any]) -> None:
    tags = {**group["tags"], "toilctl:ami": "ami-1", "toilctl:vpc-subnet": "subnet-1"}
    extra = {"toilctl:extra-security-groups": "sg-8,sg-9"}
    document = json.loads(policy("leader", "my", {**group, "tags": tags | extra}))

    def may(kind: str, name: str, owner: str = "123456789012") -> bool:
        arn = f"arn:aws:ec2:us-west-2:{owner}:{kind}/{name}"
        return decide([document], "ec2:RunInstances", arn, {}) is Decision.ALLOWED

    assert [may("image", one, "") for one in ("ami-1", "ami-2")] == [True, False]
    assert [may("subnet", one) for one in ("subnet-1", "subnet-2")] == [True, False]
    assert [may("security-group", one) for one in (group["group_id"], "sg-8", "sg-9", "sg-7")] == [True] * 3 + [False]


def test_a_leader_reads_no_user_data(acting: Clients, run: Callable[..., str], template: Callable[[str], str]) -> None:
    leader = acting("leader", "ec2")
    for cluster in ("my", "my-cluster"):
        of = {"LaunchTemplateId": template(cluster)}
        assert refused(leader.describe_launch_template_versions, **of)
        assert refused(leader.get_launch_template_data, InstanceId=run(cluster))
        assert not refused(leader.describe_launch_templates, LaunchTemplateIds=[of["LaunchTemplateId"]])
        assert refused(leader.describe_instance_attribute, InstanceId=run(cluster), Attribute="userData")


def test_a_leader_uses_a_disk_key_of_the_accounts_own_through_ec2_alone(group: dict[str, Any]) -> None:
    key = "arn:aws:kms:us-west-2:123456789012:key/1"
    document = json.loads(policy("leader", "my", group, ec2_network_disk_statements=disk_keys([key], "us-west-2")))
    through, resource = {"kms:viaservice": "ec2.us-west-2.amazonaws.com"}, {"kms:grantisforawsresource": "true"}
    for action in ("kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:DescribeKey"):
        assert decide([document], action, key, through) is Decision.ALLOWED
        assert decide([document], action, key, {}) is Decision.IMPLICITLY_DENIED
        assert decide([document], action, f"{key}2", through) is Decision.IMPLICITLY_DENIED
    assert decide([document], "kms:CreateGrant", key, through | resource) is Decision.ALLOWED
    assert decide([document], "kms:CreateGrant", key, through) is Decision.IMPLICITLY_DENIED


@pytest.mark.parametrize("name", ["key-pair-name", "ami", "vpc-subnet", "extra-security-groups"])
def test_a_tag_is_one_name_in_a_policy_whatever_it_says(group: dict[str, Any], name: str) -> None:
    def statements(value: str) -> list[Any]:
        tagged = {**group, "tags": {**group["tags"], f"toilctl:{name}": value}}
        found: list[Any] = json.loads(policy("leader", "my", tagged))["Statement"]
        return found

    evil = '*"]}<{"Effect":"Allow"<"Action":"*"<"Resource":["?${aws:username}'
    (plain,) = [one for one in statements("PLAIN") if "PLAIN" in json.dumps(one)]
    (named,) = [one for one in statements(evil) if evil[1:9] in str(one)]
    exact = evil.replace("$", "${$}").replace("*", "${*}").replace("?", "${?}")
    assert named == json.loads(json.dumps(plain).replace("PLAIN", json.dumps(exact)[1:-1]))
    assert len(statements(evil)) == len(statements("PLAIN"))


def test_roles_fit_what_iam_keeps_of_a_role(group: dict[str, Any]) -> None:
    longest = {**group["tags"], "toilctl:extra-security-groups": ",".join(f"sg-{n:017x}" for n in range(5))}
    places = [f"arn:aws:s3:::{'b' * 20}-{n}/*" for n in range(8)]
    given = {"ec2_network_s3_written": places, "ec2_network_disk_statements": disk_keys(["k" * 75], "ap-southeast-2")}
    assert len("".join(policy("leader", "c" * 25, {**group, "tags": longest}, **given).split())) <= 10240


@pytest.mark.parametrize("role", ["leader", "worker"])
def test_jobs_write_to_job_stores_and_named_places_and_read_everything(
    role: str, cloud: TestCloud, acting: Clients
) -> None:
    s3, place = cloud.client("s3"), {"LocationConstraint": "us-west-2"}
    for bucket in ("sort--toil", "results", "data"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        s3.put_object(Bucket=bucket, Key="in", Body=b"x")
    jobs = acting(role, "s3", ec2_network_s3_written=["arn:aws:s3:::results/sorted/*"])
    allowed = [("sort--toil", "a"), ("results", "sorted/a")]
    denied = [("results", "a"), ("data", "a"), ("results", "sorted")]
    for bucket, key in allowed:
        assert not refused(jobs.put_object, Bucket=bucket, Key=key, Body=b"x")
        assert not refused(jobs.delete_object, Bucket=bucket, Key=key)
    for bucket, key in denied:
        assert refused(jobs.put_object, Bucket=bucket, Key=key, Body=b"x")
        assert refused(jobs.delete_object, Bucket=bucket, Key="in")
    for bucket in ("sort--toil", "results", "data"):
        assert not refused(jobs.get_object, Bucket=bucket, Key="in")
        assert not refused(jobs.list_objects_v2, Bucket=bucket)
    for bucket in ("results", "data"):
        assert refused(jobs.delete_public_access_block, Bucket=bucket)
        assert refused(jobs.put_bucket_policy, Bucket=bucket, Policy="{}")
        assert refused(jobs.delete_bucket, Bucket=bucket)
    assert refused(jobs.put_bucket_policy, Bucket="sort--toil", Policy="{}")


@pytest.mark.parametrize("role", ["leader", "worker"])
def test_jobs_import_objects_with_their_tags(role: str, cloud: TestCloud, acting: Clients) -> None:
    s3, place = cloud.client("s3"), {"LocationConstraint": "us-west-2"}
    for bucket in ("sort--toil", "results", "data"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    s3.put_object(Bucket="data", Key="in a", Body=b"x", Tagging="project=p")
    jobs, source = acting(role, "s3"), {"Bucket": "data", "Key": "in a"}
    assert not refused(jobs.copy_object, Bucket="sort--toil", Key="a", CopySource=source)
    assert not refused(jobs.put_object, Bucket="sort--toil", Key="b", Body=b"x", Tagging="a=b")
    assert refused(jobs.copy_object, Bucket="results", Key="a", CopySource=source)


@pytest.mark.parametrize(("role", "may"), [("leader", True), ("worker", False)])
def test_a_leader_makes_and_deletes_job_stores_as_toil_does(
    role: str, may: bool, cloud: TestCloud, acting: Clients
) -> None:
    toil, place = acting(role, "s3"), {"LocationConstraint": "us-west-2"}
    assert refused(toil.create_bucket, Bucket="results", CreateBucketConfiguration=place)
    assert refused(toil.create_bucket, Bucket="sort--toil", CreateBucketConfiguration=place) is not may
    if not may:
        cloud.client("s3").create_bucket(Bucket="sort--toil", CreateBucketConfiguration=place)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    calls = (
        (toil.put_bucket_tagging, {"Tagging": {"TagSet": []}}),
        (toil.delete_public_access_block, {}),
        (toil.delete_bucket_ownership_controls, {}),
        (toil.put_bucket_encryption, {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}),
        (toil.delete_bucket, {}),
    )
    for call, more in calls:
        assert refused(call, Bucket="sort--toil", **more) is not may, call


def test_named_resources_are_for_everything(cloud: TestCloud, acting: Clients) -> None:
    jobs = acting("worker", "s3", ec2_network_s3_resources=["arn:aws:s3:::own", "arn:aws:s3:::own/*"])
    cloud.client("s3").create_bucket(Bucket="own", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    assert not refused(jobs.put_object, Bucket="own", Key="a", Body=b"x")
    assert not refused(jobs.put_bucket_versioning, Bucket="own", VersioningConfiguration={"Status": "Enabled"})


def test_a_leader_can_neither_adopt_what_runs_nor_change_who_gets_in(
    acting: Clients, run: Callable[..., str], template: Callable[[str], str], group: dict[str, Any]
) -> None:
    leader, group_id = acting("leader", "ec2"), group["group_id"]
    mine = [{"Key": "toilctl:cluster", "Value": "my"}]
    assert refused(leader.create_tags, Resources=[run("my-cluster")], Tags=mine)
    assert refused(leader.create_tags, Resources=[group_id], Tags=[{"Key": "toilctl:state", "Value": ""}])
    attempt = [{"Key": key, "Value": "1"} for key in (tags.ATTEMPT, tags.CONTENT)]
    templates = {cluster: template(cluster) for cluster in ("my", "my-cluster")}
    assert refused(leader.create_tags, Resources=[group_id], Tags=attempt)
    assert refused(leader.create_tags, Resources=[templates["my"]], Tags=[*mine, *attempt])
    assert refused(leader.create_tags, Resources=[templates["my-cluster"]], Tags=attempt)
    assert not refused(leader.create_tags, Resources=[templates["my"]], Tags=attempt)
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    assert refused(leader.authorize_security_group_ingress, GroupId=group_id, IpPermissions=[rule])


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


def test_a_leader_changes_none_of_its_users_settings(acting: Clients, group: dict[str, Any]) -> None:
    leader = acting("leader", "ec2")
    for key in ("toilctl:limits", "toilctl:paused", "toilctl:leader-public-key", "toilctl:node-types", "Owner"):
        assert refused(leader.create_tags, Resources=[group["group_id"]], Tags=[{"Key": key, "Value": "x"}]), key
