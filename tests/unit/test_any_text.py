"""What people, tags and leaders write, whatever it is: a value, or the one error that has a next step."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.odd_values import TEXTS, only, texts
from toilctl.autoscaler.journal.window import parse_moment
from toilctl.cli.base.numbers import Counts, Sizes, Workers
from toilctl.cli.base.scaling_options import OneCount
from toilctl.values import aws_limits, worker_tags
from toilctl.values.appliance import ImageReference
from toilctl.values.cluster import ClusterName, Zone
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.scaling_policy import Limits, NodeLimits
from toilctl.values.shared_storage import Shared
from toilctl.values.tuning import SETTINGS, Tuning
from toilctl.values.units import whole
from toilctl.verbs.connect import rsync_cluster, ssh_cluster
from toilctl.workflows.cactus import Genomes
from toilctl.workflows.command_line import WorkflowCommand
from toilctl.workflows.locator import Locator
from toilctl.workflows.runs import Variable

PARSERS: dict[str, Callable[[str], Any]] = {
    "node type": NodeType.parse, "node types": NodeTypes.parse, "limits of one": NodeLimits.parse,
    "limits": Limits.parse, "tuning": Tuning.parse, "one setting": SETTINGS["budget_usd"].read, "shared": Shared.parse,
    "cluster's name": ClusterName.parse, "zone": Zone.parse, "image": ImageReference.parse,
    "storage": worker_tags.NodeStorage.parse, "counts": Counts.parse, "workers": Workers.parse, "sizes": Sizes.parse,
    "one count": OneCount.parse, "genomes": Genomes.parse, "job store": Locator.parse, "variable": Variable.parse,
    "moment": parse_moment, "forward": ssh_cluster.parse_forward, "whole number": whole,
    "copy": lambda text: rsync_cluster.parse([text, ":/tmp"]),
    "command": lambda text: WorkflowCommand.parse((text,)),
    "commands": lambda text: WorkflowCommand.parse(("python", "a.py", *text.split(), "file:x")),
}  # fmt: skip
WRITTEN: dict[str, Callable[[str], Any]] = {
    name: PARSERS[name] for name in ("node type", "node types", "limits of one", "limits", "storage")
}  # fmt: skip
numbers = st.integers().map(str) | st.floats().map(repr) | st.sampled_from(["0.1234567", "1e-7", "9" * 5000, "²"])
likely = st.lists(st.sampled_from([*"=:,/.- \n", "c4.8xlarge", "aws:us-west-2:", "..", "--"]) | numbers, max_size=8)
likely_texts = texts | likely.map("".join)


@pytest.mark.parametrize("what", PARSERS)
@settings(deadline=None, max_examples=examples(100))
@given(text=likely_texts)
def test_any_text_is_a_value_or_the_one_error(what: str, text: str) -> None:
    with only(UsageError, check=lambda error: bool(error.message)):
        PARSERS[what](text)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("what", PARSERS)
def test_what_attackers_write_is_a_value_or_the_one_error(what: str, text: str) -> None:
    with only(UsageError):
        PARSERS[what](text)


@pytest.mark.parametrize("what", WRITTEN)
@settings(deadline=None, max_examples=examples(100))
@given(text=likely_texts)
def test_what_is_read_comes_back_from_its_text(what: str, text: str) -> None:
    with only(UsageError):
        found = WRITTEN[what](text)
        assert WRITTEN[what](str(found)) == found


@settings(deadline=None, max_examples=examples(100))
@given(st.floats(min_value=aws_limits.LEAST_SPOT_PRICE, allow_infinity=False))
def test_bid_comes_back_as_it_was_given(bid: float) -> None:
    node_type = NodeType(("c4.8xlarge",), bid)
    assert NodeType.parse(str(node_type)) == node_type


def test_bid_of_seven_digits_is_written_with_all_of_them() -> None:
    assert str(NodeType.parse("c4.8xlarge:0.1234567")) == "c4.8xlarge:0.1234567"


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(texts.filter(lambda text: "\0" not in text), max_size=4))
def test_words_of_a_remote_command_stay_apart_whatever_they_are(words: list[str]) -> None:
    command = ssh_cluster.remote_command("toil_leader", ssh_cluster.Session(tuple(words), on_host=True), tty=False)
    if len(words) != 1:
        assert shlex.split(command) == words
