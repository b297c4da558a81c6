"""Why jobs wait and what happens next, in the words that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from toilctl.autoscaler.decide import remedies
from toilctl.autoscaler.decide.demand import Queue
from toilctl.autoscaler.decide.launch_draft import LaunchDraft, Placing
from toilctl.autoscaler.decide.supply import Obstacle, Supplies, Supply
from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.plan import Infeasible, Lack, Waiting
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy
from toilctl.values.wording import at, counted, listed, number, sentence

_LAST_FIRST: Final = (
    WaitReason.CAPACITY, WaitReason.BACKED_OFF, WaitReason.QUOTA, WaitReason.COST_PER_HOUR, WaitReason.BUDGET,
    WaitReason.MAXIMUM,
)  # fmt: skip
"""Of several obstacles, the one that is likely to end first is named first."""
_Why = tuple[WaitReason, str, tuple[Advice, ...]]
"""A reason, what happens next (without a full stop), and what helps sooner."""
_TYPES_TOLD: Final = 6
"""What more node types lack is in the data."""
_SIZES: Final = ("cores", "memory", "disk")
_ROOM: Final = "it runs when a node has room"
_RAISE: Final = {
    WaitReason.BUDGET: Advice.RAISE_BUDGET,
    WaitReason.COST_PER_HOUR: Advice.RAISE_COST_PER_HOUR,
}


@dataclass(frozen=True)
class Explainer:
    """What the reasons rest on."""

    draft: LaunchDraft
    supplies: Supplies
    booting: Mapping[NodeType, int]
    """Nodes that boot or were asked for."""
    policy: Policy

    @cached_property
    def _launched(self) -> Mapping[NodeType, int]:
        launched = self.draft.launched()
        return {one: launched[one] for one in self.supplies.by_type if launched[one]}

    @cached_property
    def _obstacle(self) -> Mapping[NodeType, Obstacle | None]:
        later = self.draft.launched() + self.draft.delayed
        return {one: self.supplies.obstacle(one, later) for one in self.supplies.by_type}

    def waiting(self, placing: Placing) -> Waiting:
        """Explain one queue."""
        return _waiting(placing.queue, *self._why(placing))

    def _why(self, placing: Placing) -> _Why:
        if self.policy.paused and (placing.launched or placing.later or placing.undrained):
            return WaitReason.PAUSED, "nothing is launched for it while the autoscaler is paused", (Advice.RESUME,)
        if placing.left > 0:
            return self._blocked(placing)
        if placing.later:
            later = counted({one: self.draft.delayed[one] for one in placing.choice.any})
            return WaitReason.SMOOTHED, f"{later} more follow at the next ticks if they are still needed", ()
        if placing.launched:
            return WaitReason.LAUNCHING, f"{self._new(placing)}, and it runs there after the boot", ()
        return *self._placed(placing), ()

    def _placed(self, placing: Placing) -> tuple[WaitReason, str]:
        if placing.at_once == placing.queue.count:
            return WaitReason.PLACED, "a node has room for it, and the engine starts it there"
        if placing.undrained:
            return WaitReason.PLACED, "a node that was being drained takes jobs again, and runs it"
        if placing.booting:
            return WaitReason.PLACED, self._booting(placing)
        text = (
            f"it runs within {self.policy.tuning.target_time_s / 60:g} minutes on a node that works on other jobs first"
        )
        return WaitReason.TIME, text

    def _new(self, placing: Placing) -> str:
        """Say which of the new nodes it may run on; another shape's launch may have room for it as well."""
        mine = {one: count for one, count in self._launched.items() if one in placing.choice.any}
        mine = {one: mine[one] for one in mine if one in placing.choice.allowed} or mine
        return f"{counted(mine)} {'is' if sum(mine.values()) == 1 else 'are'} being launched"

    def _booting(self, placing: Placing) -> str:
        mine = {one: self.booting[one] for one in self.booting if one.preemptible <= placing.queue.shape.preemptible}
        if not any(mine.values()):
            return "the engine has lost sight of a node with room for it, and it runs there once that is back"
        verb = "is" if sum(mine.values()) == 1 else "are"
        return f"{counted(mine)} {verb} booting, and it runs there after the boot"

    def _blocked(self, placing: Placing) -> _Why:
        obstacles = self._obstacles(placing)
        if not obstacles:
            return WaitReason.SMOOTHED, "the next ticks launch nodes for the rest", ()
        reason = obstacles[0].reason
        text = listed(one.text for one in obstacles)
        if placing.launched:
            text = f"{self._new(placing)}, and the rest waits: {text}"
        following, advice = _next(obstacles)
        choice = placing.choice
        preemptible_only = bool(choice.preemptible) and choice.allowed <= set(choice.preemptible)
        if preemptible_only and reason not in (WaitReason.MAXIMUM, WaitReason.COST_PER_HOUR, WaitReason.BUDGET):
            reason, advice = WaitReason.SPOT_SHORT, (*advice, *self._instead(placing))
        return reason, f"{text}; {following}", advice

    def _instead(self, placing: Placing) -> tuple[Advice, ...]:
        """Advise on-demand nodes to those whom they would help."""
        helps = any(self._obstacle[one] is None for one in placing.choice.on_demand)
        tuning = self.policy.tuning
        if not helps or tuning.preemptible_compensation == 1 or tuning.spot_fallback_after_s:
            return ()
        return (Advice.FALL_BACK_FROM_SPOT,)

    def _obstacles(self, placing: Placing) -> list[Obstacle]:
        kinds = [one for one in placing.choice.any if one in placing.choice.allowed]
        unknown = [one.node_type for one in self.supplies.by_type.values() if one.offer is None and one.room]
        found = [self._obstacle[one] for one in kinds or unknown]
        there = [one for one in found if one is not None]
        return sorted(there, key=lambda one: (_LAST_FIRST.index(one.reason), one.until is None, str(one.until)))


