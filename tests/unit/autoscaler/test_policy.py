from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from toilctl.autoscaler.policy import Limits, NodeLimits, Policy, Tuning, zip_limits
from toilctl.errors import UsageError
from toilctl.node_types import NodeType

SPOT, MEMORY = NodeType.parse("c4.8xlarge/c5.9xlarge:0.6"), NodeType.parse("r3.8xlarge")
SHARED = Path(__file__).parents[3] / "inventory" / "group_vars" / "all.yml"
VALUES = {
    "target_time_s": 1800, "beta_inertia": 0.1, "scale_interval_s": 30, "preemptible_compensation": 0,
    "idle_timeout_s": 300, "join_deadline_s": 900, "spot_fallback_after_s": 0, "max_usd_per_hour": 0, "budget_usd": 0,
}  # fmt: skip

prices = st.floats(min_value=1e-7, max_value=1e7, allow_nan=False)
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
    # The text of a bid has six digits, so that only what was once read from text comes back exactly.
    limits = NodeLimits(NodeType.parse(str(node_type)), least, least + more)
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


def test_the_shared_defaults_are_a_tuning() -> None:
    shared = yaml.safe_load(SHARED.read_text())
    tuning = Tuning.of(shared)
    assert {one.name: getattr(tuning, one.name) for one in fields(Tuning)} == VALUES


def test_a_tuning_comes_back_from_its_text() -> None:
    tuning = Tuning.of(VALUES)
    assert str(tuning).startswith("target_time_s=1800 beta_inertia=0.1 ")
    assert Tuning.parse(str(tuning)) == tuning


@settings(deadline=None)
@given(st.floats(1, 1e9), st.floats(0, 0.9), st.floats(0, 1e9))
def test_any_tuning_comes_back_from_its_text(target_s: float, beta: float, idle_s: float) -> None:
    tuning = Tuning.of(VALUES | {"target_time_s": target_s, "beta_inertia": beta, "idle_timeout_s": idle_s})
    assert Tuning.parse(str(tuning)) == tuning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_time_s", 0), ("target_time_s", float("inf")), ("beta_inertia", 0.95), ("beta_inertia", -0.1),
        ("scale_interval_s", 0), ("scale_interval_s", 7200), ("preemptible_compensation", 1.1),
        ("idle_timeout_s", -1), ("join_deadline_s", 0), ("beta_inertia", float("nan")),
        ("target_time_s", "soon"), ("target_time_s", None), ("target_time_s", True), ("idle_timeout_s", [1]),
    ],
)  # fmt: skip
def test_a_value_out_of_its_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        Tuning.of(VALUES | {name: value})


@pytest.mark.parametrize(("name", "value"), [("beta_inertia", 0), ("beta_inertia", 0.9), ("idle_timeout_s", 0)])
def test_the_ends_of_a_range_are_allowed(name: str, value: float) -> None:
    assert getattr(Tuning.of(VALUES | {name: value}), name) == value


def test_a_missing_value_is_refused_by_name() -> None:
    text = str(Tuning.of(VALUES)).replace("join_deadline_s=900", "")
    with pytest.raises(UsageError, match="join_deadline_s"):
        Tuning.parse(text)


def test_a_node_type_that_is_no_longer_allowed_has_none_to_spare() -> None:
    policy = Policy(Limits.parse("r3.8xlarge=1..2"), Tuning.of(VALUES), ("us-west-2a",))
    assert policy.limits_of(MEMORY) == NodeLimits(MEMORY, 1, 2)
    assert policy.limits_of(SPOT) == NodeLimits(SPOT, 0, 0)
    assert policy.node_types == (MEMORY,)
