"""What the autoscaler sees, as values; nothing here reads a clock, a file or the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from toilctl.values.capacity import InstanceType, Resources
from toilctl.values.cluster import NodeState
from toilctl.values.jobs import Demand
from toilctl.values.node_types import NodeType


@dataclass(frozen=True, order=True)
class Offering:
    """What EC2 runs out of: an instance type in a zone, bought as spot or on demand."""

    instance_type: str
    zone: str
    spot: bool


@dataclass(frozen=True)
class SetAside:
    """An offering that was refused, and is not asked for again until then."""

    offering: Offering
    until: datetime
    code: str
    """EC2's, such as InsufficientInstanceCapacity."""
    message: str = ""


NOTICE_S: Final = 120.0
"""From EC2's notice to the end (EC2 user guide, "Spot Instance interruption notices")."""


class NoticeKind(StrEnum):
    """What EC2 says that it does, or may do, to a spot node; its own words, and ``rebalance``."""

    TERMINATE = "terminate"
    STOP = "stop"
    HIBERNATE = "hibernate"
    REBALANCE = "rebalance"
    """EC2 recommends to be prepared for an interruption that may never come."""


@dataclass(frozen=True)
class SpotNotice:
    """EC2's notice about a spot node."""

    kind: NoticeKind
    heard_at: datetime
    takes_at: datetime | None = None
    """When EC2 takes the node away; None of a recommendation."""


@dataclass(frozen=True)
class BackOff:
    """A node type whose nodes failed to join several times in a row; none is launched until then."""

    node_type: NodeType
    failures: int
    until: datetime | None
    """None while there were too few failures to back off."""
    last_error: str = ""


@dataclass(frozen=True)
class Offer:
    """What one node of a node type gives and costs: the least resources and the highest price of its equivalents."""

    node_type: NodeType
    resources: Resources
    usd_per_hour: float
    """What is expected: the price, and of spot what is lost with interruptions. Decisions go by it."""
    vcpus: int
    """What counts against the account's quota."""
    price_estimated: bool = False
    """Whether the price is reckoned from the size, because none is known; nothing but decisions may go by it."""
    most_usd_per_hour: float | None = None
    """What it costs at the most: the bid for spot, else the on-demand price; None when no price is known."""
    beside_usd_per_hour: float = 0.0
    """What of these prices is not its instance's: its root volume, and its public address."""
    equivalents: tuple[InstanceType, ...] = ()
    """What EC2 says of its instance types; empty where nobody asked."""
    storage_gb: int = 0
    """Its nodes' root volume; 0 where nobody knows."""


@dataclass(frozen=True)
class NodeView:
    """One worker as EC2, the engine and this process know it."""

    instance_id: str
    node_type: NodeType
    instance_type: str
    zone: str
    ec2_state: str
    """pending, running, stopping or stopped; those shutting down or terminated are not listed."""
    launched_at: datetime
    intent: str = ""
    """The scale-out that launched it."""
    engine_state: NodeState | None = None
    """None when the engine does not list it."""
    running: tuple[str, ...] = ()
    """Ids of the jobs that hold its resources."""
    resources: Resources | None = None
    """As the engine reports them; None before it joined."""
    idle_since: datetime | None = None
    """Since when it runs nothing; None when it is busy, or nobody knows."""
    missing_since: datetime | None = None
    """Since when the engine does not have it, or holds it for down, as far as this process saw."""
    joined_before: bool = False
    """Whether the engine has had it, as far as this process saw."""
    set_up_by: str = ""
    """The intent of the playbook of this process that is setting it up now, if one is."""
    fixed: bool = False
    """Whether a person launched it for a cluster without limits: then it is never ended here."""
    leaving: bool = False
    """Whether a playbook of this process is terminating it now."""
    usd_per_hour: float | None = None
    """None when no price is known."""
    notice: SpotNotice | None = None
    """EC2's last word about taking it away; None without one."""
    storage_gb: int = 0
    """Its root volume; 0 where nobody knows."""
    beside_usd_per_hour: float = 0.0
    """What of its price is not its instance's."""


@dataclass(frozen=True)
class Snapshot:
    """One tick's view of the world."""

    nodes: tuple[NodeView, ...] = ()
    demand: Demand = field(default_factory=Demand)
    offers: Mapping[NodeType, Offer] = field(default_factory=dict)
    requested: Mapping[NodeType, int] = field(default_factory=dict)
    """Nodes that a scale-out under way was told to launch and EC2 does not list yet."""
    set_aside: tuple[SetAside, ...] = ()
    emptied: tuple[SetAside, ...] = ()
    """Offerings of which EC2 takes nodes away; they are asked for only where a node type has no other."""
    back_offs: tuple[BackOff, ...] = ()
    smoothed: Mapping[NodeType, float] = field(default_factory=dict)
    """``plan.ScalingPlan.smoothed`` of the tick before; empty after a start."""
    quota_vcpus: Mapping[bool, float] = field(default_factory=dict)
    """The account's vCPU quota by ``preemptible``; what is not known is missing."""
    short_since: Mapping[NodeType, datetime] = field(default_factory=dict)
    """Since when none of a node type could be had, however often it was asked for."""
    leader_usd_per_hour: float = 0.0
    """0 when its price is not known."""
    spent_usd: float = 0.0
    """What the cluster has cost so far, its leader among it."""
    engine_problem: str = ""
    """Why the engine's word cannot be trusted: it does not answer, or not sensibly. Empty when it can."""


@dataclass(frozen=True)
class SpotRecord:
    """What is known of an instance type in a zone, bought as spot, since the journal's first line."""

    instance_type: str
    zone: str
    node_hours: float = 0.0
    interruptions: int = 0
    lost_node_hours: float = 0.0
    """Work that was lost with interruptions: of each job the time that it had run, by its share of the node's cores."""
