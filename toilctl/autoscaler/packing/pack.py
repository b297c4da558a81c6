"""Which jobs fit where: onto the nodes that there are, and onto the cheapest new ones. Values in, values out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.packing.patterns import NodeKind, Size, how_many, less
from toilctl.autoscaler.packing.whole_nodes import big_first, cheapest_nodes
from toilctl.values.capacity import Resources
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType

_RESOURCES: Final = ("cores", "memory", "disk")
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class Group:
    """Jobs of one shape."""

    shape: Shape
    slots: int
    """How many have to run at the same time to be done in the target time."""
    allowed: frozenset[NodeType]
    """What may be launched for them."""
    urgent: bool = False
    """Whether it gets a place before all that is not urgent, whatever its size."""


@dataclass(frozen=True)
class Bin:
    """A node, there or booting, with free room."""

    key: str
    free: Resources
    node_type: NodeType
    """A preemptible one takes preemptible shapes only."""


@dataclass(frozen=True)
class Candidate:
    """What may be launched, and how many."""

    offer: Offer
    room: int


@dataclass(frozen=True)
class Filled:
    """Where slots found a place."""

    placed: tuple[int, ...]
    """Slots by group, in the order of the groups."""
    used: Mapping[str, int]
    """Slots by the key of their bin; bins without any are left out."""


@dataclass(frozen=True)
class Loaded:
    """New nodes that are meant to run the same."""

    node_type: NodeType
    nodes: int
    slots: tuple[tuple[int, int], ...]
    """Pairs of a group, by its place in the order of the groups, and how many of its slots each node has."""


@dataclass(frozen=True)
class Packing:
    """Nodes to launch."""

    nodes: Mapping[NodeType, int]
    """How many; node types without any are left out."""
    placed: tuple[int, ...]
    """Slots that get a place there by group, in the order of the groups."""
    loaded: tuple[Loaded, ...] = ()
    """How they fit there."""


def fits(shape: Shape, resources: Resources) -> bool:
    """Tell whether a job finds room by size; whether it may be interrupted is another question."""
    return not lacking(shape, resources)


def lacking(shape: Shape, resources: Resources) -> tuple[str, ...]:
    """Return those of cores, memory and disk of which there is too little; none when the job fits."""
    pairs = zip(_RESOURCES, _needed(shape), _given(resources), strict=True)
    return tuple(name for name, needed, given in pairs if needed > given)


def fill(groups: Sequence[Group], bins: Sequence[Bin]) -> Filled:
    """Place slots on nodes that are there: big before small, each on the first bin with room.

    A bin early in the order is filled up before the next is touched. Preemptible shapes go onto preemptible bins first,
    and leave the others to those that have no choice.
    """
    used = [0] * len(bins)
    runs = {
        preemptible: _Runs(bins, [at for at, one in enumerate(bins) if one.node_type.preemptible == preemptible])
        for preemptible in (True, False)
    }
    placed = [0] * len(groups)
    for number in _big_first(groups, [_given(one.free) for one in bins]):
        group = groups[number]
        left = group.slots
        for preemptible in (True, False) if group.shape.preemptible else (False,):
            left = runs[preemptible].place(_needed(group.shape), left, used)
        placed[number] = group.slots - left
    return Filled(tuple(placed), {one.key: count for one, count in zip(bins, used, strict=True) if count})


class _Runs:
    """Bins in their order; those beside each other with the same free room are looked at as one."""

    def __init__(self, bins: Sequence[Bin], numbers: Iterable[int]) -> None:
        runs = groupby(numbers, lambda number: _given(bins[number].free))
        self._runs = [(free, list(run)) for free, run in runs]

    def place(self, size: Size, left: int, used: list[int]) -> int:
        """Place what is left of a group on the first bins with room, count it for each bin; return what is still left.

        Late bins are changed first, so that the places of early ones in the list stay.
        """
        cores, memory, disk = size
        taken = []
        for at in [
            at for at, (free, _) in enumerate(self._runs)
            if free[0] >= cores and free[1] >= memory and free[2] >= disk
        ] if left else []:  # fmt: skip
            free, bins = self._runs[at]
            each = how_many(size, free)
            taken.append((at, each, left))
            left = max(0, left - each * len(bins))
            if not left:
                break
        for at, each, there in reversed(taken):
            self._runs[at : at + 1] = self._split(at, size, each, there, used)
        return left

    def _split(self, at: int, size: Size, each: int, slots: int, used: list[int]) -> list[tuple[Size, list[int]]]:
        """Place so many slots on a run; return the bins that got all they hold, the one that got some, the others."""
        free, bins = self._runs[at]
        full, rest = min(len(bins), slots // each), slots % each
        some = int(full < len(bins) and rest > 0)
        for position, number in enumerate(bins[: full + some]):
            used[number] += each if position < full else rest
        pieces = (
            (less(free, size, each), bins[:full]),
            (less(free, size, rest), bins[full : full + some]),
            (free, bins[full + some :]),
        )
        return [(room, run) for room, run in pieces if run and any(room)]


def pack(groups: Sequence[Group], candidates: Sequence[Candidate], vcpus_left: Mapping[bool, float]) -> Packing:
    """Choose the cheapest new nodes on which all slots find a place; big groups first where there is too little room.

    :param vcpus_left: how much of the account's quota is left by ``preemptible``; what is missing is not limited.
    """
    order = sorted(range(len(groups)), key=lambda number: _sorting(groups[number]))
    groups = [groups[number] for number in order]
    candidates = sorted(candidates, key=lambda one: str(one.offer.node_type))
    kinds = _kinds(groups, candidates)
    sizes, wanted = [_needed(group.shape) for group in groups], [group.slots for group in groups]
    cover = cheapest_nodes(kinds, sizes, wanted, vcpus_left)
    if any(cover.left[group] for kind in kinds for group in kind.takes):
        ranks = _big_first(groups, [kind.capacity for kind in kinds])
        cover = big_first(kinds, sizes, wanted, vcpus_left, ranks)
    loaded = []
    nodes = Counter[NodeType]()
    for pattern, times in cover.nodes:
        node_type = candidates[pattern.kind.number].offer.node_type
        nodes[node_type] += times
        loaded.append(Loaded(node_type, times, tuple((order[at], count) for at, count in pattern.counts)))
    placed = [0] * len(groups)
    for number, want, left in zip(order, wanted, cover.left, strict=True):
        placed[number] = want - left
    return Packing(dict(nodes), tuple(placed), tuple(loaded))


def _kinds(groups: Sequence[Group], candidates: Sequence[Candidate]) -> list[NodeKind]:
    """Return the candidates with the groups that may cause them and fit."""
    kinds = []
    for number, one in enumerate(candidates):
        offer, given = one.offer, _given(one.offer.resources)
        takes = tuple(
            at
            for at, group in enumerate(groups)
            if group.slots > 0
            and offer.node_type in group.allowed
            and (group.shape.preemptible or not offer.node_type.preemptible)
            and how_many(_needed(group.shape), given)
        )
        preemptible, room = offer.node_type.preemptible, max(0, one.room)
        kinds.append(NodeKind(number, given, offer.usd_per_hour, room, preemptible, offer.vcpus, takes))
    return kinds


def _sorting(group: Group) -> tuple[Shape, bool, int, list[str]]:
    """Return what puts groups in the same order whatever order they come in."""
    return (group.shape, group.urgent, group.slots, sorted(map(str, group.allowed)))


def _big_first(groups: Sequence[Group], rooms: Sequence[Size]) -> list[int]:
    """Return the groups' numbers: urgent ones, then by the largest share of the most that one node has."""
    most = [max((room[each] for room in rooms), default=0) or 1 for each in range(3)]

    def order(number: int) -> tuple[bool, float, Size, bool, int]:
        size = _needed(groups[number].shape)
        share = max(needed / there for needed, there in zip(size, most, strict=True))
        negative = (-size[0], -size[1], -size[2])
        return (not groups[number].urgent, -share, negative, groups[number].shape.preemptible, number)

    return sorted(range(len(groups)), key=order)


def _needed(shape: Shape) -> Size:
    return (math.ceil(shape.cores * 1000 - _ROUNDING), shape.memory_mib, shape.disk_mib)


def _given(resources: Resources) -> Size:
    return (math.floor(resources.cores * 1000 + _ROUNDING), resources.memory_mib, resources.disk_mib)
