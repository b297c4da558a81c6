"""Tags that AWS refuses are refused here, too, whatever is made with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code

Make = Callable[[Account, list[dict[str, str]]], Any]


def group(account: Account, tags: list[dict[str, str]]) -> Any:
    wanted = [{"ResourceType": "security-group", "Tags": tags}]
    return account.ec2.create_security_group(GroupName="g", Description="d", TagSpecifications=wanted)


def template(account: Account, tags: list[dict[str, str]]) -> Any:
    inner = {"InstanceType": "t2.micro", "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}]}
    return account.ec2.create_launch_template(LaunchTemplateName="template-t", LaunchTemplateData=inner)


def tagged(account: Account, tags: list[dict[str, str]]) -> Any:
    made = account.ec2.create_security_group(GroupName="g2", Description="d")
    return account.ec2.create_tags(Resources=[made["GroupId"]], Tags=tags)


def role(account: Account, tags: list[dict[str, str]]) -> Any:
    return account.cloud.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}", Tags=tags)


def profile(account: Account, tags: list[dict[str, str]]) -> Any:
    return account.cloud.client("iam").create_instance_profile(InstanceProfileName="p", Tags=tags)


@pytest.mark.parametrize("make", [group, template, tagged, role, profile])
@pytest.mark.parametrize(
    "pairs",
    [
        [("AWS:foo", "x")], [("aws:foo", "x")], [("k" * 129, "x")], [("k", "x" * 257)], [("k", "1"), ("k", "2")],
        [(str(number), "x") for number in range(51)],
    ],
    ids=["AWS:", "aws:", "long key", "long value", "twice", "too many"],
)  # fmt: skip
def test_tags_that_nothing_takes(account: Account, make: Make, pairs: list[tuple[str, str]]) -> None:
    if make is template and len(pairs) > 50:
        pytest.skip("EC2 says so where the template is used.")
    with pytest.raises(ClientError) as error:
        make(account, [{"Key": key, "Value": value} for key, value in pairs])
    if len(pairs) > 50:
        assert code(error) == ("TagLimitExceeded" if make in (group, template, tagged) else "ValidationError")


def test_a_template_and_a_request_have_fifty_tags_together(account: Account) -> None:
    def few(prefix: str) -> list[dict[str, str]]:
        return [{"Key": f"{prefix}{number}", "Value": "x"} for number in range(30)]

    inner = {"ImageId": account.ami, "TagSpecifications": [{"ResourceType": "instance", "Tags": few("a")}]}
    account.ec2.create_launch_template(LaunchTemplateName="tagged", LaunchTemplateData=inner)
    asked = {"LaunchTemplate": {"LaunchTemplateName": "tagged"}, "ImageId": account.ami}
    account.run(**asked, TagSpecifications=[{"ResourceType": "instance", "Tags": few("a")}])
    with pytest.raises(ClientError) as error:
        account.run(**asked, TagSpecifications=[{"ResourceType": "instance", "Tags": few("b")}])
    assert code(error) == "TagLimitExceeded"
    assert len(account.describe()) == 1


@pytest.mark.parametrize("pairs", [[("note#1", "x")], [("k", "a,b")], [("k", "1"), ("K", "2")]], ids=str)
def test_tags_that_iam_alone_refuses(account: Account, pairs: list[tuple[str, str]]) -> None:
    tags = [{"Key": key, "Value": value} for key, value in pairs]
    for make in (role, profile):
        with pytest.raises(ClientError) as error:
            make(account, tags)
        assert code(error) in ("ValidationError", "InvalidInput")
    for make in (group, template, tagged):
        make(account, tags)


def test_tags_that_are_read_or_deleted_are_nobodys_business(account: Account) -> None:
    made = account.ec2.create_security_group(GroupName="g", Description="d")
    account.ec2.delete_tags(Resources=[made["GroupId"]], Tags=[{"Key": "k"}])
    assert profile(account, [{"Key": "a b:/=+-@.c_d", "Value": ""}])
