"""What a cluster has cost, by node type and market."""

from __future__ import annotations

import pytest

from toilctl.autoscaler.journal.costs import Priced, carried, counted, spent_usd
from toilctl.autoscaler.journal.report import CostReport
from toilctl.values.node_types import NodeType

SPOT, PLAIN, LEADER = map(NodeType.parse, ("c4.8xlarge:0.6", "r3.8xlarge", "t2.medium"))
NODES = [
    Priced("leader", LEADER, 0.05), Priced("worker", SPOT, 0.4), Priced("worker", SPOT, 0.5),
    Priced("worker", PLAIN, None),
]  # fmt: skip


def test_nodes_are_counted_by_role_type_and_market():
    assert counted((), NODES) == (
        CostReport("leader", "t2.medium", "on-demand", nodes=1, usd_per_hour=0.05),
        CostReport("worker", "c4.8xlarge:0.6", "spot", nodes=2, usd_per_hour=0.9),
        CostReport("worker", "r3.8xlarge", "on-demand", nodes=1, usd_per_hour=0.0, unpriced=1),
    )


def test_time_passes_at_the_prices_of_the_report_before():
    leader, spot, plain = carried(counted((), NODES), 1800)
    assert (leader.usd, spot.usd, spot.node_hours) == (0.025, 0.45, 1.0)
    assert (plain.usd, plain.node_hours, plain.unpriced_hours) == (0, 0.5, 0.5)
    assert spent_usd([leader, spot, plain]) == pytest.approx(0.475)


def test_node_types_that_are_gone_keep_what_they_have_cost():
    gone = counted(carried(counted((), NODES), 3600), [])
    assert [(one.nodes, one.usd_per_hour, one.unpriced) for one in gone] == [(0, 0.0, 0)] * 3
    assert spent_usd(carried(gone, 3600)) == spent_usd(gone) == pytest.approx(0.95)


def test_clock_that_goes_back_costs_nothing():
    assert carried(counted((), NODES), -5) == counted((), NODES)
