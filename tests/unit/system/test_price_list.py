"""AWS's prices, of the rehearsal cloud's Price List and spot market."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from toilctl.autoscaler.observe.price_cache import PricesKnown
from toilctl.local.process.testing import TestCloud
from toilctl.system import price_list, price_table

NOW = datetime.now(UTC)
REGION = "us-west-2"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_price_list_tells_an_on_demand_price(aws_env: TestCloud):
    assert price_list.on_demand(REGION, "r3.8xlarge") == pytest.approx(2.66)
    assert price_list.on_demand(REGION, "z9.nothing") is None


def test_other_partitions_have_no_price_list_that_is_asked(aws_env: TestCloud):
    assert [price_list.on_demand(region, "c5.large") for region in ("cn-north-1", "us-gov-west-1")] == [None, None]
    assert aws_env.cloud.calls["pricing:GetProducts"] == 0


def test_spot_market_tells_a_price_per_zone(aws_env: TestCloud):
    aws_env.cloud.faults.set("spot-price", instance_type="c5.large", zone="us-west-2b", price=0.05)
    found = price_list.spot(REGION, {"c5.large", "m5.large"}, NOW)
    assert found["c5.large", "us-west-2b"] == 0.05
    assert found["c5.large", "us-west-2a"] == pytest.approx(0.0255)
    assert ("m5.large", "us-west-2a") in found


def test_prices_are_asked_once_and_again_when_they_are_old(aws_env: TestCloud):
    known = PricesKnown()
    for seconds in (0, 60, 299):
        known.learn(REGION, ["c5.large"], ["c5.large"], later(seconds))
    calls = aws_env.cloud.calls
    assert (calls["pricing:GetProducts"], calls["ec2:DescribeSpotPriceHistory"]) == (1, 1)
    known.learn(REGION, ["c5.large"], ["c5.large"], later(301))
    assert (calls["pricing:GetProducts"], calls["ec2:DescribeSpotPriceHistory"]) == (1, 2)
    known.learn(REGION, ["c5.large"], ["m5.large"], later(302))
    assert calls["ec2:DescribeSpotPriceHistory"] == 3


def test_without_the_price_list_the_shipped_table_tells_and_it_is_not_asked_at_every_tick(aws_env: TestCloud):
    aws_env.cloud.faults.set("no-prices")
    known = PricesKnown()
    for seconds in (0, 30, 60):
        known.learn(REGION, ["c5.large", "r3.8xlarge"], [], later(seconds))
    assert aws_env.cloud.calls["pricing:GetProducts"] == 1
    assert known.on_demand(REGION, "c5.large") == price_table.on_demand(REGION, "c5.large")
    assert known.on_demand(REGION, "z9.nothing") is None


def test_price_of_aws_counts_before_the_shipped_one(monkeypatch):
    monkeypatch.setattr(price_list, "on_demand", lambda region, name: 0.123)
    known = PricesKnown()
    known.learn(REGION, ["c5.large"], [], NOW)
    assert known.on_demand(REGION, "c5.large") == 0.123


def test_spot_market_that_does_not_answer_leaves_the_last_prices(aws_env: TestCloud, monkeypatch):
    known = PricesKnown()
    known.learn(REGION, [], ["c5.large"], NOW)
    monkeypatch.setattr(price_list, "spot", lambda *_: 1 / 0)
    known.learn(REGION, [], ["c5.large"], later(600))
    assert known.spot("c5.large", "us-west-2a") == pytest.approx(0.0255)
