"""Limits and tuning from what a user asks, what was before, and the shared defaults."""

from __future__ import annotations

import pytest

from toilctl.system import variables
from toilctl.values import tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeTypes
from toilctl.values.scaling_policy import Limits
from toilctl.verbs.settings import scaling
from toilctl.verbs.settings.scaling import ScalingWish

TYPES = NodeTypes.parse("c4.8xlarge:0.6,r3.8xlarge")
BEFORE = scaling.decide(ScalingWish(min_nodes=(1, 0), max_nodes=(20, 2), tuning={"idle_timeout_s": 60.0}), TYPES)


def limits(wish: ScalingWish, types: NodeTypes = TYPES, before: scaling.Scaling | None = None) -> str:
    return str(scaling.decide(wish, types, before).limits)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (ScalingWish(max_nodes=(20, 2)), "c4.8xlarge:0.6=0..20,r3.8xlarge=0..2"),
        (ScalingWish(max_nodes=(3,)), "c4.8xlarge:0.6=0..3,r3.8xlarge=0..3"),
        (ScalingWish(min_nodes=(1, 0), max_nodes=(3,)), "c4.8xlarge:0.6=1..3,r3.8xlarge=0..3"),
        (ScalingWish(max_nodes=(2,), max_preemptible_nodes=9), "c4.8xlarge:0.6=0..9,r3.8xlarge=0..2"),
        (
            ScalingWish(max_nodes=(2,), max_preemptible_nodes=9, min_preemptible_nodes=4),
            "c4.8xlarge:0.6=4..9,r3.8xlarge=0..2",
        ),
    ],
)
def test_limits_of_two_node_types(wish: ScalingWish, told: str) -> None:
    assert limits(wish) == told


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (ScalingWish(), "c4.8xlarge:0.6=1..20,r3.8xlarge=0..2"),
        (ScalingWish(max_nodes=(5,)), "c4.8xlarge:0.6=1..5,r3.8xlarge=0..5"),
        (ScalingWish(min_nodes=(0,)), "c4.8xlarge:0.6=0..20,r3.8xlarge=0..2"),
        (ScalingWish(max_preemptible_nodes=30), "c4.8xlarge:0.6=1..30,r3.8xlarge=0..2"),
    ],
)
def test_what_is_not_asked_for_stays(wish: ScalingWish, told: str) -> None:
    assert limits(wish, before=BEFORE) == told
    assert scaling.decide(wish, TYPES, BEFORE).tuning.idle_timeout_s == 60


def test_node_types_keep_their_limits_wherever_they_stand() -> None:
    assert limits(ScalingWish(), NodeTypes(reversed(TYPES)), BEFORE) == "r3.8xlarge=0..2,c4.8xlarge:0.6=1..20"


def test_new_node_type_needs_a_maximum() -> None:
    with pytest.raises(UsageError, match=r"How many nodes of m5\.large there may be was not said"):
        scaling.decide(ScalingWish(), NodeTypes.parse("r3.8xlarge,m5.large"), BEFORE)


def test_tuning_that_nobody_asked_for_is_the_shared_default() -> None:
    tuning = scaling.decide(ScalingWish(max_nodes=(1,)), TYPES).tuning
    assert tuning.target_time_s == variables.defaults()["target_time_s"]
    assert tuning.scale_interval_s == variables.defaults()["scale_interval_s"]


def test_tags_are_read_back() -> None:
    cluster = Cluster("c", "us-west-2", "0", "sg-1", BEFORE.settings())
    assert scaling.of_cluster(cluster) == BEFORE


def test_tuning_of_an_older_toilctl_is_filled_up_with_the_defaults() -> None:
    has = {tags.LIMITS: "r3.8xlarge=0..2", tags.AUTOSCALER: "idle_timeout_s=60"}
    found = scaling.of_cluster(Cluster("c", "us-west-2", "0", "sg-1", has))
    assert found is not None
    assert (found.tuning.idle_timeout_s, found.tuning.target_time_s) == (60, variables.defaults()["target_time_s"])


@pytest.mark.parametrize(
    ("asked", "had", "may"), [(None, "yes", True), (None, "no", False), (False, "yes", False), (True, "no", True)]
)
def test_spot_workers_stay_allowed_to_jobs_with_limits_or_without(asked: bool | None, had: str, may: bool) -> None:
    before = scaling.told(Cluster("c", "us-west-2", "0", "sg-1", {tags.LIMITS: "", tags.DEFAULT_PREEMPTIBLE: had}))
    wish = ScalingWish(max_nodes=(1,), default_preemptible=asked)
    assert scaling.default_preemptible(wish, before) is may
    assert scaling.decide(wish, TYPES, before).default_preemptible is may


def test_cluster_without_limits_is_not_autoscaled() -> None:
    for has in ({}, {tags.LIMITS: ""}):
        assert scaling.of_cluster(Cluster("c", "us-west-2", "0", "sg-1", has)) is None


@pytest.mark.parametrize(
    ("limited", "preemptible", "noted"),
    [
        ("m5.large:0.1=0..2", False, True), ("m5.large:0.1=0..2", True, False),
        ("m5.large:0.1=0..2,m5.large=0..1", False, False), ("m5.large:0.1=0..2,m5.large=0..0", False, True),
    ],
)  # fmt: skip
def test_only_spot_workers_are_noted(limited: str, preemptible: bool, noted: bool) -> None:
    assert bool(scaling.Scaling(Limits.parse(limited), BEFORE.tuning, preemptible).note) is noted
