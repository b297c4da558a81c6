"""describe-cluster and explain tell what a cluster costs, has cost, and may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toilctl.autoscaler.journal.report import CostReport, TickReport
from toilctl.autoscaler.model.plan import Money
from toilctl.cli.views import costs
from toilctl.values.errors import ConnectError
from toilctl.verbs.reports.autoscaler_report import AutoscalerAnswer

LEADER = CostReport("leader", "t2.medium", "on-demand", 1, 0.0464, 0, 10.0, 0.0, 0.464)
SPOT = CostReport("worker", "c4.8xlarge:0.6", "spot", 2, 0.9, 0, 20.0, 0.0, 9.5)
UNKNOWN = CostReport("worker", "x9.huge", "on-demand", 1, 0.0, 1, 3.0, 3.0, 0.0)
BUDGET = Money(6.0, 1.2464, 50.0, 9.964)


def rows(text: str) -> list[list[str]]:
    return [line.split("  ") for line in text.splitlines()]


def test_costs_are_a_table_with_their_sum():
    text = costs.text([LEADER, SPOT], BUDGET)
    found = [[cell.strip() for cell in row if cell.strip()] for row in rows(text)]
    assert found == [
        ["NODE TYPE", "MARKET", "NODES", "NODE-HOURS", "PER HOUR", "SO FAR"],
        ["leader t2.medium", "on demand", "1", "10.0", "$0.05", "$0.46"],
        ["c4.8xlarge:0.6", "spot", "2", "20.0", "$0.90", "$9.50"],
        ["all", "-", "3", "30.0", "$0.95", "$9.96"],
        ["Root volumes and public addresses are in it. Traffic and S3 come on top."],
        [],
        ["It may cost $6.00 per hour, and costs $1.25 at the most; $9.96 of its budget of $50.00 are spent."],
    ]


def test_unknown_price_is_never_shown_as_one():
    text = costs.text([SPOT, UNKNOWN], None)
    assert text.splitlines()[2].split()[-2:] == ["unknown", "unknown"]
    assert text.splitlines()[3].endswith("$0.90 and unknown  $9.50 and unknown")
    assert costs.brief([SPOT, UNKNOWN]) == "$0.90 and unknown per hour, $9.50 and unknown so far"


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (None, ""),
        (replace(BUDGET, budget_usd=0.0), "It may cost $6.00 per hour, and costs $1.25 at the most."),
        (replace(BUDGET, max_usd_per_hour=0.0), "$9.96 of its budget of $50.00 are spent."),
    ],
)
def test_bounds_are_said_in_a_sentence(budget, said):
    assert costs.bounds(budget) == said


@pytest.fixture
def autoscaled(toilctl, cluster, account):
    """Give the cluster an autoscaler, by its tags."""
    from toilctl.values import tags

    ec2 = account.client("ec2")
    mine = [{"Name": "tag:toilctl:cluster", "Values": ["c"]}]
    (group,) = ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
    ec2.create_tags(Resources=[group["GroupId"]], Tags=tags.to_list({tags.LIMITS: "t2.micro=0..2"}))


@pytest.mark.usefixtures("playbooks", "autoscaled")
def test_description_has_the_costs_that_the_autoscaler_knows(toilctl, monkeypatch):
    report = TickReport("2026-11-27T00:00:00+00:00", 1, "1", "c", False, costs=(LEADER, SPOT), budget=BUDGET)
    monkeypatch.setattr("toilctl.verbs.reports.autoscaler_report.ask", lambda *_: AutoscalerAnswer(report, 1.0))
    shown = toilctl("describe-cluster", "c").stdout
    assert "cost       $0.95 per hour, $9.96 so far" in shown
    assert "It may cost $6.00 per hour" in shown
    data = toilctl.json("describe-cluster", "c")["data"]
    assert [one["usd"] for one in data["costs"]] == [0.464, 9.5]
    assert data["budget"]["budget_usd"] == 50.0


@pytest.mark.usefixtures("playbooks", "autoscaled")
def test_leader_that_does_not_answer_is_a_note(toilctl, monkeypatch):
    def silent(*_: object) -> AutoscalerAnswer:
        raise ConnectError("The leader does not answer.", "")

    monkeypatch.setattr("toilctl.verbs.reports.autoscaler_report.ask", silent)
    result = toilctl("describe-cluster", "c")
    assert result.exit_code == 0
    assert "What it has cost is not known: The leader does not answer." in result.stdout
