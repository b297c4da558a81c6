"""The same launch again changes nothing, whatever values it has, and advice about another one makes it so."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import typer.main
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.values.tunings import tunings
from tests.unit.verbs.plans import PLAIN, TYPES, launched, plan, scales
from toilctl.cli.app import app
from toilctl.values import tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConflictError
from toilctl.values.node_types import NodeTypes
from toilctl.values.tuning import SETTINGS, Tuning
from toilctl.verbs.clusters import same_cluster
from toilctl.verbs.clusters.launch_plan import LaunchPlan
from toilctl.verbs.settings import scaling


def advised(cluster: Cluster, asked: LaunchPlan) -> scaling.Scaling:
    """Type the options of the autoscale command that a refusal advises, and return what comes of them."""
    with pytest.raises(ConflictError) as refused:
        same_cluster.checked(asked, cluster)
    (words,) = re.findall(r"^Change them: toilctl (autoscale .*)$", refused.value.next_step)
    command = typer.main.get_command(app).commands["autoscale"]
    parsed = command.make_context("autoscale", words.split()[1:], resilient_parsing=False).params
    tuning = {name: parsed[name] for name in SETTINGS if parsed[name] is not None}
    assert tuning
    wish = scaling.ScalingWish(tuning=tuning, min_nodes=parsed["min_nodes"], max_nodes=parsed["max_nodes"],
                        default_preemptible=parsed["default_preemptible"])  # fmt: skip
    return scaling.decide(wish, TYPES, scaling.of_cluster(cluster))


@settings(deadline=None, max_examples=examples(100))
@given(tunings, st.booleans())
def test_same_launch_again_is_that_of_the_same_cluster(tuning: Tuning, preemptible: bool) -> None:
    asked = plan(scales(tuning, preemptible=preemptible))
    assert same_cluster.checked(asked, launched(asked)).scaling == asked.scaling
    assert scaling.of_cluster(launched(asked)) == asked.scaling


@settings(deadline=None, max_examples=examples(50))
@given(tunings)
def test_what_a_refusal_advises_makes_the_cluster_as_it_was_asked_for(tuning: Tuning) -> None:
    had, asked = plan(scales(PLAIN)), plan(scales(tuning))
    if tuning != PLAIN:
        assert advised(launched(had), asked) == asked.scaling


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("preemptible_compensation", 0.3333333, "0.3333333"), ("target_time_s", 1234567, "1234567")],
)
def test_value_of_more_than_six_digits_is_neither_refused_nor_cut(name: str, value: float, told: str) -> None:
    asked = plan(scales(replace(PLAIN, **{name: value})))
    assert f"{name}={told} " in f"{launched(asked).settings[tags.AUTOSCALER]} "
    same_cluster.checked(asked, launched(asked))
    assert advised(launched(plan(scales(PLAIN))), asked) == asked.scaling


OLD = {tags.NODE_TYPES: str(TYPES), tags.WORKERS: "2,1", tags.NODE_STORAGE: "50"}


@pytest.mark.parametrize("autoscaled", [True, False])
@pytest.mark.parametrize(("sizes", "tag"), [(50, "50"), ("50,100", "50,100")])
def test_cluster_of_the_last_release_is_completed_by_its_own_launch(autoscaled: bool, sizes: Any, tag: str) -> None:
    asked = plan(scales(PLAIN) if autoscaled else None, node_storage_gb=sizes)
    own = {tags.AUTOSCALER: "target_time_s=1800 beta_inertia=0.1 scale_interval_s=30"} if autoscaled else {}
    same_cluster.checked(asked, launched(asked, **{**OLD, tags.NODE_STORAGE: tag, **own}))


@pytest.mark.parametrize("older", [{}, OLD])
@pytest.mark.parametrize(
    ("changed", "told", "advice"),
    [
        ({"worker_counts": (3, 1)}, "workers is c4.8xlarge:0.6=2,r3.8xlarge=1, not c4.8xlarge:0.6=3,r3", "-w 3,1"),
        ({"node_types": NodeTypes(reversed(TYPES))}, "node-types is c4.8xlarge:0.6,r3.8xlarge, not r3.8xlarge,c4", ""),
        ({"node_storage_gb": "50,60"}, "node-storage-gb is 50, not c4.8xlarge:0.6=50,r3.8xlarge=60", ""),
    ],
)
def test_another_launch_is_refused_with_what_differs(
    older: dict[str, str], changed: dict[str, Any], told: str, advice: str
) -> None:
    with pytest.raises(ConflictError) as refused:
        same_cluster.checked(plan(**changed), launched(plan(), **older))
    assert f"with other settings: {told}" in refused.value.message
    assert advice in refused.value.next_step
    assert ";" not in refused.value.message
