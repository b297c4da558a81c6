"""Bad input of launch-cluster: a clear error, and nothing is made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from toilctl.cli.base.command import kebab
from toilctl.local.process.testing import TestCloud
from toilctl.values.errors import HostError

USUAL = ("launch-cluster", "my-cluster", "--nodeType", "t2.micro", "-z", "us-west-2a", "--keyPairName", "k", "-w", "3")


@pytest.fixture(autouse=True)
def _nothing_is_launched(account: TestCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("toilctl.system.playbooks.run", lambda *_, **__: pytest.fail("A playbook was started."))
    ec2 = account.client("ec2")
    yield
    assert ec2.describe_instances()["Reservations"] == []
    assert {group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]} == {"default"}
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []


def usual(**changed: str) -> list[str]:
    words = list(USUAL)
    for option, value in changed.items():
        words[words.index(f"--{option}" if len(option) > 1 else f"-{option}") + 1] = value
    return words


@pytest.mark.parametrize(
    ("name", "told"),
    [("my_cluster", "my_cluster"), ("", "''"), ("-x", "-x"), ("a" * 33, "at most 32"), ("ä", "ä")],
)
def test_bad_cluster_name(toilctl, name, told):
    result = toilctl("launch-cluster", *([name] if name != "-x" else ["--", name]))
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("zone", "code", "told"),
    [
        ("us-west-2", 2, "'us-west-2' is not an availability zone. Name a region and a letter"),
        ("us-west-2x", 2, "There is no zone us-west-2x in us-west-2.\nIt has us-west-2a"),
        ("us-wst-2a", 2, "There is no region 'us-wst-2'.\nDid you mean us-west-2?"),
        ("us-west-2a,us-east-1a", 2, "are in different regions"),
    ],
)
def test_bad_zone(toilctl, zone, code, told):
    result = toilctl(*usual(z=zone))
    assert (result.exit_code, told in result.stderr) == (code, True), result.stderr


def test_zone_and_region_that_disagree(toilctl):
    result = toilctl(*USUAL, "--region", "us-east-1")
    assert result.exit_code == 2
    assert "Zone us-west-2a is not in region us-east-1." in result.stderr


def test_no_zone_names_those_there_are(toilctl):
    result = toilctl("launch-cluster", "c", "--keyPairName", "k")
    assert result.exit_code == 2
    assert "-z: us-west-2 has us-west-2a, us-west-2b" in result.stderr


@pytest.mark.parametrize(("name", "meant"), [("t2.mirco", "t2.micro"), ("c4.8xlrage", "c4.8xlarge")])
def test_unknown_instance_type_names_the_one_that_was_meant(toilctl, name, meant):
    result = toilctl(*usual(nodeType=name))
    assert result.exit_code == 2
    assert f"EC2 has no instance type '{name}' in us-west-2.\nDid you mean " in result.stderr
    assert meant in result.stderr


def test_unknown_instance_type_among_alternatives(toilctl):
    result = toilctl(*usual(nodeType="t2.micro/m5.huge"))
    assert (result.exit_code, "'m5.huge'" in result.stderr) == (2, True)


def test_instance_type_that_is_not_offered_in_the_zone_names_zones_that_have_it(toilctl):
    result = toilctl(*usual(z="us-west-2d"))
    assert result.exit_code == 2
    assert "t2.micro is not offered in us-west-2d.\nIt is in us-west-2a, us-west-2b, us-west-2c." in result.stderr


def test_instance_type_of_another_architecture(toilctl):
    result = toilctl(*usual(nodeType="t4g.micro"))
    assert result.exit_code == 2
    assert "t4g.micro is arm64, and the machine image" in result.stderr


def test_key_pair_that_ec2_does_not_know_names_those_it_knows(toilctl):
    result = toilctl(*usual(keyPairName="other"))
    assert result.exit_code == 4
    assert "EC2 knows no key pair 'other' in us-west-2; it knows: k." in result.stderr
    assert "import-key-pair" in result.stderr


def test_no_key_pair(toilctl):
    result = toilctl("launch-cluster", "c", "-z", "us-west-2a")
    assert (result.exit_code, "No key pair was named." in result.stderr) == (2, True)


def test_missing_credentials_name_the_ways(toilctl, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    result = toilctl(*USUAL)
    assert result.exit_code == 3
    for way in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "aws configure", "--provisioner local"):
        assert way in result.stderr


def test_profile_that_is_not_there(toilctl, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    result = toilctl(*USUAL)
    assert (result.exit_code, "nobody" in result.stderr) == (3, True), result.stderr


@pytest.mark.parametrize(
    ("allowed", "action"),
    [
        (["ec2:Describe*", "sts:*", "ssm:Get*"], "ec2:CreateSecurityGroup"),
        (["ec2:*", "sts:*", "ssm:Get*"], "iam:GetRole"),
        ([], "ec2:DescribeSecurityGroups"),
    ],
)
def test_no_permission_names_the_action(toilctl, become, allowed, action):
    become(allowed)
    result = toilctl(*USUAL)
    assert result.exit_code == 3
    assert f"These credentials may not do {action}.\nAsk for that permission" in result.stderr


def test_cluster_with_an_instance_profile_of_the_users_own_takes_no_permissions_on_roles(toilctl, account, become):
    account.client("iam").create_instance_profile(InstanceProfileName="x")
    arn = account.client("iam").get_instance_profile(InstanceProfileName="x")["InstanceProfile"]["Arn"]
    become(["ec2:*", "sts:*", "ssm:Get*", "iam:GetInstanceProfile"])
    result = toilctl(*USUAL, "--awsEc2ProfileArn", arn, "--dry-run")
    assert result.exit_code == 0, result.stderr


@pytest.fixture
def become(account: TestCloud, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """Be a user who may do certain actions only."""

    def be(actions: list[str]) -> None:
        iam = account.client("iam")
        iam.create_user(UserName="user")
        if actions:
            statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=policy)
        key = iam.create_access_key(UserName="user")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    return be


@pytest.mark.parametrize(
    ("workers", "told"), [("3,2", "--node-types has 1 and --workers 2"), ("-1", "not a number"), ("x", "not a number")]
)
def test_workers_that_do_not_fit_the_node_types(toilctl, workers, told):
    result = toilctl(*USUAL[:-2], f"--workers={workers}")
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr


def test_workers_without_node_types(toilctl):
    result = toilctl("launch-cluster", "c", "-z", "us-west-2a", "--keyPairName", "k", "-w", "3")
    assert (result.exit_code, "--node-types has 0 and --workers 1" in result.stderr) == (2, True)


@pytest.mark.parametrize("bid", ["x", "", "-1", "0", "inf", "nan"])
def test_bid_that_is_not_a_price_names_the_flag(toilctl, bid):
    result = toilctl(*USUAL[:2], "--node-types", f"t2.micro:{bid}")
    assert result.exit_code == 2
    assert "'--node-types'" in result.stderr
    assert "not a price" in result.stderr


@pytest.mark.parametrize(("bid", "exit_code"), [("0.0009", 2), ("1e-9", 2), ("0.001", 0)])
def test_bid_below_the_least_that_ec2_takes_is_refused(toilctl, bid, exit_code):
    words = ("launch-cluster", "c", "-z", "us-west-2a", "--key-pair-name", "k", "-w", "1", "--dry-run")
    result = toilctl(*words, "--node-types", f"t2.micro:{bid}")
    assert result.exit_code == exit_code, result.stderr
    assert ("below 0.001 USD per hour" in " ".join(result.stderr.split())) is (exit_code == 2)


def test_bid_on_a_leader(toilctl):
    result = toilctl(*USUAL, "--leader-node-type", "t2.micro:0.5")
    assert (result.exit_code, "The leader cannot be a spot instance" in result.stderr) == (2, True)


LIMITED = (*USUAL[:2], "-z", "us-west-2a", "--keyPairName", "k", "--engine", "slurm")
TWO_TYPES = ("--nodeTypes", "c4.8xlarge:0.6,r3.8xlarge")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--minNodes", "0,3", "--maxNodes", "20,2"), "The minimum of r3.8xlarge is 3, above its maximum of 2."),
        (("--minNodes", "0,0,0", "--maxNodes", "20,2"), "There are 2 node types (c4.8xlarge:0.6, r3.8xlarge), and"),
        (("--maxNodes", "1,2,3"), "--max-nodes has 3 numbers.\nGive one number per node type, in their order, or one"),
        (("--maxNodes", "0,0"), "All of --max-nodes are 0: no job could ever run."),
        (("--maxNodes", "1000,25"), "--max-nodes add up to 1025 workers, and Slurm here has room for 1024."),
        (("--minNodes", "1,1"), "How many nodes of c4.8xlarge:0.6 and r3.8xlarge there may be was not said."),
        (("--maxNodes", "-1"), "'-1' is not a number of workers"),
        (("--maxNodes", "x"), "'--max-nodes'"),
        (("--maxNodes", "2", "-w", "3,0"), "-w 3 of c4.8xlarge:0.6 is not within its limits, 0 to 2."),
        (("--maxNodes", "2", "-w", "1"), "--node-types has 2 and --workers 1."),
        (("--maxNodes", "2", "--nodeStorage", "50,50,50"), "There are 2 node types, and --node-storage has 3 sizes."),
        (("--maxNodes", "2", "--nodeStorage", "50,4"), "--node-storage 4 is smaller than the machine image"),
        (("--idleTimeout", "60", "-w", "1,1"), "nothing says within which limits.\nGive --max-nodes, too"),
    ],
)
def test_limits_that_cannot_work(toilctl, words, told):
    result = toilctl(*LIMITED, *TWO_TYPES, *words)
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("option", "value", "form"),
    [
        ("--targetTime", "0", "seconds, at least 1, such as 1800"),
        ("--targetTime", "half an hour", "seconds, at least 1, such as 1800"),
        ("--betaInertia", "1", "a number from 0 to 0.9"), ("--scaleInterval", "0", "seconds from 1 to 3600"),
        ("--preemptibleCompensation", "1.5", "a number from 0 to 1"), ("--idleTimeout", "-1", "seconds, such as 300"),
        ("--joinDeadline", "nan", "seconds, at least 1, such as 900"),
    ],
)  # fmt: skip
def test_tuning_out_of_its_range_names_the_flag_and_the_form(toilctl, option, value, form):
    result = toilctl(*LIMITED, *TWO_TYPES, "--maxNodes", "2", f"{option}={value}")
    assert result.exit_code == 2
    assert f"Invalid value for '--{kebab(option.lstrip('-'))}': {value!r} is " in result.stderr
    assert form in result.stderr


def test_limits_of_a_bid_that_nobody_made(toilctl):
    result = toilctl(*LIMITED, "--nodeTypes", "t2.micro", "--maxNodes", "1", "--maxPreemptableNodes", "3")
    assert result.exit_code == 2
    assert "--max-preemptible-nodes needs a node type with a bid, and there is none." in result.stderr


def test_limits_without_node_types(toilctl):
    result = toilctl(*LIMITED, "--maxNodes", "3")
    assert (result.exit_code, "There are limits and no node types." in result.stderr) == (2, True), result.stderr


def test_bid_that_is_not_a_price_beside_limits(toilctl):
    result = toilctl(*LIMITED, "--nodeTypes", "c4.8xlarge:much,r3.8xlarge", "--maxNodes", "2")
    assert (result.exit_code, "'much' of node type 'c4.8xlarge:much' is not a price" in result.stderr) == (2, True)


def test_limits_for_a_type_that_is_not_offered_in_the_zone(toilctl):
    result = toilctl(*LIMITED, "-z", "us-west-2d", "--nodeTypes", "t2.micro", "--maxNodes", "2")
    assert result.exit_code == 2
    assert "is not offered in us-west-2d" in result.stderr


def test_minimum_above_the_quota(toilctl, monkeypatch):
    monkeypatch.setattr("toilctl.system.quotas.vcpus", lambda *_, **__: 40.0)
    words = ("--nodeTypes", "r3.8xlarge", "--maxNodes", "3")
    refused = toilctl(*LIMITED, *words, "--minNodes", "2")
    assert (refused.exit_code, "66 on-demand vCPUs, and the account's quota" in refused.stderr) == (7, True)
    assert toilctl(*LIMITED, *words, "--minNodes", "1", "--dry-run").exit_code == 0


def test_more_node_types_than_a_tag_holds(toilctl):
    names = [f"{family}.{size}" for family in ("m5", "c5", "r5") for size in ("large", "xlarge", "2xlarge", "4xlarge")]
    result = toilctl(*LIMITED, "--nodeTypes", ",".join([*names, *(f"{name}:0.1" for name in names)]), "--maxNodes", "2")
    assert result.exit_code == 2
    assert "There are too many node types: with their limits they take" in result.stderr


def test_machine_that_cannot_give_a_leader_its_autoscaler(toilctl, monkeypatch):
    def lacking() -> None:
        raise HostError("There is no ansible-core for the leader's Python.", "Install one.")

    monkeypatch.setattr("toilctl.bundle.make", lacking)
    result = toilctl(*LIMITED, "--nodeTypes", "t2.micro", "--maxNodes", "2")
    assert (result.exit_code, "no ansible-core" in result.stderr) == (9, True)


@pytest.mark.parametrize("gb", ["4", "0"])
@pytest.mark.parametrize("option", ["--leader-storage", "--nodeStorage"])
def test_storage_that_is_smaller_than_the_image(toilctl, option, gb):
    result = toilctl(*USUAL, option, gb)
    assert result.exit_code == 2
    assert f"{gb} is smaller than the machine image, which has 8 GB.\nGive at least 8." in result.stderr


def test_subnet_that_is_not_there(toilctl):
    result = toilctl(*USUAL, "--vpcSubnet", "subnet-0123456789abcdef0")
    assert (result.exit_code, "There is no subnet" in result.stderr) == (4, True)


def test_subnet_in_another_zone(toilctl, account):
    subnets = account.client("ec2").describe_subnets()["Subnets"]
    other = next(subnet for subnet in subnets if subnet["AvailabilityZone"] == "us-west-2b")["SubnetId"]
    result = toilctl(*USUAL, "--vpcSubnet", other)
    assert result.exit_code == 2
    assert f"Subnet {other} is in zone us-west-2b, not in us-west-2a." in result.stderr


def test_subnet_without_public_addresses(toilctl, account):
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="us-west-2a")["Subnet"]["SubnetId"]
    result = toilctl(*USUAL, "--vpcSubnet", subnet)
    assert result.exit_code == 2
    assert f"Subnet {subnet} gives no public addresses" in result.stderr


def test_image_that_is_not_there(toilctl):
    result = toilctl(*USUAL, "--ami", "ami-0123456789abcdef0")
    assert (result.exit_code, "There is no machine image" in result.stderr) == (4, True)


def test_instance_profile_that_is_not_there(toilctl):
    result = toilctl(*USUAL, "--awsEc2ProfileArn", "arn:aws:iam::123456789012:instance-profile/x")
    assert (result.exit_code, "There is no instance profile 'x'" in result.stderr) == (4, True)


@pytest.mark.parametrize("cidr", ["10.1.2.3/8", "everywhere", "1.2.3.4/33"])
def test_ssh_cidr_that_is_none(toilctl, cidr):
    result = toilctl(*USUAL, "--ssh-cidr", cidr)
    assert (result.exit_code, "is not an address range" in result.stderr) == (2, True)


@pytest.mark.parametrize("tag", ["toilctl:cluster=x", "Name=x", "owner=x", "AWS:x=y", "note#1=x"])
def test_tags_that_aws_or_we_do_not_take_are_refused_by_the_dry_run(toilctl, tag):
    result = toilctl(*USUAL, "-t", tag, "--dry-run")
    assert (result.exit_code, "tag" in result.stderr.splitlines()[0]) == (2, True)
    assert toilctl(*USUAL, "-t", "k=1", "-t", "k=2", "--dry-run").exit_code == 2


def test_more_vcpus_than_the_quota(toilctl, monkeypatch):
    monkeypatch.setattr("toilctl.system.quotas.vcpus", lambda *_, **__: 3.0)
    result = toilctl(*USUAL)
    assert result.exit_code == 7
    assert "This needs 4 on-demand vCPUs, and the account's quota in us-west-2 is 3." in result.stderr


def test_gce_is_not_yet_there(toilctl):
    result = toilctl(*USUAL, "--provisioner", "gce")
    assert (result.exit_code, "yet" in result.stderr) == (8, True)


def test_errors_are_json_when_asked(toilctl):
    answer = toilctl.json(*usual(keyPairName="other"))
    assert answer["kind"] == "error"
    assert answer["error"]["code"] == "not-found"
    assert answer["error"]["facts"] == {"key_pair_name": "other", "known": ["k"]}
