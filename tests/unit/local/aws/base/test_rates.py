"""EC2 refuses calls that come too fast, when it is so set."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code
from toilctl.local.aws.base.rates import CHANGING, READING, REQUESTS, RESOURCES, Rates
from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Protocol


class Time:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def call(action: str, region: str = "us-west-2", **params: str) -> Call:
    return Call("ec2", action, region, Protocol.EC2, {name.replace("_", "."): value for name, value in params.items()})


@pytest.mark.parametrize(
    ("one", "rate"),
    [
        (call("DescribeInstances", Filter_1_Name="x"), READING), (call("CreateFleet"), CHANGING),
        (call("RunInstances", MaxCount="1"), REQUESTS["RunInstances"]),
    ],
    ids=["DescribeInstances", "CreateFleet", "RunInstances"],
)  # fmt: skip
def test_a_bucket_is_emptied_at_once_and_filled_again_in_time(one: Call, rate: tuple[float, float]) -> None:
    size, refill = rate
    clock = Time()
    rates = Rates(clock)
    assert [rates.allow(one) for _ in range(int(size) + 1)] == [True] * int(size) + [False]
    clock.now = 1 / refill
    assert [rates.allow(one), rates.allow(one)] == [True, False]
    clock.now = 1e6
    assert sum(rates.allow(one) for _ in range(int(size) + 5)) == size


def test_each_action_and_region_has_a_bucket_of_its_own() -> None:
    rates = Rates(Time())
    while rates.allow(call("CreateFleet")):
        pass
    assert rates.allow(call("CreateFleet", region="us-east-1"))
    assert rates.allow(call("CreateVolume"))


def test_instances_are_counted_beside_requests() -> None:
    clock = Time()
    rates = Rates(clock)
    size, refill = RESOURCES["RunInstances"]
    assert rates.allow(call("RunInstances", MaxCount=f"{size:.0f}"))
    assert not rates.allow(call("RunInstances", MaxCount="1"))
    clock.now = 2 / refill
    assert rates.allow(call("RunInstances", MaxCount="2"))


def test_without_the_fault_nobody_waits(account: Account) -> None:
    for _ in range(60):
        account.ec2.describe_key_pairs()


def test_with_the_fault_ec2_says_that_the_limit_is_exceeded(account: Account) -> None:
    account.cloud.faults.set("rate-limits")

    def ask_often() -> None:
        for _ in range(120):
            account.ec2.describe_key_pairs()

    with pytest.raises(ClientError) as error:
        ask_often()
    assert code(error) == "RequestLimitExceeded"
    account.cloud.advance(60)
    assert account.ec2.describe_key_pairs()
