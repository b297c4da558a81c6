"""Setting, finding and clearing faults."""

from __future__ import annotations

from typing import Any

import pytest

from toilctl.local.aws.base.faults import KINDS, Faults
from toilctl.values.errors import UsageError


@pytest.fixture
def faults() -> Faults:
    return Faults()


def test_fault_applies_where_it_says_and_everywhere_it_does_not(faults: Faults) -> None:
    faults.set("insufficient-capacity", instance_type="c4.8xlarge", market="spot")
    place = {"instance_type": "c4.8xlarge", "zone": "us-west-2a", "market": "spot"}
    assert faults.find("insufficient-capacity", **place)
    assert not faults.find("insufficient-capacity", **{**place, "market": "on-demand"})
    assert not faults.find("vcpu-quota", **place)


def test_same_place_is_replaced_and_another_is_added(faults: Faults) -> None:
    faults.set("insufficient-capacity", zone="us-west-2a", count=1)
    faults.set("insufficient-capacity", zone="us-west-2a", count=2)
    faults.set("insufficient-capacity", zone="us-west-2b")
    assert [(fault["zone"], fault["count"]) for fault in faults.active()] == [("us-west-2a", 2), ("us-west-2b", 0)]


def test_text_from_a_command_line_is_converted(faults: Faults) -> None:
    assert faults.set("vcpu-quota", vcpus="32")["vcpus"] == 32
    assert faults.set("boot-delay", seconds="1.5")["seconds"] == 1.5


def test_counted_fault_is_used_up(faults: Faults) -> None:
    faults.set("throttle", action="RunInstances", count=2)
    taken = [faults.take("throttle", action="RunInstances") for _ in range(3)]
    assert taken == [True, True, False]


def test_count_that_is_left_out_of_never_boot_means_all(faults: Faults) -> None:
    faults.set("never-boot")
    assert all(faults.take("never-boot", instance_type="t2.micro") for _ in range(10))


def test_fault_that_is_used_up_leaves_room_for_another(faults: Faults) -> None:
    faults.set("never-boot", count=2)
    faults.set("never-boot", instance_type="t2.micro", count=1)
    taken = [faults.take("never-boot", instance_type="t2.micro") for _ in range(4)]
    assert taken == [True, True, True, False]


def test_fault_without_parameters_is_set_or_not(faults: Faults) -> None:
    assert faults.set("no-prices") == {"name": "no-prices"}
    assert faults.find("no-prices")
    assert faults.clear("no-prices") == 1
    assert not faults.find("no-prices")


def test_interruption_has_its_defaults(faults: Faults) -> None:
    assert faults.set("interrupt", instance_id="i-1") == {
        "name": "interrupt", "instance_id": "i-1", "instance_type": "*", "zone": "*",
        "count": 1, "seconds": 120.0, "status": "instance-terminated-no-capacity",
    }  # fmt: skip


def test_clearing_by_name_by_place_and_of_all(faults: Faults) -> None:
    for zone in ("a", "b"):
        faults.set("insufficient-capacity", zone=zone)
    faults.set("throttle")
    assert faults.clear("insufficient-capacity", zone="a") == 1
    assert faults.clear("insufficient-capacity") == 1
    assert faults.clear() == 1
    assert faults.active() == []


@pytest.mark.parametrize(
    ("name", "params", "word"),
    [
        ("rain", {}, "rain"),
        ("vcpu-quota", {}, "vcpus"),
        ("vcpu-quota", {"vcpus": "many"}, "many"),
        ("vcpu-quota", {"vcpus": 1, "colour": "red"}, "colour"),
        ("vcpu-quota", {"vcpus": 1, "market": "black"}, "black"),
        ("service-linked-role-missing", {}, "service"),
        ("interrupt", {"status": "fulfilled"}, "fulfilled"),
        ("interrupt", {"seconds": "soon"}, "soon"),
        ("interrupt", {"seconds": "inf"}, "inf"),
        ("rebalance", {"seconds": 1}, "seconds"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(faults: Faults, name: str, params: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        faults.set(name, **params)
    with pytest.raises(UsageError):
        faults.clear("rain")


def test_delays_have_their_defaults(faults: Faults) -> None:
    assert faults.seconds("profile-delay") == 10
    assert faults.seconds("boot-delay", instance_type="t2.micro") == 0
    faults.set("boot-delay", seconds=5)
    assert faults.seconds("boot-delay", instance_type="t2.micro") == 5


def test_every_fault_says_what_it_does() -> None:
    assert all(kind.summary for kind in KINDS.values())
