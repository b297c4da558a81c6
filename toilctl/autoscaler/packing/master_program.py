"""The cheapest mixture of patterns that covers what is wanted: a linear program, solved by the simplex method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toilctl.autoscaler.packing.patterns import NodeKind, NodePattern

_EPSILON = 1e-9


@dataclass
class _Basic:
    """What a row's basic variable is."""

    pattern: NodePattern | None
    price: float


class Mixture:
    """The mixture of patterns, in fractions of nodes; at first nothing has a node, at a high price.

    Rows are the groups, then the limits. A limit is a set of kinds with the room that each node takes of it.
    """

    def __init__(
        self, wanted: Sequence[int], unplaced: Sequence[float], limits: Sequence[tuple[float, Mapping[int, float]]] = ()
    ) -> None:
        self._groups = len(wanted)
        self._limits = limits
        size = self._groups + len(limits)
        self._inverse = [[0.0] * size for _ in range(size)]
        for row in range(size):
            self._inverse[row][row] = 1.0
        self._amounts = [float(slots) for slots in wanted] + [float(limit) for limit, _ in limits]
        self._basis = [_Basic(None, price) for price in unplaced] + [_Basic(None, 0.0) for _ in limits]
        self._duals = [*unplaced, *(0.0 for _ in limits)]

    @property
    def cost(self) -> float:
        """What the mixture costs, with the price of what has no node."""
        return sum(one.price * amount for one, amount in zip(self._basis, self._amounts, strict=True))

    def parts(self) -> list[tuple[NodePattern, float]]:
        """Return the patterns in use and how many nodes of each."""
        pairs = zip(self._basis, self._amounts, strict=True)
        return [(one.pattern, amount) for one, amount in pairs if one.pattern is not None and amount > _EPSILON]

    @property
    def values(self) -> list[float]:
        """What one more job of each group would cost."""
        return [max(0.0, dual) for dual in self._duals[: self._groups]]

    def price_of(self, kind: NodeKind) -> float:
        """Return what a node of a kind costs with what its limits make others pay."""
        limits = zip(self._limits, self._duals[self._groups :], strict=True)
        return kind.price - sum(dual * takes.get(kind.number, 0.0) for (_, takes), dual in limits)

    def saving(self, pattern: NodePattern) -> float:
        """Return how much a node of this pattern would save."""
        return pattern.value(self._duals) - self.price_of(pattern.kind)

    def enter(self, pattern: NodePattern) -> None:
        """Take a pattern into the mixture in place of another, and let go of what then costs more than it is worth."""
        self._pivot(self._column(pattern), _Basic(pattern, pattern.kind.price))
        self._mend()

    def _mend(self) -> None:
        """Let groups have more than they want where that is cheaper, and limits be left unused."""
        for _ in range(len(self._duals)):
            signed = [dual if row < self._groups else -dual for row, dual in enumerate(self._duals)]
            worst = min(range(len(signed)), key=signed.__getitem__, default=-1)
            if worst < 0 or signed[worst] >= -_EPSILON:
                break
            self._pivot([(worst, -1.0 if worst < self._groups else 1.0)], _Basic(None, 0.0))

    def _column(self, pattern: NodePattern) -> list[tuple[int, float]]:
        column: list[tuple[int, float]] = [(group, float(count)) for group, count in pattern.counts]
        for row, (_, takes) in enumerate(self._limits, self._groups):
            if pattern.kind.number in takes:
                column.append((row, takes[pattern.kind.number]))
        return column

    def _pivot(self, column: list[tuple[int, float]], entering: _Basic) -> None:
        saved = sum(self._duals[row] * value for row, value in column)
        direction = [sum(row[at] * value for at, value in column) for row in self._inverse]
        leaving, step = -1, float("inf")
        for row, slope in enumerate(direction):
            if slope > _EPSILON and (ratio := self._amounts[row] / slope) < step:
                leaving, step = row, ratio
        if leaving < 0:
            return
        pivot = [value / direction[leaving] for value in self._inverse[leaving]]
        for row, slope in enumerate(direction):
            if slope and row != leaving:
                self._amounts[row] = max(0.0, self._amounts[row] - slope * step)
                self._inverse[row] = [value - slope * by for value, by in zip(self._inverse[row], pivot, strict=True)]
        self._inverse[leaving], self._amounts[leaving], self._basis[leaving] = pivot, step, entering
        gain = entering.price - saved
        self._duals = [dual + gain * by for dual, by in zip(self._duals, pivot, strict=True)]
