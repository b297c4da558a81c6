"""How costs read: what a cluster costs now and has cost, by node type and market, and what it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toilctl.cli.base.render import table
from toilctl.values.wording import ON_TOP, bought

if TYPE_CHECKING:
    from toilctl.autoscaler.journal.report import CostReport
    from toilctl.autoscaler.model.plan import Money

_UNKNOWN = "unknown"


def text(costs: Sequence[CostReport], budget: Money | None) -> str:
    """Show a row for each node type and market, and their sum; what has no known price is never in a sum unsaid."""
    rows = [
        (
            f"leader {one.node_type}" if one.role == "leader" else one.node_type,
            bought(one.market), one.nodes, f"{one.node_hours:.1f}",
            _usd(one.usd_per_hour, one.unpriced, one.nodes), _usd(one.usd, one.unpriced_hours, one.node_hours),
        )
        for one in costs
    ]  # fmt: skip
    hours = sum(one.node_hours for one in costs)
    rows.append(("all", "", sum(one.nodes for one in costs), f"{hours:.1f}", _per_hour(costs), _so_far(costs)))
    shown = table(("NODE TYPE", "MARKET", "NODES", "NODE-HOURS", "PER HOUR", "SO FAR"), rows)
    included = f"Root volumes and public addresses are in it. {ON_TOP}"
    return "\n\n".join(filter(None, (f"{shown}\n{included}", bounds(budget))))


def brief(costs: Sequence[CostReport]) -> str:
    """Say in a few words what all nodes cost."""
    return f"{_per_hour(costs)} per hour, {_so_far(costs)} so far"


def bounds(budget: Money | None) -> str:
    """Say what the cluster may cost, in a sentence; an empty string without a bound."""
    if budget is None:
        return ""
    said = []
    if budget.max_usd_per_hour:
        most = f"costs ${budget.most_usd_per_hour:.2f} at the most"
        said.append(f"it may cost ${budget.max_usd_per_hour:.2f} per hour, and {most}")
    if budget.budget_usd:
        said.append(f"${budget.spent_usd:.2f} of its budget of ${budget.budget_usd:.2f} are spent")
    joined = "; ".join(said)
    return f"{joined[:1].upper()}{joined[1:]}."


def _per_hour(costs: Sequence[CostReport]) -> str:
    known, unknown = sum(one.usd_per_hour for one in costs), sum(one.unpriced for one in costs)
    return _usd(known, unknown, sum(one.nodes for one in costs))


def _so_far(costs: Sequence[CostReport]) -> str:
    known, unknown = sum(one.usd for one in costs), sum(one.unpriced_hours for one in costs)
    return _usd(known, unknown, sum(one.node_hours for one in costs))


def _usd(known: float, unknown: float, of: float) -> str:
    """Return what is known, and how much is not."""
    if not unknown:
        return f"${known:.2f}"
    return _UNKNOWN if unknown == of else f"${known:.2f} and {_UNKNOWN}"
