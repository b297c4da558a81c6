"""The most valuable jobs beside each other on one node: as if jobs could be split, then whole jobs near that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Item = tuple[float, float, float, float, int]
"""A group's job: its value, its share of the node's cores, memory and disk, and how many may be taken."""
_Row = tuple[float, float, float]

_EPSILON: Final = 1e-9
_PIVOTS: Final = 60
_GAIN: Final = 1.0002
"""A search that cannot better the best by more than this is not followed."""


@dataclass(frozen=True)
class Relaxed:
    """How many of each item a node holds if jobs can be split, and what its resources are then worth."""

    amounts: tuple[float, ...]
    prices: _Row
    """Of all of the node's cores, memory and disk."""


def best_counts(items: Sequence[Item], steps: int, above: float) -> dict[int, int]:
    """Search for whole jobs worth more than ``above`` together; return counts by the item's position, none if none.

    :param steps: how many combinations to look at, at most.
    """
    relaxed = relax(items)
    prices = relaxed.prices
    surplus = [one[0] - prices[0] * one[1] - prices[1] * one[2] - prices[2] * one[3] for one in items]

    def order(number: int) -> tuple[int, float, int]:
        _, cores, memory, disk, most = items[number]
        amount = relaxed.amounts[number]
        rank = 0 if amount > most - _EPSILON else 1 if amount > _EPSILON else 2
        return (rank, -surplus[number] / (cores + memory + disk + 1e-12), number)

    ordered = sorted(range(len(items)), key=order)
    rest = [0.0]
    for number in reversed(ordered):
        rest.append(rest[-1] + items[number][4] * max(0.0, surplus[number]))
    sequence = [(number, *items[number], relaxed.amounts[number]) for number in ordered]
    return dict(_dive(sequence, prices, rest[::-1], steps, above))


def _dive(
    items: Sequence[tuple[int, float, float, float, float, int, float]], prices: _Row, rest: Sequence[float],
    steps: int, above: float,
) -> tuple[tuple[int, int], ...]:  # fmt: skip
    """Look at the split solution rounded down and filled up first, then at its neighbours, the last items' first.

    :param rest: what the items from here on can add at most, beside what free room is worth.
    """
    best, worth, last = tuple[tuple[int, int], ...](), above, len(items)
    chosen: list[tuple[int, int]] = []

    def dive(at: int, cores: float, memory: float, disk: float, value: float) -> None:
        nonlocal best, worth, steps
        steps -= 1
        if value > worth:
            best, worth = tuple(chosen), value
        while at < last and (items[at][2] > cores or items[at][3] > memory or items[at][4] > disk):
            at += 1
        limit = value + prices[0] * cores + prices[1] * memory + prices[2] * disk + rest[at]
        if at == last or limit <= worth * _GAIN:
            return
        number, gain, *needs, most, amount = items[at]
        room = zip(needs, (cores, memory, disk), strict=True)
        most = min([int(most), *(int(there / need + _EPSILON) for need, there in room if need)])
        first = int(amount + 1e-6) if _EPSILON < amount < items[at][5] - _EPSILON else most
        first = min(first, most)
        for count in (first, *range(first + 1, most + 1), *range(first - 1, -1, -1)):
            if steps < 0:
                return
            if count:
                chosen.append((number, count))
            dive(at + 1, cores - needs[0] * count, memory - needs[1] * count, disk - needs[2] * count,
                 value + gain * count)  # fmt: skip
            if count:
                chosen.pop()

    dive(0, 1 + _EPSILON, 1 + _EPSILON, 1 + _EPSILON, 0.0)
    return best


def relax(items: Sequence[Item]) -> Relaxed:
    """Solve the problem in which jobs can be split."""
    simplex = _Simplex(items)
    for _ in range(_PIVOTS):
        entering = simplex.entering()
        if entering is None:
            break
        simplex.enter(entering)
    return simplex.solution()


class _Simplex:
    """Three resources are three rows; items outside the basis are at none or at their most. Slacks are -1, -2, -3."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._full = [False] * len(items)
        self._basis = [-1, -2, -3]
        self._amounts = [1.0, 1.0, 1.0]
        self._inverse: list[_Row] = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
        self._prices: _Row = (0.0, 0.0, 0.0)

    def entering(self) -> int | None:
        """Return the item, or the slack of a resource, by which the value could grow most."""
        cores, memory, disk = self._prices
        best, gain = None, _EPSILON
        for number, (value, one, two, three, most) in enumerate(self._items):
            surplus = value - cores * one - memory * two - disk * three
            if self._full[number]:
                surplus = -surplus
            if surplus * most > gain and number not in self._basis:
                best, gain = number, surplus * most
        for slack, price in zip((-1, -2, -3), self._prices, strict=True):
            if -price > gain and slack not in self._basis:
                best, gain = slack, -price
        return best

    def enter(self, entering: int) -> None:
        """Change the amount of what enters until it or something in the basis meets its bound."""
        one, two, three = self._column(entering)
        sign = -1.0 if entering >= 0 and self._full[entering] else 1.0
        direction = [sign * (row[0] * one + row[1] * two + row[2] * three) for row in self._inverse]
        most = float(self._items[entering][4]) if entering >= 0 else float("inf")
        step, leaving = min([(most, 3), *((self._bound(row, slope), row) for row, slope in enumerate(direction))])
        self._amounts = [value - slope * step for value, slope in zip(self._amounts, direction, strict=True)]
        if leaving == 3:
            self._full[entering] = not self._full[entering]
            return
        if self._basis[leaving] >= 0:
            self._full[self._basis[leaving]] = direction[leaving] < 0
        if entering >= 0:
            self._full[entering] = False
        self._amounts[leaving] = step if sign > 0 else most - step
        self._basis[leaving] = entering
        self._turn([slope * sign for slope in direction], leaving)

    def solution(self) -> Relaxed:
        """Return what it came to."""
        amounts = [float(one[4]) if full else 0.0 for one, full in zip(self._items, self._full, strict=True)]
        for number, amount in zip(self._basis, self._amounts, strict=True):
            if number >= 0:
                amounts[number] = amount
        cores, memory, disk = (max(0.0, price) for price in self._prices)
        return Relaxed(tuple(amounts), (cores, memory, disk))

    def _column(self, number: int) -> _Row:
        if number >= 0:
            return self._items[number][1:4]
        return (float(number == -1), float(number == -2), float(number == -3))

    def _bound(self, row: int, slope: float) -> float:
        """Return how far what enters may go before the basic variable of a row meets its bound."""
        if slope > _EPSILON:
            return max(0.0, self._amounts[row] / slope)
        if slope < -_EPSILON and self._basis[row] >= 0:
            return max(0.0, (self._items[self._basis[row]][4] - self._amounts[row]) / -slope)
        return float("inf")

    def _turn(self, direction: Sequence[float], leaving: int) -> None:
        one, two, three = (value / direction[leaving] for value in self._inverse[leaving])
        self._inverse = [
            (one, two, three) if row == leaving else (old[0] - by * one, old[1] - by * two, old[2] - by * three)
            for row, (old, by) in enumerate(zip(self._inverse, direction, strict=True))
        ]
        worth = [self._items[number][0] if number >= 0 else 0.0 for number in self._basis]
        first, second, third = self._inverse
        self._prices = (
            worth[0] * first[0] + worth[1] * second[0] + worth[2] * third[0],
            worth[0] * first[1] + worth[1] * second[1] + worth[2] * third[1],
            worth[0] * first[2] + worth[1] * second[2] + worth[2] * third[2],
        )
