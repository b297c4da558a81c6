"""What a cluster costs per hour, as far as it is known without asking anybody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from toilctl.values.node_types import NodeType

AS_OF: Final = "June 2025"
_REGIONS: Final = frozenset({"us-east-1", "us-east-2", "us-west-2"})
"""Where these prices hold; others are up to a half dearer."""

# USD per hour of a family's `large`, Linux, on demand; the other sizes are multiples of it.
_LARGE: Final = {
    "c4": 0.1, "c5": 0.085, "c5a": 0.077, "c5d": 0.096, "c5n": 0.108, "c6a": 0.0765, "c6i": 0.085, "c7i": 0.08925,
    "i3": 0.156, "i3en": 0.226, "i4i": 0.172, "m4": 0.1, "m5": 0.096, "m5a": 0.086, "m5d": 0.113, "m6a": 0.0864,
    "m6i": 0.096, "m7i": 0.1008, "r3": 0.166, "r4": 0.133, "r5": 0.126, "r5a": 0.113, "r5d": 0.144, "r6a": 0.1134,
    "r6i": 0.126, "r7i": 0.1323, "t2": 0.0928, "t3": 0.0832, "t3a": 0.0752,
}  # fmt: skip
_MULTIPLES: Final = {"nano": 1 / 16, "micro": 1 / 8, "small": 1 / 4, "medium": 1 / 2, "large": 1.0, "xlarge": 2.0}

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
        return f"{words} (prices of {AS_OF})" if dated else words


def on_demand(region: str, instance_type: str) -> float | None:
    """Return an instance type's price in USD per hour, when it is known."""
    family, _, size = instance_type.partition(".")
    multiple = _MULTIPLES.get(size)
    if size.endswith("xlarge") and size[:-6].isdigit():
        multiple = 2.0 * int(size[:-6])
    if region not in _REGIONS or family not in _LARGE or multiple is None:
        return None
    return _LARGE[family] * multiple


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
