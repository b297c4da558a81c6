"""Reports on disk and on standard output."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from toilctl.autoscaler.journal import writer as module
from toilctl.autoscaler.journal.report import ActionReport, NodeReport, ResultReport, TickReport
from toilctl.autoscaler.journal.writer import Journal


def report(tick: int = 1, **changes: object) -> TickReport:
    node = NodeReport("i-1", "t2.micro", "t2.micro", "us-west-2a", "idle", "kept", "recently-idle", "", 0, 0.01)
    usual = {
        "at": "2026-11-21T12:00:00.000+00:00", "tick": tick, "version": "1", "cluster": "my", "paused": False,
        "actions": (ActionReport("launch", "demand", "t2.micro", 2),), "nodes": (node,),
        "errors": (ResultReport("x", "launch", False, "no"),),
    }  # fmt: skip
    return TickReport(**{**usual, **changes})


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_tick_is_one_line_in_the_file_and_on_standard_output(tmp_path):
    out = io.StringIO()
    journal = Journal(tmp_path, out)
    assert [journal.write(report(tick)) for tick in (1, 2)] == ["", ""]
    assert [line["tick"] for line in lines(tmp_path / "journal.jsonl")] == [1, 2]
    assert out.getvalue() == (tmp_path / "journal.jsonl").read_text()
    assert "nodes" not in lines(tmp_path / "journal.jsonl")[0]


def test_last_report_is_whole_and_read_back_by_the_next_process(tmp_path):
    Journal(tmp_path, io.StringIO()).write(report(7))
    assert Journal(tmp_path).last() == report(7)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"tick": 1}', "\xff"])
def test_last_report_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "last.json").write_bytes(text.encode("latin-1"))
    assert Journal(tmp_path).last() is None


def test_journal_is_rotated(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1500)
    journal = Journal(tmp_path, io.StringIO())
    for tick in range(40):
        assert journal.write(report(tick)) == ""
    files = sorted(path.name for path in tmp_path.glob("journal*"))
    assert files == ["journal.jsonl", *(f"journal.jsonl.{number}" for number in (1, 2, 3, 4))]
    assert lines(tmp_path / "journal.jsonl")[-1]["tick"] == 39


def test_full_disk_is_told_and_ends_nothing(tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    # Every write to this device fails as on a full disk.
    (full / "journal.jsonl").symlink_to("/dev/full")
    (full / "last.new").symlink_to("/dev/full")
    out = io.StringIO()
    problem = Journal(full, out).write(report())
    assert "journal.jsonl cannot be written" in problem
    assert "last.json cannot be written: No space left on device" in problem
    assert json.loads(out.getvalue())["tick"] == 1


def test_lost_directory_and_closed_output_end_nothing(tmp_path):
    out = io.StringIO()
    out.close()
    assert "No such file" in Journal(tmp_path / "gone", out).write(report())
