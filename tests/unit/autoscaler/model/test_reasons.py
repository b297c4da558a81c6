"""Each reason has its word, and a rule that gives it."""

from __future__ import annotations

import re
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

from toilctl.autoscaler import decide
from toilctl.autoscaler.model import phases, reasons
from toilctl.autoscaler.model.reasons import WORDS, EndReason, KeepReason, LaunchReason, WaitReason

ALL = [*LaunchReason, *EndReason, *KeepReason, *WaitReason]
RULES = "\n".join(one.read_text() for one in [*Path(decide.__path__[0]).glob("*.py"), Path(phases.__file__)])


@pytest.mark.parametrize("reason", ALL, ids=repr)
def test_each_reason_is_given_by_a_rule(reason: LaunchReason | EndReason | KeepReason | WaitReason) -> None:
    assert f"{type(reason).__name__}.{reason.name}" in RULES


def test_rule_that_stands_below_a_reason_is_there() -> None:
    named = re.findall(r"``(\w+)``: ``([\w.]+)``", Path(reasons.__file__).read_text())
    assert len(named) > 10
    for module, rule in named:
        package = "model" if module == "phases" else "decide"
        attrgetter(rule)(import_module(f"toilctl.autoscaler.{package}.{module}"))


def test_word_in_reports_and_journals_stays_as_it_was() -> None:
    assert {str(one) for one in ALL} == {
        "demand", "minimum", "compensation", "spot-fallback",
        "idle", "over-maximum", "never-joined", "lost", "stopped", "rebalance", "return-to-spot", "interrupted-drain",
        "busy", "needed", "recently-idle", "at-minimum", "booting", "cordoned", "draining", "leaving", "engine-unsure",
        "interrupted", "at-risk", "fixed", "paused", "missing",
        "placed", "launching", "maximum", "quota", "capacity", "backed-off", "cost-per-hour", "budget", "spot-short",
        "smoothed", "time", "held",
    }  # fmt: skip


def test_reason_that_nodes_and_jobs_share_has_the_same_words_for_both() -> None:
    shared = {*KeepReason} & {*WaitReason}
    assert shared == {"paused", "engine-unsure"}
    assert all(WORDS[one] == KeepReason(one).words == WaitReason(one).words for one in shared)
