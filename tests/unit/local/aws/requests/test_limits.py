"""Requests that are too large are refused as EC2 and IAM refuse them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code

SUBNET_IDS = [f"subnet-{number:017x}" for number in range(1001)]
INSTANCE_IDS = [f"i-{number:017x}" for number in range(1001)]
Ask = Callable[[Any], Any]


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    return code(error), str(error.value.response["Error"]["Message"])


def test_two_hundred_values_of_filters_are_taken_and_no_more(account: Account) -> None:
    def wanted(*counts: int) -> list[dict[str, Any]]:
        return [{"Name": f"tag:t{n}", "Values": INSTANCE_IDS[:count]} for n, count in enumerate(counts)]

    assert account.ec2.describe_instances(Filters=wanted(200))["Reservations"] == []
    text = "The maximum number of filter values specified on a single call is 200"
    for too_many in ((201,), (150, 51)):
        found = refusal(account.ec2.describe_instances, Filters=wanted(*too_many))
        assert found == ("FilterLimitExceeded", text)


def test_a_filter_takes_one_character_less_than_a_tag(account: Account) -> None:
    def named(length: int) -> list[dict[str, Any]]:
        return [{"Name": "tag:k", "Values": ["x" * length]}]

    account.ec2.describe_volumes(Filters=named(255))
    found = refusal(account.ec2.describe_volumes, Filters=named(256))
    assert found == ("FilterLimitExceeded", "The maximum length for a filter value is 255 characters")


@pytest.mark.parametrize(
    "ask",
    [
        lambda ec2: ec2.terminate_instances(InstanceIds=INSTANCE_IDS),
        lambda ec2: ec2.describe_instances(InstanceIds=INSTANCE_IDS),
        lambda ec2: ec2.create_tags(Resources=INSTANCE_IDS, Tags=[{"Key": "k", "Value": "v"}]),
        lambda ec2: ec2.describe_subnets(SubnetIds=SUBNET_IDS),
        lambda ec2: ec2.describe_instance_types(InstanceTypes=[f"m{number}.large" for number in range(101)]),
    ],
    ids=["terminate", "describe", "tag", "subnets", "types"],
)
def test_a_call_takes_a_thousand_ids_and_a_hundred_types(account: Account, ask: Ask) -> None:
    assert refusal(lambda: ask(account.ec2))[0] == "InvalidRequest"


def test_pages_have_a_size_and_no_ids(account: Account) -> None:
    (node,) = account.run()
    for size in (4, 1001):
        assert refusal(account.ec2.describe_instances, MaxResults=size)[0] == "InvalidParameterValue"
    found = refusal(account.ec2.describe_instances, MaxResults=5, InstanceIds=[node["InstanceId"]])
    text = "The parameter instancesSet cannot be used with the parameter maxResults"
    assert found == ("InvalidParameterCombination", text)


@pytest.mark.parametrize("name", ["g" * 256, "grün", "sg\n"], ids=["long", "umlaut", "line"])
def test_names_of_groups_have_a_length_and_characters(account: Account, name: str) -> None:
    create = account.ec2.create_security_group
    assert refusal(create, GroupName=name, Description="d")[0] == "InvalidParameterValue"
    assert refusal(create, GroupName="g", Description=name)[0] == "InvalidParameterValue"
    create(GroupName="g" * 255, Description="a-z, A-Z, 0-9, ._-:/()#,@[]+=&;{}!$*")


@pytest.mark.parametrize("name", ["ab", "a" * 129, "a+b"])
def test_names_of_templates_have_a_length_and_characters(account: Account, name: str) -> None:
    create = account.ec2.create_launch_template
    found = refusal(create, LaunchTemplateName=name, LaunchTemplateData={"KeyName": "k"})
    assert found[0] == "InvalidLaunchTemplateName.MalformedException"
    create(LaunchTemplateName="toilctl-(a).b/c_" + "d" * 112, LaunchTemplateData={"KeyName": "k"})


def test_a_fleet_has_a_largest_target(account: Account) -> None:
    with pytest.raises(ClientError) as error:
        account.fleet(("t2.micro", "us-west-2a"), count=10_001)
    assert code(error) == "FleetTargetCapacityLimitExceeded"


def test_names_in_iam_have_lengths_and_characters(account: Account) -> None:
    iam = account.cloud.client("iam")
    found = refusal(iam.create_role, RoleName="r" * 65, AssumeRolePolicyDocument="{}")
    text = f"1 validation error detected: Value '{'r' * 65}' at 'roleName' failed to satisfy constraint: "
    assert found == ("ValidationError", text + "Member must have length less than or equal to 64")
    assert refusal(iam.create_instance_profile, InstanceProfileName="p" * 129)[0] == "ValidationError"
    assert refusal(iam.create_role, RoleName="a b", AssumeRolePolicyDocument="{}")[0] == "ValidationError"
    iam.create_role(RoleName="r" * 64, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="p" * 128)
