"""What the autoscaler decides, and why, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from toilctl.autoscaler.model.advice import Advice, Remedy
from toilctl.autoscaler.model.reasons import EndReason, KeepReason, LaunchReason, WaitReason
from toilctl.autoscaler.model.snapshot import Offering
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType


@dataclass(frozen=True)
class ScaleOut:
    """So many more nodes of a node type."""

    node_type: NodeType
    count: int
    reason: LaunchReason = LaunchReason.DEMAND
    without: tuple[Offering, ...] = ()
    """The node type's offerings that are not to be asked for."""


@dataclass(frozen=True)
class ScaleIn:
    """Nodes to drain, and to terminate when the engine says that nothing runs there. Cheapest loss first."""

    instance_ids: tuple[str, ...]
    reason: EndReason


@dataclass(frozen=True)
class Kept:
    """A node that stays, and why."""

    instance_id: str
    reason: KeepReason
    detail: str = ""


@dataclass(frozen=True)
class Waiting:
    """Jobs of one shape that wait, why, and what happens next."""

    shape: Shape
    count: int
    names: tuple[str, ...]
    """Some of the jobs' names, sorted."""
    reason: WaitReason
    next_step: str
    """One sentence."""
    advice: tuple[Advice, ...] = ()
    """What helps them sooner."""


@dataclass(frozen=True)
class Lack:
    """Something that a node type has too little of for a job."""

    node_type: str
    resource: str
    """``Infeasible.lacking`` has the words."""
    needed: float
    """Cores, or MiB; 0 of what has no number."""
    given: float


@dataclass(frozen=True)
class Infeasible:
    """Jobs that no allowed node type can ever run."""

    shape: Shape
    count: int
    names: tuple[str, ...]
    lacking: str
    """What the node type that comes nearest lacks: cores, memory, disk, preemptible (it is spot, and the job must not
    be interrupted) or nodes (its maximum is 0).
    """
    next_step: str
    """One sentence, which says what is lacking."""
    advice: tuple[Advice, ...] = ()
    lacks: tuple[Lack, ...] = ()
    """All that each node type lacks, in the policy's order."""
    remedy: Remedy | None = None
    """What the advice is in numbers; None where nothing helps, and of older leaders."""


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
class ScalingPlan:
    """What to do now, what not, and why."""

    launches: tuple[ScaleOut, ...] = ()
    undrain: tuple[str, ...] = ()
    """Instance ids of nodes that the autoscaler drained and that are needed again."""
    drain: tuple[str, ...] = ()
    """Instance ids of nodes that get no new jobs, since EC2 takes them away, or may."""
    evacuate: tuple[str, ...] = ()
    """Instance ids of nodes that EC2 takes away in a moment: what still runs there is to run again elsewhere now."""
    scale_in: tuple[ScaleIn, ...] = ()
    replace: Mapping[str, EndReason] = field(default_factory=dict)
    """Nodes to terminate whatever they run, since they never joined or are dead, by instance id; demand decides what
    follows."""
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
    advice: Mapping[str, tuple[Advice, ...]] = field(default_factory=dict)
    """What helps where a note says that something is wrong, by the note."""
    wake_at: datetime | None = None
    """When the next decision is due at the latest; None when its usual time will do."""

    @property
    def nothing_to_do(self) -> bool:
        """Whether the cluster is as it should be."""
        return not (
            self.launches or self.undrain or self.drain or self.evacuate or self.scale_in or self.replace or self.set_up
        )
