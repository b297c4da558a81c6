"""Whole nodes at the lowest cost: a mixture of patterns rounded down, and the rest covered node by node."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from toilctl.autoscaler.packing.column_generation import cheapest_mixture
from toilctl.autoscaler.packing.greedy_cover import Cover, Room, complete, corrected
from toilctl.autoscaler.packing.master_program import Mixture
from toilctl.autoscaler.packing.patterns import NodeKind, NodePattern, Size, how_many, less

_EXACTLY: Final = 80
"""More groups than these are priced by classes of like ones: the mixture's effort grows with their square."""
_CLASSES: Final = 40
_ROUNDINGS: Final = (1.0, 0.8, 0.6)
"""The part of a node from which it counts as a whole one."""
_PASSES: Final = 8
_EFFORT: Final = 1_500_000
"""Bounds the passes after the first: items looked at, about. Some 0.3 s."""
_SEEDS: Final = 6
_MANY: Final = 300
_SEEDS_FOR_MANY: Final = 3


def cheapest_nodes(
    kinds: Sequence[NodeKind], sizes: Sequence[Size], wanted: Sequence[int], vcpus_left: Mapping[bool, float]
) -> Cover:
    """Return nodes on which everything finds a place as far as there is room, at a cost near the lowest.

    The work is bounded by what is looked at, not by a clock: the same input gives the same nodes.
    """
    taken = {group for kind in kinds for group in kind.takes if wanted[group]}
    kinds = [kind.taking([group for group in kind.takes if wanted[group]], sizes) for kind in kinds]
    start = Cover(list(wanted), Room.of(kinds, vcpus_left))
    if not taken:
        return start
    if len(taken) <= _EXACTLY:
        mixture = cheapest_mixture(kinds, sizes, wanted, vcpus_left)
        starts, values = [_rounded(start, mixture, part) for part in _ROUNDINGS], mixture.values
    else:
        mixture, values = _by_classes(kinds, sizes, wanted, vcpus_left, sorted(taken))
        starts = [start]
    covers = [_finished(one, kinds, sizes, values, _EFFORT // len(starts)) for one in starts]
    return min(covers, key=_rank)


def _rounded(start: Cover, mixture: Mixture, whole_from: float) -> Cover:
    """Take the mixture's patterns as often as they come to whole nodes, those used most first."""
    cover = start.copy()
    for pattern, amount in sorted(mixture.parts(), key=lambda part: -part[1]):
        nodes = min(int(amount + 1 - whole_from + 1e-6), pattern.times(cover.left), cover.room.for_more(pattern.kind))
        if nodes:
            cover.add(pattern, nodes)
    return cover


def _finished(
    start: Cover, kinds: Sequence[NodeKind], sizes: Sequence[Size], values: Sequence[float], effort: int
) -> Cover:
    """Cover the rest several times, each time with values corrected by what it cost before; return the best."""
    covers: list[Cover] = []
    spent, seeds = 0, _SEEDS if len(sizes) <= _MANY else _SEEDS_FOR_MANY
    while not covers or (len(covers) < _PASSES and spent <= effort):
        effort -= spent
        cover = start.copy()
        spent = complete(cover, kinds, sizes, values, seeds)
        covers.append(cover)
        paid = corrected(cover.nodes[len(start.nodes) :], values)
        values = [(old + new) / 2 for old, new in zip(values, paid, strict=True)]
    return min(covers, key=_rank)


def _rank(cover: Cover) -> tuple[int, float]:
    return (sum(cover.left), cover.price)


def _by_classes(
    kinds: Sequence[NodeKind], sizes: Sequence[Size], wanted: Sequence[int], vcpus_left: Mapping[bool, float],
    groups: Sequence[int],
) -> tuple[Mixture, list[float]]:  # fmt: skip
    """Return a mixture for classes of like groups instead of groups, and the groups' values by their class's."""
    takers: dict[int, tuple[int, ...]] = dict.fromkeys(groups, ())
    for at, kind in enumerate(kinds):
        for group in kind.takes:
            takers[group] += (at,)
    classes = _classes(sizes, takers)
    slots = [sum(wanted[group] for group in members) for members in classes]
    means = [_mean(sizes, wanted, members) for members in classes]
    by_class = [
        kind.taking([number for number, one in enumerate(classes) if at in takers[one[0]]], means)
        for at, kind in enumerate(kinds)
    ]
    mixture = cheapest_mixture(by_class, means, slots, vcpus_left)
    values = [0.0] * len(sizes)
    for members, mean, value in zip(classes, means, mixture.values, strict=True):
        able = [kinds[at] for at in takers[members[0]]]
        for group in members:
            values[group] = value * _least_share(sizes[group], able) / _least_share(mean, able)
    return mixture, values


def _classes(sizes: Sequence[Size], takers: Mapping[int, tuple[int, ...]]) -> list[list[int]]:
    """Put groups together that may use the same kinds and need about the same, the coarser the more there are."""
    factor = 1.2
    while True:
        found: dict[tuple[object, ...], list[int]] = {}
        for group, able in takers.items():
            rough = [round(math.log(one + 1, factor)) for one in sizes[group]]
            found.setdefault((able, *rough), []).append(group)
        if len(found) <= _CLASSES or factor > 1000:
            return list(found.values())
        factor **= 1.25


def _mean(sizes: Sequence[Size], wanted: Sequence[int], members: Sequence[int]) -> Size:
    slots = sum(wanted[group] for group in members)
    cores, memory, disk = (sum(wanted[group] * sizes[group][each] for group in members) // slots for each in range(3))
    return (cores, memory, disk)


def _least_share(size: Size, kinds: Sequence[NodeKind]) -> float:
    """Return what the largest share of a node costs on the kind where that is least."""
    return 1e-9 + min(
        kind.price * max(one / (there or 1) for one, there in zip(size, kind.capacity, strict=True)) for kind in kinds
    )


def big_first(
    kinds: Sequence[NodeKind], sizes: Sequence[Size], wanted: Sequence[int], vcpus_left: Mapping[bool, float],
    order: Sequence[int],
) -> Cover:  # fmt: skip
    """Return nodes for when there is too little room: each group in turn takes free room, then the cheapest nodes.

    :param order: the groups' numbers; a later one never takes the place of an earlier one.
    """
    cover = Cover(list(wanted), Room.of(kinds, vcpus_left))
    opened: list[_Opened] = []
    for group in order:
        able = [kind for kind in kinds if group in set(kind.takes)]
        numbers = {kind.number for kind in able}
        for one in [one for one in opened if one.kind.number in numbers]:
            opened += one.put(cover, group, sizes[group])
        while cover.left[group]:
            found = [
                (kind.price / min(cover.left[group], count), kind.number, kind, count, room)
                for kind in able
                if (room := cover.room.for_more(kind)) and (count := how_many(sizes[group], kind.capacity))
            ]
            if not found:
                break
            _, _, kind, count, room = min(found, key=lambda one: one[:2])
            nodes = min(room, max(1, cover.left[group] // count))
            new = _Opened(kind, kind.capacity, nodes, {})
            cover.room.take(kind, nodes)
            opened += [new, *new.put(cover, group, sizes[group])]
    cover.nodes = [(NodePattern.of(one.kind, one.counts), one.nodes) for one in opened]
    return cover


@dataclass
class _Opened:
    """Nodes of one kind with the same free room."""

    kind: NodeKind
    free: Size
    nodes: int
    counts: dict[int, int]

    def put(self, cover: Cover, group: int, size: Size) -> list[_Opened]:
        """Place what is left of a group as far as there is room; return the nodes that now differ from the rest."""
        left = cover.left[group]
        count = min(left, how_many(size, self.free))
        if not count:
            return []
        filled = min(self.nodes, left // count)
        cover.left[group] -= filled * count
        rest = [_Opened(self.kind, self.free, self.nodes - filled, dict(self.counts))] if filled < self.nodes else []
        self.free, self.nodes = less(self.free, size, count), filled
        self.counts[group] = self.counts.get(group, 0) + count
        return rest + [more for one in rest for more in one.put(cover, group, size)]
