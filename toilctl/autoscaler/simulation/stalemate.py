"""When a simulation ends although jobs wait: nothing can happen any more, or all that happens is in vain."""

from __future__ import annotations

from dataclasses import replace
from heapq import nsmallest
from typing import Final

from toilctl.autoscaler.decide.demand import NAMES_SHOWN
from toilctl.autoscaler.model.plan import Infeasible, ScalingPlan
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.autoscaler.simulation.engine import SimulatedEngine
from toilctl.values.jobs import Shape

_TICKS: Final = 200
"""So many ticks at which jobs wait, and nothing happens or can, are the end, once all idle nodes could have gone."""
_LAUNCHES: Final = 1000
"""So many launches in vain, one after the other, are the end as well: refused, or gone before they ran a job."""
_MONEY: Final = frozenset({WaitReason.BUDGET, WaitReason.COST_PER_HOUR})


class NeverRun:
    """Jobs that can never run, taken out so that nobody waits for them."""

    def __init__(self, engine: SimulatedEngine) -> None:
        self._engine = engine
        self._found: dict[tuple[Shape, str], Infeasible] = {}

    def add(self, one: Infeasible) -> None:
        """Take the jobs of a shape out of the engine."""
        if count := self._engine.drop(one.shape):
            key = (one.shape, one.lacking)
            before = self._found.get(key)
            names = nsmallest(NAMES_SHOWN, {*one.names, *(before.names if before else ())})
            self._found[key] = replace(one, count=count + (before.count if before else 0), names=tuple(names))

    def told(self) -> tuple[Infeasible, ...]:
        """Return them by shape, not as they were found: ticks that are left out would show in that order."""
        return tuple(self._found[key] for key in sorted(self._found))


class Patience:
    """What has been in vain so far."""

    def __init__(self, idle_timeout_s: float) -> None:
        self._idle_timeout_s = idle_timeout_s
        self._quiet, self._since_s = 0, 0.0
        """How many ticks passed at which jobs waited in vain, and since when."""
        self.launches = 0
        """How many came to nothing since a job last arrived or began."""

    def over(self, plan: ScalingPlan, now_s: float, *, idle: bool, coming: bool) -> bool:
        """Tell after a decision whether jobs wait for ever.

        :param idle: whether jobs wait, and none runs or is still to come.
        :param coming: whether nodes boot, or may be asked for again.
        """
        # Nodes of a minimum may come and go for ever, and leave no money to others.
        poor = bool(plan.waiting) and all(one.reason in _MONEY for one in plan.waiting)
        if not (idle and (poor or (plan.nothing_to_do and not coming))):
            self._quiet = 0
            return idle and self.launches > _LAUNCHES
        self._quiet += 1
        self._since_s = now_s if self._quiet == 1 else self._since_s
        # An idle node that goes may leave the place, or the money, that another needs.
        tired = self._quiet > _TICKS and now_s - self._since_s > self._idle_timeout_s
        return tired or plan.money.exhausted or self.launches > _LAUNCHES
