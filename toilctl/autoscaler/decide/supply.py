"""What may be launched now: limits, prices, quota, what EC2 refused, and what failed to join."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from toilctl.autoscaler.decide.budget import Purse
from toilctl.autoscaler.decide.workers import Workers
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.autoscaler.model.snapshot import BackOff, Offer, Offering, SetAside, Snapshot
from toilctl.autoscaler.packing.pack import Candidate
from toilctl.values import aws_errors
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import NodeLimits, Policy
from toilctl.values.wording import market


@dataclass(frozen=True)
class Obstacle:
    """Why no more nodes of a type are launched."""

    node_type: NodeType
    reason: WaitReason
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
    held: int
    """How many there are with those that EC2 takes away, which do not count."""
    offer: Offer | None
    """None while nothing is known of its instance types."""
    obstacle: Obstacle | None = None
    """What EC2 or the nodes themselves have against a launch, whatever the limits."""
    without: tuple[Offering, ...] = ()
    short: bool = False
    """Whether the last request for it was refused."""
    fallen_back: bool = False
    """Whether it could not be had for so long that on-demand nodes take its place."""

    @property
    def node_type(self) -> NodeType:
        """The node type."""
        return self.limits.node_type

    @property
    def room(self) -> int:
        """How many more there may be.

        Each node that EC2 takes away may have a successor, and that is all: with every worker's word for it, there are
        never more than two for one.
        """
        most = self.limits.max_nodes
        return max(0, min(most - self.there, 2 * most - self.held))


@dataclass(frozen=True)
class Supplies:
    """All node types of the policy, and what is left of the account's quotas and of the user's money."""

    by_type: Mapping[NodeType, Supply]
    vcpus_left: Mapping[bool, float]
    """By ``preemptible``; a quota that is not known is missing."""
    purse: Purse = field(default_factory=Purse)

    @classmethod
    def of(cls, snapshot: Snapshot, policy: Policy, workers: Workers, now: datetime) -> Supplies:
        """Bring together what bears on launches."""
        aside = {one.offering: one for one in snapshot.set_aside if one.until > now}
        emptied = {one.offering for one in snapshot.emptied if one.until > now}
        backed_off = {one.node_type: one for one in snapshot.back_offs if one.until is not None and one.until > now}
        there, held = workers.counts(), workers.held()
        by_type = {}
        for limits in policy.limits:
            node_type = limits.node_type
            refused = [aside[one] for one in _offerings(node_type, policy.zones) if one in aside]
            obstacle = _obstacle(node_type, workers.offers.get(node_type), backed_off.get(node_type), refused, policy)
            without = _left_out(node_type, policy.zones, refused, emptied)
            by_type[node_type] = Supply(
                limits, there[node_type], held[node_type], workers.offers.get(node_type), obstacle, without,
                short=node_type in snapshot.short_since,
                fallen_back=_fallen_back(snapshot.short_since.get(node_type), policy, now),
            )  # fmt: skip
        return cls(by_type, _vcpus_left(snapshot.quota_vcpus, workers), Purse.of(snapshot, policy, workers))

    def candidates(self, launched: Mapping[NodeType, int]) -> list[Candidate]:
        """Return what may be launched beside what is launched anyway."""
        return [
            Candidate(supply.offer, room)
            for supply in self.by_type.values()
            if supply.offer is not None and supply.obstacle is None and (room := self._room(supply, launched)) > 0
        ]

    def quota_after(self, launched: Mapping[NodeType, int]) -> dict[bool, float]:
        """Return the vCPUs that are left beside what is launched anyway."""
        left = dict(self.vcpus_left)
        for node_type, count in launched.items():
            offer = self.by_type[node_type].offer
            if offer is not None and node_type.preemptible in left:
                left[node_type.preemptible] -= offer.vcpus * count
        return left

    def _room(self, supply: Supply, launched: Mapping[NodeType, int]) -> int:
        return int(min(supply.room - launched.get(supply.node_type, 0), self.payable(supply, launched)))

    def payable(self, supply: Supply, launched: Mapping[NodeType, int]) -> float:
        """Return how many more nodes of a type the user's money allows."""
        return self.purse.nodes(supply.offer, self._cost(launched))

    def paid(self, wanted: Mapping[NodeType, int], anyway: Mapping[NodeType, int]) -> Counter[NodeType]:
        """Return how many of the nodes that are wanted the money allows beside others: one of each type in turn."""
        if not self.purse.bounded:
            return Counter(wanted)
        got, left = Counter[NodeType](), Counter(wanted)
        while left:
            for node_type in list(left):
                if self.payable(self.by_type[node_type], got + Counter(anyway)) >= 1:
                    got[node_type] += 1
                    left[node_type] -= 1
                else:
                    del left[node_type]
            left = +left
        return got

    def _cost(self, launched: Mapping[NodeType, int]) -> float:
        offers = ((self.by_type[node_type].offer, count) for node_type, count in launched.items())
        return sum(count * (offer.most_usd_per_hour or 0.0) for offer, count in offers if offer)

    def affordable(self, supply: Supply, launched: Mapping[NodeType, int]) -> float:
        """Return how many more nodes of a type the quota and the user's money allow."""
        return min(self._within_quota(supply, launched), self.payable(supply, launched))

    def _within_quota(self, supply: Supply, launched: Mapping[NodeType, int]) -> float:
        left = self.quota_after(launched).get(supply.node_type.preemptible, math.inf)
        vcpus = supply.offer.vcpus if supply.offer else 0
        return max(0, left // vcpus) if vcpus and math.isfinite(left) else math.inf

    def obstacle(self, node_type: NodeType, launched: Mapping[NodeType, int]) -> Obstacle | None:
        """Tell why no more nodes of a type are launched than these; the user's maximum first."""
        supply = self.by_type[node_type]
        if supply.room <= launched.get(node_type, 0):
            text = f"the maximum of {supply.limits.max_nodes} {node_type} is reached"
            return Obstacle(node_type, WaitReason.MAXIMUM, text)
        if supply.obstacle is not None:
            return supply.obstacle
        if self._within_quota(supply, launched) < 1:
            text = f"the account's quota of {market(node_type.preemptible)} vCPUs leaves no room for a {node_type}"
            return Obstacle(node_type, WaitReason.QUOTA, text)
        if self.payable(supply, launched) < 1:
            return Obstacle(node_type, *self.purse.why_not(supply.offer, self._cost(launched)))
        return None


def _fallen_back(since: datetime | None, policy: Policy, now: datetime) -> bool:
    after_s = policy.tuning.spot_fallback_after_s
    return since is not None and bool(after_s) and now - since >= timedelta(seconds=after_s)


def _offerings(node_type: NodeType, zones: tuple[str, ...]) -> list[Offering]:
    return [Offering(kind, zone, node_type.preemptible) for kind in node_type.instance_types for zone in zones]


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
        return Obstacle(node_type, WaitReason.CAPACITY, f"EC2 has not said yet what a {node_type} is")
    if backed_off is not None:
        why = f": {backed_off.last_error.rstrip('.')}" if backed_off.last_error else ""
        text = f"{backed_off.failures} nodes of {node_type} in a row failed to join{why}"
        return Obstacle(node_type, WaitReason.BACKED_OFF, text, backed_off.until)
    if refused and len(refused) == len(node_type.instance_types) * len(policy.zones):
        first = min(refused, key=lambda one: (one.until, one.offering))
        reason = WaitReason.QUOTA if quota_code(first.code) else WaitReason.CAPACITY
        return Obstacle(node_type, reason, f"EC2 refuses {node_type} ({first.code})", first.until)
    return None


def quota_code(code: str) -> bool:
    """Tell whether EC2 refused because of the account's quota."""
    return code in aws_errors.QUOTA


def _vcpus_left(quota_vcpus: Mapping[bool, float], workers: Workers) -> dict[bool, float]:
    left = dict(quota_vcpus)
    for node_type, count in workers.held().items():
        if node_type.preemptible in left and node_type in workers.offers:
            left[node_type.preemptible] -= workers.offers[node_type].vcpus * count
    return left