def _next(obstacles: Iterable[Obstacle]) -> tuple[str, tuple[Advice, ...]]:
    """Say what happens next, and what a person can do."""
    reasons = {one.reason for one in obstacles}
    times = [one.until for one in obstacles if one.until is not None]
    if times:
        return f"the next try is at {at(min(times))}", ()
    if reasons == {WaitReason.MAXIMUM}:
        return _ROOM, (Advice.RAISE_MAXIMUM,)
    if money := [advice for reason, advice in _RAISE.items() if reason in reasons]:
        return _ROOM, (money[0],)
    if WaitReason.QUOTA in reasons:
        return f"{_ROOM}, or ask AWS for a higher quota", ()
    return "the next tick tries again", ()


def _waiting(queue: Queue, reason: WaitReason, text: str, advice: tuple[Advice, ...] = ()) -> Waiting:
    return Waiting(queue.shape, queue.count, queue.names, reason, sentence(text), advice)


def held(queue: Queue) -> Waiting:
    """Explain jobs for which no node helps."""
    why = queue.held.rstrip(".")
    return _waiting(queue, WaitReason.HELD, f"it waits because {why}; no node is launched for it until that changes")


def unsure(queue: Queue, problem: str) -> Waiting:
    """Explain jobs while the engine cannot be trusted."""
    text = f"nodes are launched for it once the engine can be asked again ({problem.rstrip('.')})"
    return _waiting(queue, WaitReason.ENGINE_UNSURE, text)


def infeasible(queue: Queue, lacks: Sequence[Lack], supplies: Sequence[Supply]) -> Infeasible:
    """Say what each node type lacks, and what helps."""
    nearest, found = remedies.nearest(lacks), remedies.remedy(queue.shape, lacks, supplies)
    return Infeasible(
        queue.shape, queue.count, queue.names, nearest[0].resource if nearest else remedies.NODES,
        sentence(_misfit(lacks)), (found.advice,) if found else (), tuple(lacks), found,
    )  # fmt: skip


def _misfit(lacks: Sequence[Lack]) -> str:
    grouped = remedies.by_node_type(lacks)
    needed = {one.resource: one.needed for one in lacks}
    # With so many digits, no size reads like that which is needed.
    digits = max([1, *(_digits(one) for one in lacks if one.resource in _SIZES[1:])])
    needs = [_amount(resource, needed[resource], digits) for resource in _SIZES if resource in needed]
    needs += ["an on-demand node"] if remedies.PREEMPTIBLE in needed else []
    head = f"it needs {listed(needs)}" if needs else "it may have no node"
    told = [f"{name} {_traits(own, digits)}" for name, own in [*grouped.items()][:_TYPES_TOLD]]
    if len(grouped) > _TYPES_TOLD:
        told.append(f"{number(len(grouped) - _TYPES_TOLD, 'more node type')} of which none fits")
    return f"{head}: {'; '.join(told)}" if told else "there is no node type for it"


def _traits(lacks: Iterable[Lack], digits: int) -> str:
    """Say what a node type is and has that does not do."""
    given = {one.resource: one.given for one in lacks}
    has = [_amount(resource, given[resource], digits) for resource in _SIZES if resource in given]
    has += ["a maximum of 0"] if remedies.NODES in given else []
    spot = ["is spot"] if remedies.PREEMPTIBLE in given else []
    return " and ".join([*spot, *([f"has {listed(has)}"] if has else [])])


def _amount(resource: str, amount: float, digits: int) -> str:
    return f"{amount:g} cores" if resource == "cores" else f"{amount / 1024:.{digits}f} GiB of {resource}"


def _digits(one: Lack) -> int:
    return next((n for n in (1, 2) if f"{one.given / 1024:.{n}f}" != f"{one.needed / 1024:.{n}f}"), 3)
