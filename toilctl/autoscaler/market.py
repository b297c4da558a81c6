"""What may be launched now: limits, prices, quota, what EC2 refused, and what failed to join."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime

from toilctl.autoscaler.binpack import Candidate
from toilctl.autoscaler.fleet import Fleet
from toilctl.autoscaler.model import BackOff, Offer, Offering, Reason, SetAside, Snapshot
from toilctl.autoscaler.policy import NodeLimits, Policy
from toilctl.node_types import NodeType


@dataclass(frozen=True)
class Obstacle:
    """Why no more nodes of a type are launched."""

    node_type: NodeType
    reason: Reason
    text: str
    """What is in the way, without a full stop."""
    until: datetime | None = None
    """When that is tried again; None when nobody knows."""


@dataclass(frozen=True)
class Supply:
    """One node type of the policy."""

    limits: NodeLimits
    there: int
    """How many nodes count against the maximum."""
    offer: Offer | None
    """None while nothing is known of its instance types."""
    obstacle: Obstacle | None = None
    """What EC2 or the nodes themselves have against a launch, whatever the limits."""
    without: tuple[Offering, ...] = ()

    @property
    def node_type(self) -> NodeType:
        """The node type."""
        return self.limits.node_type

    @property
    def room(self) -> int:
        """How many more there may be."""
        return max(0, self.limits.max_nodes - self.there)


@dataclass(frozen=True)
class Market:
    """All node types of the policy, and what is left of the account's quotas."""

    supplies: Mapping[NodeType, Supply]
    vcpus_left: Mapping[bool, float]
    """By ``spot``; a quota that is not known is missing."""

    @classmethod
    def of(cls, snapshot: Snapshot, policy: Policy, fleet: Fleet, now: datetime) -> Market:
        """Bring together what bears on launches."""
        aside = {one.offering: one for one in snapshot.set_aside if one.until > now}
        emptied = {one.offering for one in snapshot.emptied if one.until > now}
        backed_off = {one.node_type: one for one in snapshot.back_offs if one.until is not None and one.until > now}
        there = fleet.counts()
        supplies = {}
        for limits in policy.limits:
            node_type = limits.node_type
            refused = _refused(node_type, policy.zones, aside)
            obstacle = _obstacle(node_type, fleet.offers.get(node_type), backed_off.get(node_type), refused, policy)
            without = _left_out(node_type, policy.zones, refused, emptied)
            supplies[node_type] = Supply(limits, there[node_type], fleet.offers.get(node_type), obstacle, without)
        return cls(supplies, _vcpus_left(snapshot.quota_vcpus, fleet))

    def candidates(self, launched: Mapping[NodeType, int]) -> list[Candidate]:
        """Return what may be launched beside what is launched anyway."""
        return [
            Candidate(supply.offer, supply.room - launched.get(supply.node_type, 0))
            for supply in self.supplies.values()
            if supply.offer is not None and supply.obstacle is None
            and supply.room > launched.get(supply.node_type, 0)
        ]  # fmt: skip

    def quota_after(self, launched: Mapping[NodeType, int]) -> dict[bool, float]:
        """Return the vCPUs that are left beside what is launched anyway."""
        left = dict(self.vcpus_left)
        for node_type, count in launched.items():
            offer = self.supplies[node_type].offer
            if offer is not None and node_type.preemptible in left:
                left[node_type.preemptible] -= offer.vcpus * count
        return left

    def affordable(self, supply: Supply, launched: Mapping[NodeType, int]) -> float:
        """Return how many more nodes of a type the quota allows."""
        left = self.quota_after(launched).get(supply.node_type.preemptible, math.inf)
        vcpus = supply.offer.vcpus if supply.offer else 0
        return max(0, left // vcpus) if vcpus and math.isfinite(left) else math.inf

    def obstacle(self, node_type: NodeType, launched: Mapping[NodeType, int]) -> Obstacle | None:
        """Tell why no more nodes of a type are launched than these; the user's maximum first."""
        supply = self.supplies[node_type]
        if supply.room <= launched.get(node_type, 0):
            return Obstacle(node_type, Reason.MAXIMUM, _maximum(supply.limits))
        if supply.obstacle is not None:
            return supply.obstacle
        if self.affordable(supply, launched) < 1:
            return _no_quota(node_type)
        return None


def _maximum(limits: NodeLimits) -> str:
    return f"the maximum of {limits.max_nodes} {limits.node_type} is reached"


def _no_quota(node_type: NodeType) -> Obstacle:
    kind = "spot" if node_type.preemptible else "on-demand"
    return Obstacle(node_type, Reason.QUOTA, f"the account's quota of {kind} vCPUs leaves no room for a {node_type}")


def _offerings(node_type: NodeType, zones: tuple[str, ...]) -> list[Offering]:
    return [Offering(kind, zone, node_type.preemptible) for kind in node_type.instance_types for zone in zones]


def _refused(node_type: NodeType, zones: tuple[str, ...], aside: Mapping[Offering, SetAside]) -> list[SetAside]:
    return [aside[offering] for offering in _offerings(node_type, zones) if offering in aside]


def _left_out(
    node_type: NodeType, zones: tuple[str, ...], refused: Iterable[SetAside], emptied: Set[Offering]
) -> tuple[Offering, ...]:
    """Return what a launch does not ask for: what was refused, and what EC2 empties where there is something else."""
    without = {one.offering for one in refused}
    left = [one for one in _offerings(node_type, zones) if one not in without | emptied]
    return tuple(sorted(without | (emptied & set(_offerings(node_type, zones))) if left else without))


def _obstacle(
    node_type: NodeType, offer: Offer | None, backed_off: BackOff | None, refused: list[SetAside], policy: Policy
) -> Obstacle | None:
    if offer is None:
        return Obstacle(node_type, Reason.CAPACITY, f"EC2 has not said yet what a {node_type} is")
    if backed_off is not None:
        why = f": {backed_off.last_error.rstrip('.')}" if backed_off.last_error else ""
        text = f"{backed_off.failures} nodes of {node_type} in a row failed to join{why}"
        return Obstacle(node_type, Reason.BACKED_OFF, text, backed_off.until)
    if refused and len(refused) == len(node_type.instance_types) * len(policy.zones):
        return _all_refused(node_type, refused)
    return None


def _all_refused(node_type: NodeType, refused: list[SetAside]) -> Obstacle:
    first = min(refused, key=lambda one: (one.until, one.offering))
    reason = Reason.QUOTA if quota_code(first.code) else Reason.CAPACITY
    return Obstacle(node_type, reason, f"EC2 refuses {node_type} ({first.code})", first.until)


def quota_code(code: str) -> bool:
    """Tell whether EC2 refused because of the account's quota."""
    return code in ("VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded")


def _vcpus_left(quota_vcpus: Mapping[bool, float], fleet: Fleet) -> dict[bool, float]:
    left = dict(quota_vcpus)
    for node_type, count in fleet.held().items():
        if node_type.preemptible in left and node_type in fleet.offers:
            left[node_type.preemptible] -= fleet.offers[node_type].vcpus * count
    return left
