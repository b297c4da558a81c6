from __future__ import annotations

import pytest

from toilctl.system import price_table
from toilctl.values.node_types import NodeType


@pytest.mark.parametrize(
    ("name", "price"), [("t2.micro", 0.0116), ("m5.large", 0.096), ("c5.9xlarge", 1.53), ("r5.24xlarge", 6.048)]
)
def test_price_follows_the_size(name, price):
    assert price_table.on_demand("us-west-2", name) == pytest.approx(price, rel=0.01)


@pytest.mark.parametrize(
    ("region", "name"), [("eu-north-1", "t2.micro"), ("us-west-2", "x9.large"), ("us-west-2", "m5.metal")]
)
def test_price_that_is_not_known(region, name):
    assert price_table.on_demand(region, name) is None


def test_bid_is_an_upper_bound_and_alternatives_count_as_the_dearest():
    wanted = [
        (NodeType.parse("t2.micro"), 1),
        (NodeType.parse("c5.large:0.05"), 10),
        (NodeType.parse("m5.large/m5a.large"), 1),
    ]
    cost = price_table.cost("us-west-2", wanted)
    assert cost.text().startswith("at most $0.61 per hour")


def test_unknown_price_is_named_not_guessed():
    cost = price_table.cost("us-west-2", [(NodeType.parse("t2.micro"), 1), (NodeType.parse("x9.large"), 2)])
    assert cost.text() == "unknown (no price is known here for x9.large)"


def test_node_type_without_nodes_costs_nothing():
    assert price_table.cost("us-west-2", [(NodeType.parse("x9.large"), 0)]).usd_per_hour == 0


@pytest.mark.parametrize(
    ("name", "vcpus", "memory_gib"), [("c5.large", 2, 4), ("m5.2xlarge", 8, 32), ("r5.24xlarge", 96, 768)]
)
def test_estimate_by_size_is_close_to_a_known_price(name, vcpus, memory_gib):
    assert price_table.estimated(vcpus, memory_gib * 1024) == pytest.approx(
        price_table.on_demand("us-west-2", name), rel=0.02
    )
