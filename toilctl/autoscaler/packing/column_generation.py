"""The cheapest mixture of patterns, found by looking for patterns that are worth more than they cost until few are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from toilctl.autoscaler.packing.greedy_cover import Cover, Room, complete, corrected
from toilctl.autoscaler.packing.knapsack import best_counts
from toilctl.autoscaler.packing.master_program import Mixture
from toilctl.autoscaler.packing.patterns import NodeKind, NodePattern, Size, how_many, most_valuable

_UNPLACED: Final = 20.0
"""How many times dearer than on a node of its own a job without a node is."""
_COVERS: Final = 6
_EFFORT: Final = 150_000
"""Bounds the search: items looked at, and a twentieth of the numbers that pivots change. About 0.3 s."""
_STEPS: Final = 60
_SEEDS: Final = 12
_IN_A_ROW: Final = 5
_WORTH_IT: Final = 1e-4
"""The share of its price that a pattern has to save."""
_PATIENCE: Final = 10
"""So many sweeps in a row that each lower the cost by less than this share are the last."""
_SLOW: Final = 2e-4


def cheapest_alone(kinds: Sequence[NodeKind], sizes: Sequence[Size], wanted: Sequence[int]) -> list[NodePattern | None]:
    """Return, by group, the pattern of this group alone that costs least for each job; None where no kind takes it."""
    best: list[tuple[float, NodePattern | None]] = [(float("inf"), None)] * len(sizes)
    for kind in kinds:
        for group in kind.takes:
            count = how_many(sizes[group], kind.capacity)
            if kind.price / count < best[group][0]:
                best[group] = (kind.price / count, NodePattern(kind, ((group, min(count, wanted[group])),)))
    return [pattern for _, pattern in best]


def cheapest_mixture(
    kinds: Sequence[NodeKind], sizes: Sequence[Size], wanted: Sequence[int], vcpus_left: Mapping[bool, float]
) -> Mixture:
    """Find a mixture close to the cheapest one within limits; each group is taken by a kind and wants something."""
    alone = cheapest_alone(kinds, sizes, wanted)
    each = [
        one.kind.price / how_many(sizes[group], one.kind.capacity) if one else 0.0 for group, one in enumerate(alone)
    ]
    limits = _limits(kinds, sizes, wanted, vcpus_left)
    mixture = Mixture(wanted, [_UNPLACED * price + 1e-6 for price in each], limits)
    for pattern in alone:
        if pattern is not None:
            mixture.enter(pattern)
    _enter_covers(mixture, kinds, sizes, wanted, each)
    _Sweeps(mixture, kinds, sizes, wanted).run()
    return mixture


def _limits(
    kinds: Sequence[NodeKind], sizes: Sequence[Size], wanted: Sequence[int], vcpus_left: Mapping[bool, float]
) -> list[tuple[float, Mapping[int, float]]]:
    """Return the limits that could be met: of single kinds in nodes, of preemptible and other ones in vCPUs."""
    most = {
        kind.number: sum(-(-wanted[group] // how_many(sizes[group], kind.capacity)) for group in kind.takes)
        for kind in kinds
    }
    found: list[tuple[float, Mapping[int, float]]] = [
        (float(kind.room), {kind.number: 1.0}) for kind in kinds if kind.room < most[kind.number]
    ]
    for preemptible, vcpus in sorted(vcpus_left.items()):
        takes = {kind.number: float(kind.vcpus) for kind in kinds if kind.preemptible == preemptible}
        if sum(most[number] * each for number, each in takes.items()) > vcpus:
            found.append((max(0.0, vcpus), takes))
    return found


def _enter_covers(
    mixture: Mixture, kinds: Sequence[NodeKind], sizes: Sequence[Size], wanted: Sequence[int], values: Sequence[float]
) -> None:
    """Begin with the patterns of a few whole covers, each by what the one before taught about the jobs' values."""
    for _ in range(_COVERS // 2):
        for again in range(2):
            cover = Cover(list(wanted), Room([2**31] * (1 + max(kind.number for kind in kinds)), {}))
            complete(cover, kinds, sizes, values)
            for pattern, _ in cover.nodes:
                if mixture.saving(pattern) > _WORTH_IT / 100:
                    mixture.enter(pattern)
            if again:
                values = mixture.values
            else:
                learnt = corrected(cover.nodes, values)
                values = [(old + new) / 2 for old, new in zip(values, learnt, strict=True)]


class _Sweeps:
    """Looks for patterns kind by kind; a kind that offers none is looked at less and less often."""

    def __init__(
        self, mixture: Mixture, kinds: Sequence[NodeKind], sizes: Sequence[Size], wanted: Sequence[int]
    ) -> None:
        self._mixture, self._kinds, self._sizes, self._wanted = mixture, kinds, sizes, wanted
        self._shares = {
            (kind.number, group): _share(sizes[group], kind, wanted[group]) for kind in kinds for group in kind.takes
        }
        self._effort = 0

    def run(self) -> None:
        """Sweep until nothing is found, little is gained, or the effort is spent."""
        failures = {kind.number: 0 for kind in self._kinds}
        due = dict.fromkeys(failures, 0)
        sweep = slow = 0
        while self._effort < _EFFORT and slow < _PATIENCE:
            before, sweep = self._mixture.cost, sweep + 1
            looked_at = [kind for kind in self._kinds if due[kind.number] <= sweep]
            for kind in looked_at:
                failures[kind.number] = 0 if self._improve(kind) else failures[kind.number] + 1
                due[kind.number] = sweep + 1 + min(8, 2 ** failures[kind.number] - 1)
            if all(failures[kind.number] for kind in looked_at):
                if len(looked_at) == len(self._kinds):
                    break
                due = dict.fromkeys(due, 0)
            slow = slow + 1 if before - self._mixture.cost < _SLOW * before else 0

    def _improve(self, kind: NodeKind) -> bool:
        """Enter this kind's patterns while each saves more than a little; tell whether one did."""
        for found in range(_IN_A_ROW):
            pattern = self._best(kind)
            if pattern is None:
                return found > 0
            self._mixture.enter(pattern)
            self._effort += len(self._wanted) ** 2 // 20
        return True

    def _best(self, kind: NodeKind) -> NodePattern | None:
        values = self._mixture.values
        groups = [group for group in kind.takes if values[group] > 0]
        self._effort += 5 * len(groups)
        items = [(values[group], *self._shares[kind.number, group]) for group in groups]
        least = self._mixture.price_of(kind) + _WORTH_IT * kind.price
        counts = best_counts(items, _STEPS, least)
        if counts:
            return NodePattern.of(kind, {groups[at]: count for at, count in counts.items()})
        self._effort += 5 * len(groups)
        pattern = most_valuable(kind, self._sizes, self._wanted, values, _SEEDS)
        return pattern if pattern is not None and pattern.value(values) > least else None


def _share(size: Size, kind: NodeKind, wanted: int) -> tuple[float, float, float, int]:
    cores, memory, disk = (one / (there or 1) for one, there in zip(size, kind.capacity, strict=True))
    return (cores, memory, disk, min(wanted, how_many(size, kind.capacity)))
