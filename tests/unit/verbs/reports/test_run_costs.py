"""What a cluster cost while a run ran: the leader by the clock, the workers by the journal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toilctl.autoscaler.journal.report import CostReport, TickReport
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConnectError
from toilctl.values.node_types import NodeType
from toilctl.verbs.reports import run_costs

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LARGE_USD = 0.085
"""Per hour, of a c5.large."""


def node(role: Role, number: int, state: str = "running") -> Node:
    return Node(
        f"i-{number}", role, NodeType(("c5.large",)), "c5.large", state, "us-west-2a", f"10.0.0.{number}", None,
        False, "",
    )  # fmt: skip


def cluster(settings: Mapping[str, str], *workers: Node, region: str = "us-west-2") -> Cluster:
    return Cluster("c", region, "0123abcd", "sg-1", dict(settings), (node(Role.LEADER, 1), *workers))


COSTS = (CostReport("leader", "t2.medium", "on-demand", usd=1234.5), CostReport("worker", "c5.large", "spot", usd=99.0))
"""Sums of their own, which say something else."""
FIXED = {tags.ENGINE: "slurm"}
AUTOSCALED = {tags.ENGINE: "slurm", tags.LIMITS: "c5.large=0..2"}


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The leader's journal; what would read it there as root reads it here."""

    def here(_target: object, command: str, text: str) -> str:
        words = command.removeprefix("sudo -n ")
        return subprocess.run(["bash", "-c", words], input=text, capture_output=True, text=True, check=True).stdout

    monkeypatch.setattr("toilctl.system.ssh.capture", here)
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    path = tmp_path / "journal.jsonl"
    monkeypatch.setattr(run_costs, "JOURNAL", path)
    return path


def line(at: datetime, usd: float) -> str:
    """Write a line as the journal does."""
    report = TickReport(at.isoformat(timespec="milliseconds"), 1, "1", "c", paused=False, usd=usd, costs=COSTS)
    return json.dumps(report.document(full=False), separators=(",", ":")) + "\n"


def hours(first: float, last: float) -> tuple[datetime, datetime]:
    return NOON + timedelta(hours=first), NOON + timedelta(hours=last)


def test_fixed_workers_cost_by_the_clock() -> None:
    found = run_costs.within(cluster(FIXED, node(Role.WORKER, 2), node(Role.WORKER, 3)), None, [[hours(0, 2)]])
    assert found == [pytest.approx(2 * 3 * LARGE_USD)]


def test_autoscaled_workers_cost_what_the_journal_says(journal: Path) -> None:
    journal.write_text(line(NOON - timedelta(hours=1), 1.0) + line(NOON + timedelta(minutes=59), 3.5))
    found = run_costs.within(cluster(AUTOSCALED), None, [[hours(0, 1)], [hours(1, 2)]])
    assert found == [pytest.approx(2.5 + LARGE_USD), pytest.approx(LARGE_USD)]


def test_attempts_of_a_run_add_up_without_the_time_between(journal: Path) -> None:
    journal.write_text("".join(line(NOON + timedelta(hours=hour), 10.0 * hour) for hour in range(5)))
    found = run_costs.within(cluster(AUTOSCALED), None, [[hours(0, 1), hours(3, 4)]])
    assert found == [pytest.approx(20 + 2 * LARGE_USD)]


def test_rotated_journals_count_too(journal: Path) -> None:
    journal.write_text(line(NOON + timedelta(hours=2), 3.0))
    journal.with_name("journal.jsonl.1").write_text(line(NOON, 1.0))
    assert run_costs.within(cluster(AUTOSCALED), None, [[hours(0, 3)]]) == [pytest.approx(2 + 3 * LARGE_USD)]


def test_line_that_a_full_disk_cut_off_is_passed_over(journal: Path) -> None:
    journal.write_text(line(NOON, 1.0)[:40] + "\n" + line(NOON, 2.0) + line(NOON + timedelta(hours=1), 2.5))
    assert run_costs.within(cluster(AUTOSCALED), None, [[hours(0, 2)]]) == [pytest.approx(0.5 + 2 * LARGE_USD)]


def test_journal_that_was_lost_costs_nothing_below_zero(journal: Path) -> None:
    journal.write_text(line(NOON, 5.0) + line(NOON + timedelta(hours=1), 0.25))
    assert run_costs.within(cluster(AUTOSCALED), None, [[hours(0, 2)]]) == [pytest.approx(2 * LARGE_USD)]


def test_leader_that_does_not_answer_leaves_the_cost_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> str:
        raise ConnectError("Nothing answers.")

    monkeypatch.setattr("toilctl.system.ssh.capture", silent)
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    assert run_costs.within(cluster(AUTOSCALED), None, [[hours(0, 1)]]) == [None]


def test_price_that_nobody_knows_is_no_guess() -> None:
    assert run_costs.within(cluster(FIXED, region="cn-north-1"), None, [[hours(0, 1)], []]) == [None, None]


def test_no_runs_need_no_question() -> None:
    assert run_costs.within(cluster(AUTOSCALED), None, []) == []
