"""Patterns: jobs that fit beside each other on one node, and the search for those that are worth most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

Size = tuple[int, int, int]
"""Thousandths of a core, MiB of memory, MiB of disk: whole numbers, so that sums of tenths of cores are exact."""
_Item = tuple[float, int, int, int, int]
"""A job's value, its group, and its size."""

HEAD: Final = 40
"""So many groups compete for a node; the others, worth less for their room, fill what these leave."""


@dataclass(frozen=True)
class NodeKind:
    """What may be launched."""

    number: int
    capacity: Size
    price: float
    room: int
    """How many nodes, as far as this kind's own limit goes."""
    preemptible: bool
    vcpus: int
    takes: tuple[int, ...]
    """The groups that it may be launched for and that fit, by number."""
    shares: tuple[float, ...] = ()
    """For each of these, the sum of the shares of cores, memory and disk that a job takes."""

    def taking(self, takes: Sequence[int], sizes: Sequence[Size]) -> NodeKind:
        """Return this kind for these groups."""
        cores, memory, disk = (1 / (one or 1) for one in self.capacity)
        shares = (sizes[at][0] * cores + sizes[at][1] * memory + sizes[at][2] * disk + 1e-12 for at in takes)
        return replace(self, takes=tuple(takes), shares=tuple(shares))


@dataclass(frozen=True)
class NodePattern:
    """What one node of a kind runs."""

    kind: NodeKind
    counts: tuple[tuple[int, int], ...]
    """Pairs of a group's number and how many of its jobs, by number; each count is at least 1."""

    @classmethod
    def of(cls, kind: NodeKind, counts: Mapping[int, int]) -> NodePattern:
        """Return the pattern of these counts by group."""
        return cls(kind, tuple(sorted(counts.items())))

    def value(self, values: Sequence[float]) -> float:
        """Return what its jobs are worth together."""
        return sum(values[group] * count for group, count in self.counts)

    def times(self, left: Sequence[int]) -> int:
        """Return how often it can be used in full."""
        return min(left[group] // count for group, count in self.counts)


def how_many(size: Size, free: Size) -> int:
    """Return how many jobs of a size find room; those that need nothing at all always do."""
    return min((there // needed for needed, there in zip(size, free, strict=True) if needed), default=2**31)


def less(free: Size, size: Size, count: int) -> Size:
    """Return what is left when so many jobs take their part."""
    return (free[0] - size[0] * count, free[1] - size[1] * count, free[2] - size[2] * count)


def most_valuable(
    kind: NodeKind, sizes: Sequence[Size], left: Sequence[int], values: Sequence[float], seeds: int = 0
) -> NodePattern | None:
    """Return a pattern of great value among the jobs that are left; None when none of them fits.

    :param seeds: how many patterns to try that start with another job, those with the most value for their room first.
    """
    items = _by_density(kind, sizes, left, values)
    if not items:
        return None
    head, tail = items[:HEAD], items[HEAD:]
    best, worth = dict[int, int](), -1.0
    for seed in (None, *head[:seeds]):
        counts = _filled(kind.capacity, head, left, seed)
        value = sum(values[group] * count for group, count in counts.items())
        if value > worth:
            best, worth = counts, value
    if tail:
        free = kind.capacity
        for group, count in best.items():
            free = less(free, sizes[group], count)
        best |= _filled(free, tail, left)
    return NodePattern.of(kind, best)


def _by_density(kind: NodeKind, sizes: Sequence[Size], left: Sequence[int], values: Sequence[float]) -> list[_Item]:
    dense = [
        (-values[group] / share, group) for group, share in zip(kind.takes, kind.shares, strict=True) if left[group]
    ]
    dense.sort()
    return [(values[group], group, *sizes[group]) for _, group in dense]


def _filled(free: Size, items: Sequence[_Item], left: Sequence[int], seed: _Item | None = None) -> dict[int, int]:
    """Fill a node by value per room, where room is the dearer the less is left of it; the seed's job comes first."""
    cores, memory, disk = free
    counts: dict[int, int] = {}
    if seed is not None:
        cores, memory, disk, counts[seed[1]] = cores - seed[2], memory - seed[3], disk - seed[4], 1
    while items := [
        one for one in items
        if one[2] <= cores and one[3] <= memory and one[4] <= disk and counts.get(one[1], 0) < left[one[1]]
    ]:  # fmt: skip
        _, group, *size = _densest(items, (cores, memory, disk))
        needed = (size[0], size[1], size[2])
        most = min(how_many(needed, (cores, memory, disk)), left[group] - counts.get(group, 0))
        # A part at a time: what it takes makes way for others when it becomes scarce.
        count = max(1, most // 4)
        counts[group] = counts.get(group, 0) + count
        cores, memory, disk = less((cores, memory, disk), needed, count)
    return counts


def _densest(items: Sequence[_Item], free: Size) -> _Item:
    per_core, per_memory, per_disk = (1 / (one or 1) for one in free)
    best, density = items[0], -1.0
    for one in items:
        dense = one[0] / (one[2] * per_core + one[3] * per_memory + one[4] * per_disk + 1e-12)
        if dense > density:
            best, density = one, dense
    return best
