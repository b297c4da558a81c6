"""What a cluster costs per hour, as far as it is known without asking anybody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from toilctl.system import instance_table
from toilctl.values.node_types import NodeType

_PER_VCPU: Final = 0.035
_PER_GIB: Final = 0.0034
"""USD per hour: what c5, m5 and r5.large, which differ in memory alone, cost above; they fit within 2 %."""


@dataclass(frozen=True)
class Cost:
    """USD per hour of all instances; volumes and traffic come on top."""

    usd_per_hour: float | None
    """None when a price is not known."""
    at_most: bool
    """Whether bids are in it: spot costs what the market asks, and never more than that."""
    unknown: tuple[str, ...] = ()

    def text(self, *, dated: bool = True) -> str:
        """Say it in a few words, with or without of when the prices are."""
        if self.usd_per_hour is None:
            return f"unknown (no price is known here for {', '.join(self.unknown)})"
        words = f"{'at most' if self.at_most else 'about'} ${self.usd_per_hour:.2f} per hour"
        return f"{words} (prices of {self.prices_as_of})" if dated else words

    @property
    def prices_as_of(self) -> str:
        """When these prices held."""
        return instance_table.shipped().prices_as_of


def on_demand(region: str, instance_type: str) -> float | None:
    """Return an instance type's price in USD per hour, when it is known."""
    return instance_table.shipped().usd_per_hour(region, instance_type)


def estimated(vcpus: int, memory_mib: int) -> float:
    """Reckon a price in USD per hour from an instance type's size; GPUs and local disks are not in it."""
    return round(vcpus * _PER_VCPU + memory_mib / 1024 * _PER_GIB, 4)


def cost(region: str, nodes: Iterable[tuple[NodeType, int]]) -> Cost:
    """Add up what nodes cost; a node type with alternatives counts as its dearest."""
    total, unknown, spot = 0.0, set[str](), False
    for node_type, count in nodes:
        if count == 0:
            continue
        spot = spot or node_type.preemptible
        if node_type.spot_bid is not None:
            total += node_type.spot_bid * count
            continue
        prices = {name: on_demand(region, name) for name in node_type.instance_types}
        unknown |= {name for name, price in prices.items() if price is None}
        total += count * max((price for price in prices.values() if price is not None), default=0.0)
    return Cost(None if unknown else round(total, 4), spot, tuple(sorted(unknown)))
