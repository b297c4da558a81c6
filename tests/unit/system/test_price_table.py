from __future__ import annotations

from dataclasses import replace

import pytest

from toilctl.system import price_table
from toilctl.values.cluster import Node, Role
from toilctl.values.node_types import NodeType


def nodes(node_type: str, count: int = 1, root_gb: int = 0, public_address: bool = False) -> price_table.Nodes:
    return price_table.Nodes(NodeType.parse(node_type), count, root_gb, public_address)


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
    wanted = [nodes("t2.micro"), nodes("c5.large:0.05", 10), nodes("m5.large/m5a.large")]
    cost = price_table.cost("us-west-2", wanted)
    assert cost.text().startswith("at most $0.61 per hour")


@pytest.mark.parametrize(
    ("root_gb", "public_address", "more"), [(0, True, 0.005), (73, False, 0.008), (730, True, 0.085)]
)
def test_root_volume_and_public_address_of_each_node_count(root_gb, public_address, more):
    one, ten = (price_table.cost("us-west-2", [nodes("m5.large", count)]).usd_per_hour for count in (1, 10))
    cost = price_table.cost("us-west-2", [nodes("m5.large", 10, root_gb, public_address)])
    assert cost.usd_per_hour == pytest.approx(ten + 10 * more)
    assert price_table.cost("us-west-2", [nodes("m5.large:0.05", 1, root_gb, public_address)]).usd_per_hour == (
        pytest.approx(0.05 + more)
    )
    assert one == pytest.approx(0.096)


def test_nodes_that_are_there_are_billed_with_what_they_have():
    kind = NodeType.parse("m5.large")
    running = Node("i-1", Role.WORKER, kind, "m5.large", "running", "us-west-2a", "10.0.0.1", None, False, "")
    public = replace(running, public_address="54.0.0.1", storage_gb=73)
    gone = replace(public, state="terminated")
    assert [*price_table.there([running, public, gone])] == [nodes("m5.large"), nodes("m5.large", 1, 73, True)]


def test_unknown_price_is_named_not_guessed():
    cost = price_table.cost("us-west-2", [nodes("t2.micro"), nodes("x9.large", 2)])
    assert cost.text() == "unknown (no price is known here for x9.large)"


def test_node_type_without_nodes_costs_nothing():
    assert price_table.cost("us-west-2", [nodes("x9.large", 0, 50, True)]).usd_per_hour == 0


@pytest.mark.parametrize(
    ("name", "vcpus", "memory_gib"), [("c5.large", 2, 4), ("m5.2xlarge", 8, 32), ("r5.24xlarge", 96, 768)]
)
def test_estimate_by_size_is_close_to_a_known_price(name, vcpus, memory_gib):
    assert price_table.estimated(vcpus, memory_gib * 1024) == pytest.approx(
        price_table.on_demand("us-west-2", name), rel=0.02
    )
