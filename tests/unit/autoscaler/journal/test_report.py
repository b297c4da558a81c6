"""Reports written by this release and others, and what is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toilctl.autoscaler.journal import strict
from toilctl.autoscaler.journal.reader import read
from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.plan import Infeasible, Money, Waiting
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.values.jobs import Shape

OLDER = json.loads(Path(__file__).with_name("older_report.json").read_text())
"""As the first release wrote it, before there were advices."""


def test_report_of_an_older_release_is_read_and_written_as_it_was() -> None:
    report = TickReport.of(OLDER)
    assert report.waiting[1] == Waiting(
        Shape(32, 1024, 1024, False), 1, ("sort",), WaitReason.MAXIMUM, OLDER["waiting"][1]["next_step"]
    )
    assert report.infeasible[0] == Infeasible(
        Shape(1, 512000, 1024, False), 1, ("huge",), "memory", OLDER["infeasible"][0]["next_step"]
    )
    assert report.budget == Money(20, 5.37, 500, 12.5)
    written = json.loads(json.dumps(report.document()))
    assert written.pop("advice") == {}
    for jobs in (*written["waiting"], *written["infeasible"]):
        assert jobs.pop("advice") == []
        assert jobs.pop("lacks", []) == []
        assert jobs.pop("remedy", None) is None
    assert written == OLDER


def test_line_of_an_older_release_is_read() -> None:
    (tick,) = read(
        [json.dumps({name: value for name, value in OLDER.items() if name not in ("nodes", "errors")})], "c"
    ).ticks
    assert tick.jobs is not None
    assert [one.count for one in tick.jobs.waits] == [40, 1, 1]
    assert [one.action for one in tick.actions] == ["scale-in", "launch"]


def test_fields_in_json_stand_where_they_did() -> None:
    (first, *_) = TickReport.of(OLDER).document()["waiting"]
    assert [*first] == [*OLDER["waiting"][0], "advice"]
    added = ["advice", "lacks", "remedy"]
    assert [*TickReport.of(OLDER).document()["infeasible"][0]] == [*OLDER["infeasible"][0], *added]


def test_report_without_what_has_defaults_is_read() -> None:
    report = TickReport.of({"at": "2026-11-21T12:00:00Z", "tick": 1, "version": "1", "cluster": "c", "paused": False})
    assert (report.at, report.waiting, report.budget) == ("2026-11-21T12:00:00.000+00:00", (), None)


def test_what_another_version_adds_is_passed_over() -> None:
    (job, *_) = OLDER["waiting"]
    newer = {**OLDER, "invented": [1], "waiting": [{**job, "reason": "whim", "advice": ["pray", "resume"], "new": 2}]}
    newer["infeasible"] = [{**OLDER["infeasible"][0], "advice": ["pray"], "remedy": {"advice": "pray", "how": "long"}}]
    assert [(one.advice, one.remedy) for one in TickReport.of(newer).infeasible] == [((), None)]
    (waiting,) = TickReport.of(newer).waiting
    assert (waiting.reason, waiting.reason.words, waiting.advice) == ("whim", "whim", (Advice.RESUME,))
    assert TickReport.of(newer).document()["waiting"][0]["reason"] == "whim"


@pytest.mark.parametrize(
    "change",
    [
        {"tick": "7"}, {"tick": True}, {"tick": 7.5}, {"tick": -1}, {"tick": 10**400}, {"usd": float("inf")},
        {"usd": "12"}, {"paused": 1}, {"cluster": None}, {"notes": "text"}, {"notes": [1]}, {"nodes": {"a": 1}},
        {"node_counts": {"m5.large": "1"}}, {"waiting": [{**OLDER["waiting"][0], "reason": 5}]}, {"budget": 5},
        {"waiting": [{**OLDER["waiting"][0], "cores": None}]}, {"advice": ["raise-maximum"]},
        {"interruptions": [{**OLDER["interruptions"][0], "takes_at": 0}]}, {"costs": [{"role": "leader"}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_has_another_type_is_no_report(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no report"):
        TickReport.of(OLDER | change)


@pytest.mark.parametrize("field", ["notes", "waiting", "infeasible", "nodes", "under_way"])
def test_list_of_any_length_is_no_report(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = OLDER[field][0] if OLDER[field] else "x"
    monkeypatch.setattr(strict, "MOST_ITEMS", 20)
    assert len(getattr(TickReport.of(OLDER | {field: [one] * 20}), field)) == 20
    with pytest.raises(ValueError, match="no report: ValueError: 21 are more than 20"):
        TickReport.of(OLDER | {field: [one] * 21})


@pytest.mark.parametrize("field", ["advice", "node_counts", "phases", "desired"])
def test_mapping_of_any_length_is_no_report(field: str) -> None:
    value: Any = ["resume"] if field == "advice" else 1
    entries = {f"m{number}.large": value for number in range(strict.MOST_ENTRIES + 1)}
    with pytest.raises(ValueError, match="no report: ValueError: 1001 are more than 1000"):
        TickReport.of(OLDER | {field: entries})
    entries.popitem()
    assert len(getattr(TickReport.of(OLDER | {field: entries}), field)) == strict.MOST_ENTRIES


def test_report_of_more_than_is_read_is_written_so_that_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    first = TickReport.of(OLDER)
    long = replace(first, waiting=first.waiting[:1] * 30, phases={str(number): 1 for number in range(30)})
    monkeypatch.setattr(strict, "MOST_ITEMS", 20)
    monkeypatch.setattr(strict, "MOST_ENTRIES", 20)
    found = TickReport.of(json.loads(json.dumps(long.document())))
    assert (len(found.waiting), len(found.phases), found.costs) == (20, 20, first.costs)


def test_each_advice_counts_once() -> None:
    report = TickReport.of(OLDER | {"advice": {"A note.": ["resume", "raise-budget"] * 1000}})
    assert report.advice == {"A note.": (Advice.RESUME, Advice.RAISE_BUDGET)}
