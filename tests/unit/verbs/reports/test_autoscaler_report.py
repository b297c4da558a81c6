"""What the leader's shell answers, and what is understood of it."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from toilctl.autoscaler.journal.report import TickReport
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.node_types import NodeType
from toilctl.verbs.reports import autoscaler_report

LEADER = Node(
    "i-1", Role.LEADER, NodeType(("t2.medium",)), "t2.medium", "running", "us-west-2a", "172.31.0.5", None, False, ""
)
CLUSTER = Cluster("c", "us-west-2", "0123abcd", "sg-1", {}, (LEADER,))


@pytest.fixture
def leader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that stands for the leader's; what would run there as root runs here."""

    def here(_target: object, command: str, _timeout_s: float) -> str:
        words = command.removeprefix("sudo -n ")
        return subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True).stdout

    monkeypatch.setattr("toilctl.system.ssh.capture", here)
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    monkeypatch.setattr(autoscaler_report, "LAST_REPORT", tmp_path / "last.json")
    monkeypatch.setattr(autoscaler_report, "JOURNAL", tmp_path / "journal.jsonl")
    return tmp_path


def line(tick: int, **changed: object) -> str:
    report = TickReport(at=datetime.now(UTC).isoformat(), tick=tick, version="1", cluster="c", paused=False)
    return json.dumps(report.document(full=False) | changed)


def test_leader_without_a_report_tells_nothing(leader: Path) -> None:
    assert autoscaler_report.ask(CLUSTER, None, lines=5) == autoscaler_report.AutoscalerAnswer(None, None)


def test_last_report_and_the_end_of_the_journal(leader: Path) -> None:
    (leader / "last.json").write_text(line(3) + "\n")
    (leader / "journal.jsonl").write_text("".join(f"{line(tick)}\n" for tick in (1, 2, 3)))
    found = autoscaler_report.ask(CLUSTER, None, lines=2)
    assert found.report is not None
    assert (found.report.tick, [one.tick for one in found.journal]) == (3, [2, 3])
    assert found.age_s is not None
    assert found.age_s < 60


def test_no_journal_is_read_unless_it_is_asked_for(leader: Path) -> None:
    (leader / "journal.jsonl").write_text(line(1) + "\n")
    assert autoscaler_report.ask(CLUSTER, None).journal == ()


def test_lines_that_are_cut_off_are_passed_over() -> None:
    found = autoscaler_report.understood(f"{time.time():.0f}\n{line(3)}\n{line(1)[:30]}\n{line(2)}\n\n7\n")
    assert [one.tick for one in found.journal] == [2]


def test_report_of_another_version_is_read_as_far_as_it_is_known() -> None:
    found = autoscaler_report.understood(f"{time.time():.0f}\n{line(3, invented_later=1)}\n")
    assert found.report is not None
    assert found.report.tick == 3


def test_leaders_clock_that_was_set_back_gives_no_negative_age() -> None:
    assert autoscaler_report.understood(f"{time.time() - 100:.0f}\n{line(3)}\n").age_s == 0
