from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toilctl.system import variables
from toilctl.values import aws_limits
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits, NodeLimits, Policy, zip_limits
from toilctl.values.tuning import Tuning

SPOT, MEMORY = NodeType.parse("c4.8xlarge/c5.9xlarge:0.6"), NodeType.parse("r3.8xlarge")

prices = st.floats(min_value=aws_limits.LEAST_SPOT_PRICE, max_value=1e7, allow_nan=False)
node_types = st.builds(NodeType, st.sampled_from([("c4.8xlarge",), ("m5.large", "m5a.large")]), st.none() | prices)


def test_limits_are_read_with_bid_and_equivalents() -> None:
    assert NodeLimits.parse("c4.8xlarge/c5.9xlarge:0.6=1..20") == NodeLimits(SPOT, 1, 20)


def test_limits_of_several_node_types_keep_their_order() -> None:
    limits = Limits.parse("r3.8xlarge=0..2, c4.8xlarge/c5.9xlarge:0.6=0..20")
    assert [one.node_type for one in limits] == [MEMORY, SPOT]
    assert str(limits) == "r3.8xlarge=0..2,c4.8xlarge/c5.9xlarge:0.6=0..20"


def test_an_empty_text_limits_nothing() -> None:
    assert Limits.parse("") == ()


@settings(deadline=None)
@given(node_types, st.integers(0, 1000), st.integers(0, 1000))
def test_limits_come_back_from_their_text(node_type: NodeType, least: int, more: int) -> None:
    limits = NodeLimits(node_type, least, least + more)
    assert NodeLimits.parse(str(limits)) == limits


@pytest.mark.parametrize(
    "text", ["", "r3.8xlarge", "r3.8xlarge=2", "r3.8xlarge=-1..2", "r3.8xlarge=0..", "=0..2", "r3.8xlarge=0..2.5"]
)
def test_limits_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"MIN\.\.MAX"):
        NodeLimits.parse(text)


def test_a_minimum_above_the_maximum_is_refused_with_both() -> None:
    with pytest.raises(UsageError, match=r"minimum of r3\.8xlarge is 3, above its maximum of 2"):
        NodeLimits.parse("r3.8xlarge=3..2")


def test_a_bid_that_is_no_price_is_refused() -> None:
    with pytest.raises(UsageError, match="not a price"):
        NodeLimits.parse("r3.8xlarge:free=0..2")


def test_a_node_type_limited_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        Limits.parse("r3.8xlarge=0..2,r3.8xlarge=0..3")


def test_positional_lists_become_limits() -> None:
    assert str(zip_limits([SPOT, MEMORY], [0, 1], [20, 2])) == "c4.8xlarge/c5.9xlarge:0.6=0..20,r3.8xlarge=1..2"


def test_a_positional_minimum_above_its_maximum_is_refused() -> None:
    with pytest.raises(UsageError, match="above its maximum"):
        zip_limits([MEMORY], [3], [2])


def test_positional_lists_of_unequal_length_are_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="zip"):
        zip_limits([MEMORY], [3], [])


def test_a_node_type_that_is_no_longer_allowed_has_none_to_spare() -> None:
    policy = Policy(Limits.parse("r3.8xlarge=1..2"), Tuning.of(variables.defaults()), ("us-west-2a",))
    assert policy.limits_of(MEMORY) == NodeLimits(MEMORY, 1, 2)
    assert policy.limits_of(SPOT) == NodeLimits(SPOT, 0, 0)
    assert policy.node_types == (MEMORY,)
