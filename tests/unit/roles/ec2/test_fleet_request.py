"""What is asked of EC2 for a fleet, and when an attempt without an answer is asked for again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.roles.conftest import shared

asked = shared("toilctl_fleet_request")
OPTIONS: dict[str, Any] = {
    "cluster": "my", "generation": "0123abcd", "role": "worker", "node_type": "m5.large/c5.large", "intent": "i-1",
    "instance_types": ["m5.large", "c5.large"], "spot_bid": None, "subnet_ids": ["subnet-a", "subnet-b"],
    "zones": {"subnet-a": "us-west-2a", "subnet-b": "us-west-2b"}, "without": [], "tags": {"Owner": "me"},
    "launch_template": {"id": "lt-1", "version": 3},
}  # fmt: skip
SPOT = OPTIONS | {"spot_bid": 0.6}


def test_on_demand_the_order_of_instance_types_is_their_priority() -> None:
    request = asked.request(OPTIONS, 5)
    (config,) = request["LaunchTemplateConfigs"]
    assert config["LaunchTemplateSpecification"] == {"LaunchTemplateId": "lt-1", "Version": "3"}
    assert [(one["InstanceType"], one["SubnetId"], one["Priority"]) for one in config["Overrides"]] == [
        ("m5.large", "subnet-a", 0.0), ("m5.large", "subnet-b", 0.0),
        ("c5.large", "subnet-a", 1.0), ("c5.large", "subnet-b", 1.0),
    ]  # fmt: skip
    assert request["TargetCapacitySpecification"] == {
        "TotalTargetCapacity": 5, "DefaultTargetCapacityType": "on-demand"
    }  # fmt: skip
    assert request["OnDemandOptions"] == {"AllocationStrategy": "prioritized"}
    assert "SpotOptions" not in request


def test_a_bid_is_the_most_that_each_offering_may_cost() -> None:
    request = asked.request(SPOT, 1)
    assert {one["MaxPrice"] for one in request["LaunchTemplateConfigs"][0]["Overrides"]} == {"0.6"}
    assert request["TargetCapacitySpecification"]["DefaultTargetCapacityType"] == "spot"
    assert "OnDemandOptions" not in request


def test_nodes_have_their_own_tags_beside_those_of_the_user() -> None:
    for specification in asked.request(OPTIONS, 1)["TagSpecifications"]:
        assert {tag["Key"]: tag["Value"] for tag in specification["Tags"]} == {
            "Owner": "me", "toilctl:cluster": "my", "toilctl:generation": "0123abcd", "toilctl:role": "worker",
            "toilctl:node-type": "m5.large/c5.large", "toilctl:intent": "i-1",
        }  # fmt: skip


def test_offerings_that_are_set_aside_are_left_out_by_type_and_zone() -> None:
    without = [{"instance_type": "m5.large", "zone": "us-west-2b"}, {"instance_type": "c5.large", "zone": "us-west-2a"}]
    left = asked.overrides(OPTIONS | {"without": without})
    assert [(one["InstanceType"], one["SubnetId"]) for one in left] == [
        ("m5.large", "subnet-a"), ("c5.large", "subnet-b")
    ]  # fmt: skip


def test_the_token_depends_on_everything_that_makes_a_launch_another_one() -> None:
    first, second = {"generation": "aaaa"}, {"generation": "bbbb"}
    tokens = {
        asked.token(options, complete, attempt)
        for options in (first, second)
        for complete in ({"count": 1}, {"count": 2})
        for attempt in (0, 1)
    }
    assert len(tokens) == 8
    assert {len(token) for token in tokens} == {64}


@pytest.mark.parametrize("text", [None, "", "0", "4", "4 3 1700000000 " + "a" * 64])
def test_a_ledger_comes_back_from_its_tag(text: str | None) -> None:
    assert str(asked.Ledger.parse(text)) == (text or "0")


def test_an_attempt_without_an_answer_is_repeated_as_it_was() -> None:
    begun = asked.Ledger(2).begin(OPTIONS, 5, now=1000)
    assert (begun.attempt, begun.count, begun.since) == (2, 5, 1000)
    again = asked.Ledger.parse(str(begun))
    assert again.begin(OPTIONS, 3, now=1000 + asked.REPEATABLE_S - 1) == again


@pytest.mark.parametrize(
    ("options", "later_s"), [(OPTIONS, 600), (SPOT, 1), (OPTIONS | {"intent": "i-2"}, 1)], ids=["late", "bid", "intent"]
)
def test_an_attempt_that_cannot_be_repeated_makes_room_for_the_next(options: dict[str, Any], later_s: int) -> None:
    begun = asked.Ledger(2).begin(OPTIONS, 5, now=1000)
    other = begun.begin(options, 3, now=1000 + later_s)
    assert (other.attempt, other.count) == (3, 3)
    assert other.token != begun.token


def test_after_an_answer_the_next_attempt_has_the_next_number_and_token() -> None:
    begun = asked.Ledger(2).begin(OPTIONS, 5, now=1000)
    assert str(begun.ended()) == "3"
    assert begun.ended().begin(OPTIONS, 5, now=1001).token != begun.token
