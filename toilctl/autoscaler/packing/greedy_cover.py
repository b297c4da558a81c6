"""Whole nodes for whole jobs: one pattern after the other, each time the one that is worth most for its price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from toilctl.autoscaler.packing.patterns import HEAD, NodeKind, NodePattern, Size, most_valuable

_AT_MOST = 30
"""A search looks at all items for each job that it puts on a node; not as often where many are alike."""
_EACH = 12
"""What a look costs beside the items, in items."""


@dataclass
class Room:
    """How many more nodes may be launched, by kind, and how many vCPUs by ``preemptible``."""

    kinds: list[int]
    vcpus: dict[bool, float]

    @classmethod
    def of(cls, kinds: Sequence[NodeKind], vcpus_left: Mapping[bool, float]) -> Room:
        """Start with all the room there is."""
        return cls([kind.room for kind in kinds], dict(vcpus_left))

    def copy(self) -> Room:
        """Return a copy to try something with."""
        return Room(list(self.kinds), dict(self.vcpus))

    def for_more(self, kind: NodeKind) -> int:
        """Return how many more nodes of a kind there may be."""
        if kind.preemptible not in self.vcpus or not kind.vcpus:
            return self.kinds[kind.number]
        return max(0, min(self.kinds[kind.number], int(self.vcpus[kind.preemptible] // kind.vcpus)))

    def take(self, kind: NodeKind, nodes: int) -> None:
        """Launch so many."""
        self.kinds[kind.number] -= nodes
        if kind.preemptible in self.vcpus:
            self.vcpus[kind.preemptible] -= nodes * kind.vcpus


@dataclass
class Cover:
    """Nodes, by what they run, and what found no place."""

    left: list[int]
    room: Room
    nodes: list[tuple[NodePattern, int]] = field(default_factory=list)

    @property
    def price(self) -> float:
        """Return what all its nodes cost, USD per hour."""
        return sum(pattern.kind.price * times for pattern, times in self.nodes)

    def copy(self) -> Cover:
        """Return a copy to go on from."""
        return Cover(list(self.left), self.room.copy(), list(self.nodes))

    def add(self, pattern: NodePattern, times: int) -> None:
        """Use a pattern; there are jobs left for it, and room."""
        for group, count in pattern.counts:
            self.left[group] -= count * times
        self.room.take(pattern.kind, times)
        self.nodes.append((pattern, times))


def complete(
    cover: Cover, kinds: Sequence[NodeKind], sizes: Sequence[Size], values: Sequence[float], seeds: int = 0
) -> int:
    """Add nodes until nothing is left that fits and has room, the most value for the price first.

    :returns: the effort: how many items it looked at, about.
    """
    known: dict[int, NodePattern] = {}
    by_number = {kind.number: kind for kind in kinds if kind.takes}
    # What a kind is worth only falls as jobs find their places, so a kind is looked at again only when it leads.
    worth = dict.fromkeys(by_number, float("inf"))
    effort = 0
    while worth:
        kind = by_number[max(worth, key=lambda number: (worth[number], -number))]
        pattern = known.get(kind.number)
        times = min(pattern.times(cover.left), cover.room.for_more(kind)) if pattern else 0
        if pattern and times:
            cover.add(pattern, times)
            continue
        pattern = most_valuable(kind, sizes, cover.left, values, seeds) if cover.room.for_more(kind) else None
        if pattern is None:
            del worth[kind.number]
        else:
            known[kind.number], worth[kind.number] = pattern, pattern.value(values) / (kind.price + 1e-12)
            jobs = min(_AT_MOST, sum(count for _, count in pattern.counts))
            effort += len(kind.takes) + (1 + seeds) * (min(HEAD, len(kind.takes)) + _EACH) * jobs
    return effort


def corrected(nodes: Sequence[tuple[NodePattern, int]], values: Sequence[float]) -> list[float]:
    """Return the jobs' values as this cover paid for them: dearer where they shared a node with too little else."""
    paid, jobs = [0.0] * len(values), [0] * len(values)
    for pattern, times in nodes:
        scale = pattern.kind.price / (pattern.value(values) or 1.0)
        for group, count in pattern.counts:
            paid[group] += values[group] * scale * count * times
            jobs[group] += count * times
    return [share / number if number else value for share, number, value in zip(paid, jobs, values, strict=True)]
