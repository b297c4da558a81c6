"""Why jobs wait and what happens next, in the words that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from toilctl.autoscaler.demand import Queue
from toilctl.autoscaler.growth import Growth, Placing
from toilctl.autoscaler.market import Market, Obstacle
from toilctl.autoscaler.plan import Infeasible, Reason, Waiting
from toilctl.autoscaler.policy import Policy
from toilctl.autoscaler.wording import at, counted, listed, sentence
from toilctl.node_types import NodeType

_LAST_FIRST: Final = (
    Reason.CAPACITY, Reason.BACKED_OFF, Reason.QUOTA, Reason.COST_PER_HOUR, Reason.BUDGET, Reason.MAXIMUM,
)  # fmt: skip
"""Of several obstacles, the one that is likely to end first is named first."""
RESUME: Final = "'toilctl autoscale NAME resume' lets it go on"
_RAISE: Final = "raise it with 'toilctl autoscale NAME --max-nodes …'"


@dataclass(frozen=True)
class Explainer:
    """What the reasons rest on."""

    growth: Growth
    market: Market
    booting: Mapping[NodeType, int]
    """Nodes that boot or were asked for."""
    policy: Policy

    @cached_property
    def _launched(self) -> Mapping[NodeType, int]:
        launched = self.growth.launched()
        return {one: launched[one] for one in self.market.supplies if launched[one]}

    @cached_property
    def _obstacle(self) -> Mapping[NodeType, Obstacle | None]:
        later = self.growth.launched() + self.growth.delayed
        return {one: self.market.obstacle(one, later) for one in self.market.supplies}

    def waiting(self, placing: Placing) -> Waiting:
        """Explain one queue."""
        reason, text = self._why(placing)
        return _waiting(placing.queue, reason, text)

    def _why(self, placing: Placing) -> tuple[Reason, str]:
        if self.policy.paused and (placing.launched or placing.later or placing.undrained):
            text = f"nothing is launched for it while the autoscaler is paused; {RESUME}"
            return Reason.PAUSED, text
        if placing.left > 0:
            return self._blocked(placing)
        if placing.later:
            return Reason.SMOOTHED, self._smoothed(placing)
        if placing.launched:
            return Reason.LAUNCHING, f"{self._new(placing)}, and it runs there after the boot"
        return self._placed(placing)

    def _placed(self, placing: Placing) -> tuple[Reason, str]:
        if placing.at_once == placing.queue.count:
            return Reason.PLACED, "a node has room for it, and the engine starts it there"
        if placing.undrained:
            return Reason.PLACED, "a node that was being drained takes jobs again, and runs it"
        if placing.booting:
            return Reason.PLACED, self._booting(placing)
        text = (
            f"it runs within {self.policy.tuning.target_time_s / 60:g} minutes on a node that works on other jobs first"
        )
        return Reason.TIME, text

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

    def _smoothed(self, placing: Placing) -> str:
        later = counted({one: self.growth.delayed[one] for one in placing.choice.any})
        return f"{later} more follow at the next ticks if they are still needed"

    def _blocked(self, placing: Placing) -> tuple[Reason, str]:
        obstacles = self._obstacles(placing)
        if not obstacles:
            return Reason.SMOOTHED, "the next ticks launch nodes for the rest"
        reason = obstacles[0].reason
        text = listed(one.text for one in obstacles)
        if placing.launched:
            text = f"{self._new(placing)}, and the rest waits: {text}"
        choice = placing.choice
        spot_only = bool(choice.spot) and choice.allowed <= set(choice.spot)
        if spot_only and reason not in (Reason.MAXIMUM, Reason.COST_PER_HOUR, Reason.BUDGET):
            return Reason.SPOT_SHORT, f"{text}; {_next(obstacles)}{self._instead(placing)}"
        return reason, f"{text}; {_next(obstacles)}"

    def _instead(self, placing: Placing) -> str:
        """Name compensation to those whom it would help."""
        helps = any(self._obstacle[one] is None for one in placing.choice.on_demand)
        tuning = self.policy.tuning
        if not helps or tuning.preemptible_compensation == 1 or tuning.spot_fallback_after_s:
            return ""
        return ", or let on-demand nodes do with 'toilctl autoscale NAME --spot-fallback-after 600'"

    def _obstacles(self, placing: Placing) -> list[Obstacle]:
        kinds = [one for one in placing.choice.any if one in placing.choice.allowed]
        unknown = [one.node_type for one in self.market.supplies.values() if one.offer is None and one.room]
        found = [self._obstacle[one] for one in kinds or unknown]
        there = [one for one in found if one is not None]
        return sorted(there, key=lambda one: (_LAST_FIRST.index(one.reason), one.until is None, str(one.until)))


def _next(obstacles: Iterable[Obstacle]) -> str:
    """Say what happens next, and what a person can do."""
    reasons = {one.reason for one in obstacles}
    times = [one.until for one in obstacles if one.until is not None]
    if times:
        return f"the next try is at {at(min(times))}"
    if reasons == {Reason.MAXIMUM}:
        return f"it runs when a node has room, or {_RAISE}"
    if Reason.BUDGET in reasons:
        return "it runs when a node has room, or raise it with 'toilctl autoscale NAME --budget …'"
    if Reason.COST_PER_HOUR in reasons:
        return "it runs when a node has room, or raise it with 'toilctl autoscale NAME --max-cost-per-hour …'"
    if Reason.QUOTA in reasons:
        return "it runs when a node has room, or ask AWS for a higher quota"
    return "the next tick tries again"


def _waiting(queue: Queue, reason: Reason, text: str) -> Waiting:
    return Waiting(queue.shape, queue.count, queue.names, reason, sentence(text))


def held(queue: Queue) -> Waiting:
    """Explain jobs for which no node helps."""
    why = queue.held.rstrip(".")
    return _waiting(queue, Reason.HELD, f"it waits because {why}; no node is launched for it until that changes")


def unsure(queue: Queue, problem: str) -> Waiting:
    """Explain jobs while the engine cannot be trusted."""
    text = f"nodes are launched for it once the engine can be asked again ({problem.rstrip('.')})"
    return _waiting(queue, Reason.ENGINE_UNSURE, text)


def infeasible(queue: Queue, lacking: str, largest: float, names: Iterable[NodeType]) -> Infeasible:
    """Say what no node has enough of, how much the largest has, and what helps."""
    allowed = counted_names(names)
    if not allowed:
        text = "no node type may have any node; raise a maximum with 'toilctl autoscale NAME --max-nodes …'"
    elif lacking == "preemptible":
        text = (
            f"only spot nodes are allowed ({allowed}) and it must not be interrupted; add an on-demand node type with "
            "'toilctl autoscale NAME --node-types …', or run the workflow with --defaultPreemptible"
        )
    else:
        needed, most = _amounts(queue, lacking, largest)
        text = (
            f"it needs {needed}, and the most that a node gives is {most} ({allowed}); "
            "add a larger node type with 'toilctl autoscale NAME --node-types …'"
        )
        if lacking == "disk":
            text += " or larger disks with --node-storage"
    return Infeasible(queue.shape, queue.count, queue.names, lacking, sentence(text))


def counted_names(names: Iterable[NodeType]) -> str:
    """List node types."""
    return listed(str(name) for name in names)


def _amounts(queue: Queue, lacking: str, largest: float) -> tuple[str, str]:
    if lacking == "cores":
        return f"{queue.shape.cores:g} cores", f"{largest:g}"
    needed = queue.shape.memory_mib if lacking == "memory" else queue.shape.disk_mib
    return f"{needed / 1024:.1f} GiB of {lacking}", f"{largest / 1024:.1f} GiB"
