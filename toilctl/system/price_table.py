"""What a cluster costs per hour, as far as it is known without asking anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from toilctl.system import instance_table
from toilctl.values import wording
from toilctl.values.cluster import Node
from toilctl.values.node_types import NodeType

_PER_VCPU: Final = 0.035
_PER_GIB: Final = 0.0034
"""USD per hour: what c5, m5 and r5.large, which differ in memory alone, cost above; they fit within 2 %."""


_ADDRESS: Final = 0.005
"""USD per hour of a public IPv4 address, in all regions (Amazon VPC pricing, "Public IPv4 Address")."""
_GP3_GB_MONTH: Final = 0.08
"""USD in us-east-1 (Amazon EBS pricing, gp3): an estimate elsewhere, as other regions ask up to twice as much."""
_MONTH_H: Final = 730
"""Hours of a month, as AWS's pricing pages reckon."""


@dataclass(frozen=True)
class Nodes:
    """Nodes of one kind, as they are billed."""

    node_type: NodeType
    count: int
    root_gb: int
    """Each one's root volume; 0 where nobody knows."""
    public_address: bool = True
    """Whether each has a public IPv4 address."""


@dataclass(frozen=True)
class Cost:
    """USD per hour of all instances, their root volumes and public addresses; traffic and S3 come on top."""

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
        return f"{words} ({wording.priced(self.prices_as_of)})" if dated else words

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


def beside(root_gb: int, *, public_address: bool) -> float:
    """Return what a node costs in USD per hour beside its instance: its root volume, and its public address."""
    return root_gb * _GP3_GB_MONTH / _MONTH_H + (_ADDRESS if public_address else 0.0)


def there(nodes: Iterable[Node]) -> Iterator[Nodes]:
    """Return those nodes that are there, as they are billed."""
    for node in nodes:
        if node.live:
            yield Nodes(node.node_type, 1, node.storage_gb, node.public_address is not None)


def cost(region: str, nodes: Iterable[Nodes]) -> Cost:
    """Add up what nodes cost; a node type with alternatives counts as its dearest."""
    total, unknown, spot = 0.0, set[str](), False
    for one in nodes:
        node_type, count = one.node_type, one.count
        if count == 0:
            continue
        total += count * beside(one.root_gb, public_address=one.public_address)
        spot = spot or node_type.preemptible
        if node_type.spot_bid is not None:
            total += node_type.spot_bid * count
            continue
        prices = {name: on_demand(region, name) for name in node_type.instance_types}
        unknown |= {name for name, price in prices.items() if price is None}
        total += count * max((price for price in prices.values() if price is not None), default=0.0)
    return Cost(None if unknown else round(total, 4), spot, tuple(sorted(unknown)))
