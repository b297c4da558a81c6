"""What a cluster costs and has cost, by node type and market: sums that each report takes over from the one before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from toilctl.autoscaler.journal.report import CostReport
from toilctl.values.node_types import NodeType
from toilctl.values.units import HOUR_S
from toilctl.values.wording import market


@dataclass(frozen=True)
class Priced:
    """A node that runs, and what it costs."""

    role: str
    """leader or worker."""
    node_type: NodeType
    usd_per_hour: float | None
    """None when no price is known."""

    @property
    def market(self) -> str:
        """How it was bought."""
        return market(self.node_type.preemptible)


@dataclass(frozen=True)
class _Row:
    """Which nodes one line of the sums is about; the leader first."""

    role: str
    node_type: str
    market: str

    @classmethod
    def of(cls, one: CostReport | Priced) -> Self:
        return cls(one.role, str(one.node_type), one.market)


def carried(rows: Iterable[CostReport], elapsed_s: float) -> tuple[CostReport, ...]:
    """Add what the nodes of the report before have cost since."""
    hours = max(0.0, elapsed_s) / HOUR_S
    return tuple(
        replace(
            one,
            node_hours=round(one.node_hours + one.nodes * hours, 6),
            unpriced_hours=round(one.unpriced_hours + one.unpriced * hours, 6),
            usd=round(one.usd + one.usd_per_hour * hours, 6),
        )
        for one in rows
    )


def counted(rows: Iterable[CostReport], nodes: Iterable[Priced]) -> tuple[CostReport, ...]:
    """Put in the nodes that run now; what has cost something before stays."""
    idle = {"nodes": 0, "usd_per_hour": 0.0, "unpriced": 0}
    found = {_Row.of(one): replace(one, **idle) for one in rows}  # type: ignore[arg-type]
    for node in nodes:
        key = _Row.of(node)
        one = found.get(key) or CostReport(key.role, key.node_type, key.market)
        found[key] = replace(
            one,
            nodes=one.nodes + 1,
            usd_per_hour=round(one.usd_per_hour + (node.usd_per_hour or 0.0), 6),
            unpriced=one.unpriced + (node.usd_per_hour is None),
        )
    return tuple(found[key] for key in sorted(found, key=lambda one: (one.role, one.node_type)))


def spent_usd(rows: Iterable[CostReport]) -> float:
    """Return what all have cost, in US dollars; what has no known price is not in it."""
    return round(sum(one.usd for one in rows), 6)
