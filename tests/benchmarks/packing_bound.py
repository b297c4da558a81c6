"""The least that any packing costs: the linear relaxation over everything that fits onto one node, solved with HiGHS.

Each column is a pattern: so many jobs of each group that fit beside each other on a node of one type. Columns are
generated until none can lower the cost by more than a little; what is returned is a proven lower bound all the way
(Farley's), not the value of a relaxation that may still fall.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from toilctl.autoscaler.packing.pack import Candidate, Group

ENOUGH = 0.002
"""The bound may be so much too low, as a share of it: what is measured over it is then too high."""
PATIENCE_S = 45
"""After so much of the processor's time the bound so far has to do; a slower machine's may be lower."""
NODES = 1000


@dataclass(frozen=True)
class Bound:
    """A proven lower bound and the cost that a mixture of patterns attains, both USD per hour."""

    usd_per_hour: float
    attained: float


def bound(groups: Sequence[Group], candidates: Sequence[Candidate]) -> Bound:
    """Return the bound for new nodes without limits; each group fits at least one candidate."""
    wanted = np.array([group.slots for group in groups], dtype=float)
    knapsacks = [_Knapsack(groups, one) for one in candidates]
    master = _Master(wanted)
    for knapsack in knapsacks:
        for number, most in enumerate(knapsack.most):
            if most:
                master.add(knapsack.price, {number: int(most)})
    least, began = 0.0, time.process_time()
    while not least or time.process_time() - began < PATIENCE_S:
        cost, duals = master.solve()
        better = [master.add_if_better(one.price, one.guess(duals), duals) for one in knapsacks]
        if any(better):
            continue
        patterns = [(one.price, *one.best(duals)) for one in knapsacks]
        worst = max([1.0, *(value / price for price, value, _ in patterns)])
        least = max(least, float(wanted @ duals) / worst)
        if cost - least <= ENOUGH * cost:
            break
        for price, _, pattern in patterns:
            master.add_if_better(price, pattern, duals)
    return Bound(least, cost)


class _Master:
    """The cheapest mixture of the patterns that are known."""

    def __init__(self, wanted: Any) -> None:
        self._highs = _quiet()
        for slots in wanted:
            self._highs.addRow(float(slots), highspy.kHighsInf, 0, np.array([], dtype=np.int32), np.array([]))

    def add(self, price: float, pattern: dict[int, int]) -> None:
        rows = np.array(list(pattern), dtype=np.int32)
        values = np.array(list(pattern.values()), dtype=float)
        self._highs.addCol(price, 0.0, highspy.kHighsInf, len(rows), rows, values)

    def add_if_better(self, price: float, pattern: dict[int, int], duals: Any) -> bool:
        better = sum(duals[number] * count for number, count in pattern.items()) > price * (1 + 1e-7)
        if better:
            self.add(price, pattern)
        return bool(better)

    def solve(self) -> tuple[float, Any]:
        self._highs.run()
        duals = np.maximum(np.array(self._highs.getSolution().row_dual), 0.0)
        return self._highs.getInfo().objective_function_value, duals


class _Knapsack:
    """The most valuable pattern on one candidate's node, at most the wanted slots of each group."""

    def __init__(self, groups: Sequence[Group], candidate: Candidate) -> None:
        self.price = candidate.offer.usd_per_hour
        given = candidate.offer.resources
        have = (given.cores, given.memory_mib, given.disk_mib)
        spot = candidate.offer.node_type.preemptible
        self.most = np.zeros(len(groups))
        sizes = []
        for number, group in enumerate(groups):
            needs = (group.shape.cores, group.shape.memory_mib, group.shape.disk_mib)
            sizes.append(needs)
            if candidate.offer.node_type in group.allowed and (group.shape.preemptible or not spot):
                counts = [
                    math.floor(there / needed + 1e-9) for needed, there in zip(needs, have, strict=True) if needed
                ]
                self.most[number] = min([group.slots, *counts])
        self._groups = np.flatnonzero(self.most)
        self._columns = np.arange(len(self._groups), dtype=np.int32)
        self._sizes = np.array(sizes)[self._groups] / have
        self._relaxed, self._whole = self._model(whole=False), self._model(whole=True)

    def _model(self, whole: bool) -> Any:
        highs = _quiet()
        highs.setOptionValue("mip_rel_gap", ENOUGH / 2)
        # Then its bound is a little too high, and the bound of the cost too low.
        highs.setOptionValue("mip_max_nodes", NODES)
        for number in self._groups:
            highs.addCol(0.0, 0.0, float(self.most[number]), 0, np.array([], dtype=np.int32), np.array([]))
        for each in range(3):
            highs.addRow(-highspy.kHighsInf, 1.0 + 1e-9, len(self._columns), self._columns, self._sizes[:, each].copy())
        if whole:
            kinds = np.array([highspy.HighsVarType.kInteger] * len(self._columns), dtype=object)
            highs.changeColsIntegrality(len(self._columns), self._columns, kinds)
        highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        return highs

    def guess(self, duals: Any) -> dict[int, int]:
        """Return a good pattern quickly: the relaxed one, rounded down and filled up by value."""
        if not len(self._groups):
            return {}
        values = duals[self._groups]
        _, counts = self._run(self._relaxed, values)
        counts = np.floor(counts + 1e-6)
        free = 1.0 + 1e-9 - counts @ self._sizes
        for number in np.argsort(-values / self._sizes.max(axis=1), kind="stable"):
            if values[number] <= 0:
                break
            room = (free / np.maximum(self._sizes[number], 1e-12)).min()
            more = min(math.floor(room), self.most[self._groups[number]] - counts[number])
            if more > 0:
                counts[number] += more
                free = free - more * self._sizes[number]
        return self._pattern(counts)

    def best(self, duals: Any) -> tuple[float, dict[int, int]]:
        """Return an upper bound of the best pattern's value, and a pattern near it."""
        if not len(self._groups):
            return 0.0, {}
        relaxed, _ = self._run(self._relaxed, duals[self._groups])
        if relaxed <= self.price:
            return relaxed, {}
        value, counts = self._run(self._whole, duals[self._groups])
        return value, self._pattern(counts)

    def _run(self, highs: Any, values: Any) -> tuple[float, Any]:
        highs.changeColsCost(len(self._columns), self._columns, values)
        highs.run()
        info = highs.getInfo()
        value = info.mip_dual_bound if highs is self._whole else info.objective_function_value
        return value, np.array(highs.getSolution().col_value)

    def _pattern(self, counts: Any) -> dict[int, int]:
        whole = np.round(counts)
        return {int(number): int(count) for number, count in zip(self._groups, whole, strict=True) if count}


def _quiet() -> Any:
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    return highs
