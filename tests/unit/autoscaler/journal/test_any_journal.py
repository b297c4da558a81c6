"""A journal, or a leader's last report, whatever its lines are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.odd_values import IDS, LARGE, ODD, only, texts, values
from toilctl.autoscaler.journal import reader
from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.journal.timeline import tell
from toilctl.values.errors import ConnectError
from toilctl.verbs.reports import autoscaler_report

LEAST = {"version": "1", "at": "2026-11-21T12:00:00Z", "tick": 1, "cluster": "c", "paused": False}
REPORT: dict[str, Any] = json.loads(json.dumps(TickReport.of(LEAST).document()))

reports = st.fixed_dictionaries({}, optional=dict.fromkeys(REPORT, values)).map(lambda odd: REPORT | odd)


def read(*lines: str) -> None:
    found = reader.read(lines, "c")
    ticks = reader.held(found.ticks)
    if ticks:
        tell(ticks, 30.0)
    with only(ConnectError):
        autoscaler_report.understood("\n".join(("1700000000", *lines)))


@pytest.mark.parametrize("key", REPORT)
@pytest.mark.parametrize("value", ODD, ids=IDS)
def test_line_with_something_odd_in_it_is_read_or_counted(key: str, value: Any) -> None:
    read(json.dumps(REPORT | {key: value}))


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(texts | (values | reports).map(json.dumps), max_size=4))
@example(["[" * 100_000])
@example(["9" * 5000])
@example([json.dumps(REPORT | {"at": "0001-01-01T00:00:00+23:59"})])
@example([json.dumps(REPORT | {"waiting": [{"names": ["a\nb\u2028"], "reason": [], "count": LARGE}]})])
def test_any_lines_are_read_or_counted(lines: list[str]) -> None:
    read(*lines)


@settings(deadline=None, max_examples=examples(100))
@given(texts | values.map(json.dumps))
@example("nan")
@example("9" * 5000)
def test_time_that_the_leader_does_not_know_is_one_error(now: str) -> None:
    with only(ConnectError):
        autoscaler_report.understood(f"{now}\n{json.dumps(REPORT)}\n")


def test_damaged_lines_are_told_from_unknown_ones() -> None:
    found = reader.read(["{", "[" * 60 + "]" * 60, "NaN", "[]", json.dumps(REPORT | {"seconds": -1})], "c")
    assert (found.damaged, found.unknown) == (3, 2)
