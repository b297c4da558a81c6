"""What is tried before a launch is what the launch will ask for: in its VPC, and with its tags."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from toilctl.local.process import testing
from toilctl.local.process.testing import TestCloud

USUAL = ("launch-cluster", "my-cluster", "--keyPairName", "k", "--dry-run")


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Iterator[TestCloud]:
    with testing.cloud(default_vpc=not hasattr(request, "param")) as running:
        yield running


@pytest.mark.parametrize("cloud", ["none"], indirect=True)
def test_account_without_a_default_vpc_takes_a_subnet_of_another(toilctl, account):
    subnet = account.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    result = toilctl(*USUAL, "--vpc-subnet", subnet)
    assert result.exit_code == 0, result.stderr
    assert "--vpc-subnet" in toilctl(*USUAL, "-z", "us-west-2a").stderr


@pytest.mark.parametrize(("tags", "exit_code"), [(["--tag", "team=x"], 0), (["--tag", "team=y"], 3), ([], 3)])
def test_policy_that_asks_for_a_tag_is_met_by_what_is_tried(toilctl, account, monkeypatch, tags, exit_code):
    looking = {"Effect": "Allow", "Action": ["ec2:Describe*", "sts:*", "ssm:Get*", "iam:Get*"], "Resource": "*"}
    vpc = {"Effect": "Allow", "Action": "ec2:CreateSecurityGroup", "Resource": "arn:aws:ec2:*:*:vpc/*"}
    making = {
        "Effect": "Allow", "Action": ["ec2:Create*", "iam:Create*"], "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestTag/team": "x", "aws:RequestTag/toilctl:cluster": "my-cluster"}},
    }  # fmt: skip
    iam = account.client("iam")
    iam.create_user(UserName="user")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [looking, vpc, making]})
    iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName="user")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    result = toilctl(*USUAL, "-z", "us-west-2a", *tags)
    assert result.exit_code == exit_code, result.stderr
    assert not exit_code or "These credentials may not do ec2:CreateSecurityGroup." in result.stderr
