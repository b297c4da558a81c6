"""Why instances are missing from a fleet, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.roles.conftest import shared

answer, aws = shared("toilctl_fleet_answer"), shared("toilctl_aws")
OPTIONS: dict[str, Any] = {
    "count": 3, "role": "worker", "node_type": "m5.large", "region": "us-west-2", "instance_types": ["m5.large"],
    "spot_bid": None,
}  # fmt: skip
ZONES = {"subnet-a": "us-west-2a"}


def lacking(code: str = "InsufficientInstanceCapacity", message: str = "None left.", zone: str = "a") -> dict[str, str]:
    error: dict[str, str] = answer.describe_error(code, message, "m5.large", zone)
    return error


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ({"SubnetId": "subnet-a"}, "us-west-2a"), ({"SubnetId": "subnet-z"}, "subnet-z"), ({}, ""),
        ({"SubnetId": "subnet-a", "AvailabilityZone": "us-west-2c"}, "us-west-2c"),
    ],
)  # fmt: skip
def test_an_error_of_a_fleet_names_the_zone_as_well_as_it_can(place: dict[str, str], zone: str) -> None:
    overrides = {"Overrides": {"InstanceType": "m5.large", **place}}
    error = {"ErrorCode": "Unsupported", "ErrorMessage": "Not here. ", "LaunchTemplateAndOverrides": overrides}
    assert answer.flatten(error, ZONES) == {
        "code": "Unsupported", "message": "Not here", "instance_type": "m5.large", "zone": zone
    }  # fmt: skip


@pytest.mark.parametrize(
    ("errors", "unsettled"),
    [
        ([], False),
        ([lacking()], False),
        ([lacking("InvalidGroup.NotFound")], True),
        ([lacking("InvalidLaunchTemplateId.VersionNotFound")], True),
        ([lacking("InvalidParameterValue", "Invalid IAM Instance Profile name")], True),
        ([lacking("InvalidGroup.NotFound"), lacking()], True),
        ([lacking("InvalidFleetConfiguration", "Not here."), lacking("InvalidGroup.NotFound", zone="b")], True),
        ([lacking("InvalidFleetConfiguration", "Not here."), lacking(zone="b")], False),
        ([lacking("InvalidGroup.NotFound"), lacking("UnauthorizedOperation", zone="b")], False),
    ],
)
def test_waiting_helps_where_something_is_new_and_all_else_lacks_capacity(
    errors: list[dict[str, str]], unsettled: bool
) -> None:
    assert answer.is_unsettled(errors) is unsettled


def test_what_is_full_has_no_error() -> None:
    assert answer.report(OPTIONS, ["i-1", "i-2", "i-3"], ["i-3"], []) == {
        "changed": True, "instance_ids": ["i-1", "i-2", "i-3"], "launched": ["i-3"], "node_type": "m5.large",
        "wanted": 3, "missing": 0, "errors": [],
    }  # fmt: skip


def test_with_some_there_the_error_is_part_of_the_result() -> None:
    report = answer.report(OPTIONS, ["i-1"], [], [lacking(), lacking(), lacking(zone="b")])
    assert (report["missing"], report["changed"], report["toilctl_error"]["code"]) == (2, False, "partial")
    assert report["toilctl_error"]["message"] == (
        "2 of 3 worker nodes m5.large could not be launched: InsufficientInstanceCapacity in a: None left; "
        "InsufficientInstanceCapacity in b: None left."
    )


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], "capacity"), ([lacking()], "capacity"), ([lacking("UnauthorizedOperation")], "credentials"),
        ([lacking("AuthFailure", "The service-linked role is missing")], "credentials"),
        ([lacking("InternalFailure")], "InternalFailure"),
    ],
)  # fmt: skip
def test_with_none_there_the_first_reason_is_the_kind_of_the_failure(errors: list[dict[str, str]], code: str) -> None:
    with pytest.raises(aws.AwsError) as failed:
        answer.report(OPTIONS, [], [], errors)
    assert failed.value.code == code
    assert failed.value.next_step
    assert (failed.value.facts["wanted"], failed.value.facts["missing"]) == (3, 3)


@pytest.mark.parametrize(
    ("instance_type", "bid", "told"),
    [
        ("m5.large", None, "--quota-code L-1216C47A"),
        ("c4.8xlarge", 0.6, "--quota-code L-34B43A08"),
        ("p3.2xlarge", None, "ask AWS for a larger vCPU quota: Service Quotas, EC2, us-west-2"),
        ("inf1.xlarge", None, "Service Quotas, EC2, us-west-2"),
    ],
)
def test_advice_on_a_quota_names_the_one_of_the_family_and_market(
    instance_type: str, bid: float | None, told: str
) -> None:
    options = {"region": "us-west-2", "instance_types": [instance_type], "spot_bid": bid}
    assert told in answer.advice(options, "VcpuLimitExceeded")
