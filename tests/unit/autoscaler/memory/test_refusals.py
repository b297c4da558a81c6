"""What EC2 refused and what failed to join, as data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from toilctl.autoscaler.memory.refusals import Failures, Refusals
from toilctl.autoscaler.model.playbook_events import LaunchRefusal
from toilctl.autoscaler.model.snapshot import Offering
from toilctl.values.node_types import NodeType

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPOT = NodeType.parse("c4.8xlarge/c5.9xlarge:0.6")
ZONES = ("us-west-2a", "us-west-2b")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def places(refusals: Refusals, now: datetime = NOW) -> set[tuple[str, str]]:
    return {(one.offering.instance_type, one.offering.zone) for one in refusals.active(now)}


ALL = {(kind, zone) for kind in SPOT.instance_types for zone in ZONES}


def test_offering_without_capacity_is_set_aside_for_three_minutes():
    refusals = Refusals()
    refusals.add(SPOT, [LaunchRefusal("InsufficientInstanceCapacity", "none", "c4.8xlarge", "us-west-2a")], ZONES, NOW)
    (aside,) = refusals.active(later(179))
    assert aside.offering == Offering("c4.8xlarge", "us-west-2a", spot=True)
    assert (aside.code, aside.message) == ("InsufficientInstanceCapacity", "none")
    assert refusals.active(later(180)) == ()


@pytest.mark.parametrize("code", ["VcpuLimitExceeded", "MaxSpotInstanceCountExceeded"])
def test_quota_sets_all_of_the_market_aside(code):
    refusals = Refusals()
    refusals.add(SPOT, [LaunchRefusal(code, "", "c4.8xlarge", "us-west-2a")], ZONES, NOW)
    assert places(refusals) == ALL
    assert all(one.offering.spot for one in refusals.active(NOW))


def test_throttling_makes_the_node_type_wait_a_minute():
    refusals = Refusals()
    refusals.add(SPOT, [LaunchRefusal("RequestLimitExceeded")], ZONES, NOW)
    assert places(refusals, later(59)) == ALL
    assert places(refusals, later(61)) == set()


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (LaunchRefusal("UnfulfillableCapacity"), ALL),
        (LaunchRefusal("Unsupported", "", "c5.9xlarge", ""), {("c5.9xlarge", zone) for zone in ZONES}),
        (
            LaunchRefusal("InsufficientFreeAddressesInSubnet", "", "", "us-west-2b"),
            {(kind, "us-west-2b") for kind in SPOT.instance_types},
        ),
    ],
)
def test_what_ec2_does_not_say_may_be_any(refusal, expected):
    refusals = Refusals()
    refusals.add(SPOT, [refusal], ZONES, NOW)
    assert places(refusals) == expected


def test_third_failure_in_a_row_backs_a_node_type_off():
    failures = Failures()
    failures.add(SPOT, "no ssh", NOW)
    failures.add(SPOT, "no ssh", NOW)
    assert [(one.failures, one.until) for one in failures.back_offs()] == [(2, None)]
    failures.add(SPOT, "", NOW)
    (back_off,) = failures.back_offs()
    assert (back_off.failures, back_off.until, back_off.last_error) == (3, later(600), "no ssh")


def test_each_further_round_is_twice_as_long_up_to_two_hours():
    failures, now, lengths = Failures(), NOW, []
    for _ in range(3):
        failures.add(SPOT, "", now)
    for _ in range(6):
        (back_off,) = failures.back_offs()
        assert back_off.until is not None
        lengths.append((back_off.until - now).total_seconds())
        now = back_off.until
        failures.add(SPOT, "", now)
    assert lengths == [600, 1200, 2400, 4800, 7200, 7200]


def test_twenty_nodes_that_fail_together_are_one_round():
    failures = Failures()
    for _ in range(20):
        failures.add(SPOT, "", NOW)
    assert failures.back_offs()[0].until == later(600)


def test_node_that_joins_ends_the_row():
    failures = Failures()
    failures.add(SPOT, "", NOW)
    failures.joined(SPOT)
    assert failures.back_offs() == ()
