"""Why jobs wait and what happens next, in the words that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from toilctl.autoscaler.decide.demand import Queue
from toilctl.autoscaler.decide.launch_draft import LaunchDraft, Placing
from toilctl.autoscaler.decide.supply import Obstacle, Supplies
from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.plan import Infeasible, Waiting
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy
from toilctl.values.wording import at, counted, listed, sentence

_LAST_FIRST: Final = (
    WaitReason.CAPACITY, WaitReason.BACKED_OFF, WaitReason.QUOTA, WaitReason.COST_PER_HOUR, WaitReason.BUDGET,
    WaitReason.MAXIMUM,
)  # fmt: skip
"""Of several obstacles, the one that is likely to end first is named first."""
_Why = tuple[WaitReason, str, tuple[Advice, ...]]
"""A reason, what happens next (without a full stop), and what helps sooner."""
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


def infeasible(queue: Queue, lacking: str, largest: float, names: Iterable[NodeType]) -> Infeasible:
    """Say what no node has enough of, how much the largest has, and what helps."""
    allowed = counted_names(names)
    if not allowed:
        text, advice = "no node type may have any node", Advice.ALLOW_NODES
    elif lacking == "preemptible":
        text = f"only spot nodes are allowed ({allowed}) and it must not be interrupted"
        advice = Advice.ADD_ON_DEMAND
    else:
        needed, most = _amounts(queue, lacking, largest)
        text = f"it needs {needed}, and the most that a node gives is {most} ({allowed})"
        advice = Advice.ADD_LARGER_NODES_OR_DISKS if lacking == "disk" else Advice.ADD_LARGER_NODES
    return Infeasible(queue.shape, queue.count, queue.names, lacking, sentence(text), (advice,))


def counted_names(names: Iterable[NodeType]) -> str:
    """List node types."""
    return listed(str(name) for name in names)


def _amounts(queue: Queue, lacking: str, largest: float) -> tuple[str, str]:
    if lacking == "cores":
        return f"{queue.shape.cores:g} cores", f"{largest:g}"
    needed = queue.shape.memory_mib if lacking == "memory" else queue.shape.disk_mib
    return f"{needed / 1024:.1f} GiB of {lacking}", f"{largest / 1024:.1f} GiB"
