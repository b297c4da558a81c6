"""Client tokens."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code, ids

A, B = ("c4.8xlarge", "us-west-2a"), ("c4.8xlarge", "us-west-2b")
DAY = 24 * 3600


def test_same_token_gives_the_same_instances(account: Account) -> None:
    first = account.fleet(A, count=2, ClientToken="t1")
    assert account.fleet(A, count=2, ClientToken="t1")["FleetId"] == first["FleetId"]
    assert sorted(i["InstanceId"] for i in account.describe()) == sorted(ids(first))


def test_run_instances_repeats_its_answer(account: Account) -> None:
    first, second = account.run(ClientToken="t1"), account.run(ClientToken="t1")
    assert first[0]["InstanceId"] == second[0]["InstanceId"]


def test_other_parameters_under_one_token_are_refused(account: Account) -> None:
    account.fleet(A, ClientToken="t1")
    with pytest.raises(ClientError) as error:
        account.fleet(A, count=2, ClientToken="t1")
    assert code(error) == "IdempotentParameterMismatch"


def test_token_is_refused_for_a_day_after_its_instances_are_gone_and_free_afterwards(account: Account) -> None:
    first = account.fleet(A, ClientToken="t1")
    account.cloud.advance(3 * DAY)
    account.ec2.terminate_instances(InstanceIds=ids(first))
    account.describe()
    account.cloud.advance(DAY - 60)
    with pytest.raises(ClientError, match="associated with a terminated instance") as error:
        account.fleet(A, ClientToken="t1")
    assert code(error) == "IdempotentInstanceTerminated"
    account.cloud.advance(120)
    assert ids(account.fleet(A, ClientToken="t1")) != ids(first)


def test_token_gives_its_instances_again_as_long_as_one_of_them_lives(account: Account) -> None:
    first = account.fleet(A, count=2, ClientToken="t1")
    account.ec2.terminate_instances(InstanceIds=ids(first)[:1])
    account.describe()
    assert ids(account.fleet(A, count=2, ClientToken="t1")) == ids(first)


def test_answer_without_instances_is_remembered_too(account: Account) -> None:
    account.cloud.faults.set("insufficient-capacity")
    first = account.fleet(A, ClientToken="t1")
    account.cloud.faults.clear()
    assert account.fleet(A, ClientToken="t1")["FleetId"] == first["FleetId"]
    assert len(ids(account.fleet(A, ClientToken="t2"))) == 1


def test_refused_request_leaves_its_token_free(account: Account) -> None:
    account.cloud.faults.set("insufficient-capacity")
    with pytest.raises(ClientError):
        account.run(ClientToken="t1")
    account.cloud.faults.clear()
    assert len(account.run(ClientToken="t1")) == 1


def test_token_of_one_region_means_nothing_in_another(account: Account) -> None:
    account.ec2.create_launch_template(LaunchTemplateName="one", LaunchTemplateData={"KeyName": "k"}, ClientToken="t1")
    other = account.cloud.client("ec2", region="eu-central-1")
    other.create_launch_template(LaunchTemplateName="two", LaunchTemplateData={"KeyName": "l"}, ClientToken="t1")


def test_token_longer_than_64_characters_is_refused(account: Account) -> None:
    with pytest.raises(ClientError) as error:
        account.fleet(A, ClientToken="x" * 65)
    assert code(error) == "InvalidParameterValue"
