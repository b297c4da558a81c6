"""What the autoscaler decides, and why, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from toilctl.autoscaler.model import Offering, Shape
from toilctl.node_types import NodeType


class Reason(StrEnum):
    """Why a node goes, stays, or is launched, and why a job waits."""

    # A launch.
    DEMAND = "demand"
    MINIMUM = "minimum"
    COMPENSATION = "compensation"
    """On demand, for the share of spot nodes that cannot be had for which the user wants it."""
    SPOT_FALLBACK = "spot-fallback"
    """On demand, since spot nodes could not be had for too long."""
    # A node that goes.
    IDLE = "idle"
    OVER_MAXIMUM = "over-maximum"
    NEVER_JOINED = "never-joined"
    LOST = "lost"
    """The engine had it and holds it for dead."""
    STOPPED = "stopped"
    REBALANCE = "rebalance"
    """EC2 recommends to be prepared for its interruption, and it runs nothing any more."""
    RETURN_TO_SPOT = "return-to-spot"
    """It was launched while spot nodes were lacking, and there are some again."""
    INTERRUPTED_DRAIN = "interrupted-drain"
    """It was being drained when the autoscaler stopped; it is idle, so it goes."""
    # A node that stays.
    BUSY = "busy"
    NEEDED = "needed"
    """Waiting jobs are about to run there."""
    RECENTLY_IDLE = "recently-idle"
    AT_MINIMUM = "at-minimum"
    BOOTING = "booting"
    CORDONED = "cordoned"
    DRAINING = "draining"
    LEAVING = "leaving"
    ENGINE_UNSURE = "engine-unsure"
    """The engine does not answer, or lists fewer nodes than EC2 has."""
    INTERRUPTED = "interrupted"
    """EC2 takes it away within minutes."""
    AT_RISK = "at-risk"
    """EC2 recommends to be prepared for its interruption."""
    FIXED = "fixed"
    """A person launched it for a cluster without limits."""
    PAUSED = "paused"
    MISSING = "missing"
    """The engine does not have it at the moment, and may again soon."""
    # A job that waits.
    PLACED = "placed"
    """A node that is there, or boots, has room for it."""
    LAUNCHING = "launching"
    MAXIMUM = "maximum"
    QUOTA = "quota"
    CAPACITY = "capacity"
    """All offerings that it fits are set aside."""
    BACKED_OFF = "backed-off"
    COST_PER_HOUR = "cost-per-hour"
    """One more node would cost more than the user allows."""
    BUDGET = "budget"
    """The cluster has cost what it may."""
    SPOT_SHORT = "spot-short"
    """Only spot may be bought for it, and none can be had."""
    SMOOTHED = "smoothed"
    """Later ticks launch the rest."""
    TIME = "time"
    """It runs within the target time on a node that works on others first."""
    HELD = "held"


@dataclass(frozen=True)
class Launch:
    """So many more nodes of a node type."""

    node_type: NodeType
    count: int
    reason: Reason = Reason.DEMAND
    without: tuple[Offering, ...] = ()
    """The node type's offerings that are not to be asked for."""


@dataclass(frozen=True)
class ScaleIn:
    """Nodes to drain, and to terminate when the engine says that nothing runs there. Cheapest loss first."""

    instance_ids: tuple[str, ...]
    reason: Reason


@dataclass(frozen=True)
class Replace:
    """A node to terminate whatever it runs, since it never joined or is dead; demand decides what follows."""

    instance_id: str
    reason: Reason


@dataclass(frozen=True)
class Kept:
    """A node that stays, and why."""

    instance_id: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class Waiting:
    """Jobs of one shape that wait, why, and what happens next."""

    shape: Shape
    count: int
    names: tuple[str, ...]
    """Some of the jobs' names, sorted."""
    reason: Reason
    next_step: str
    """One sentence."""


@dataclass(frozen=True)
class Infeasible:
    """Jobs that no allowed node type can ever run."""

    shape: Shape
    count: int
    names: tuple[str, ...]
    lacking: str
    """The resource: cores, memory, disk, preemptible (spot nodes only, and it must not be taken away)."""
    next_step: str


@dataclass(frozen=True)
class Money:
    """What the cluster may cost, and costs, in US dollars; the leader's share is in all of it.

    Nodes count at what they cost at the most, spot at its bid, so that no change of prices breaks a bound.
    """

    max_usd_per_hour: float = 0.0
    """0 is no bound."""
    most_usd_per_hour: float = 0.0
    """Of all nodes that there are or were asked for."""
    budget_usd: float = 0.0
    """0 is no bound."""
    spent_usd: float = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether the cluster has cost all that it may."""
        return bool(self.budget_usd) and self.spent_usd >= self.budget_usd


@dataclass(frozen=True)
class Plan:
    """What to do now, what not, and why."""

    launches: tuple[Launch, ...] = ()
    undrain: tuple[str, ...] = ()
    """Instance ids of nodes that the autoscaler drained and that are needed again."""
    drain: tuple[str, ...] = ()
    """Instance ids of nodes that get no new jobs, since EC2 takes them away, or may."""
    evacuate: tuple[str, ...] = ()
    """Instance ids of nodes that EC2 takes away in a moment: what still runs there is to run again elsewhere now."""
    scale_in: tuple[ScaleIn, ...] = ()
    replace: tuple[Replace, ...] = ()
    set_up: tuple[str, ...] = ()
    """Instance ids of running nodes that no playbook works on and the engine does not have: set them up again."""
    kept: tuple[Kept, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    infeasible: tuple[Infeasible, ...] = ()
    desired: Mapping[NodeType, int] = field(default_factory=dict)
    """How many nodes of each node type there shall be."""
    smoothed: Mapping[NodeType, float] = field(default_factory=dict)
    usd_per_hour: float = 0.0
    """Of the nodes that there are now, and whose price is known."""
    money: Money = field(default_factory=Money)
    notes: tuple[str, ...] = ()
    """What else a person should know, one sentence each."""
    wake_at: datetime | None = None
    """When the next decision is due at the latest; None when its usual time will do."""

    @property
    def nothing_to_do(self) -> bool:
        """Whether the cluster is as it should be."""
        return not (
            self.launches or self.undrain or self.drain or self.evacuate or self.scale_in or self.replace or self.set_up
        )
