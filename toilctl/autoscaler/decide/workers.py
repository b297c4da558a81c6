"""The cluster's nodes with their phases, and the room that they have for more jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

from toilctl.autoscaler.model.phases import TRAITS, Phase, Readiness, Traits, phase
from toilctl.autoscaler.model.snapshot import NodeView, Offer, Snapshot
from toilctl.autoscaler.packing.pack import Bin
from toilctl.values.capacity import Resources
from toilctl.values.jobs import Job
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy

_NO_CORES: Final = 1e-6


@dataclass(frozen=True)
class Member:
    """A node and its phase."""

    node: NodeView
    phase: Phase
    usd_per_hour: float

    @property
    def traits(self) -> Traits:
        """What follows from the phase."""
        return TRAITS[self.phase]


@dataclass(frozen=True)
class Workers:
    """All nodes, in the snapshot's order."""

    members: tuple[Member, ...]
    running: tuple[Job, ...]
    offers: Mapping[NodeType, Offer]
    """With the resources that joined nodes really have, where those are less."""
    requested: Mapping[NodeType, int]
    closed: frozenset[str] = frozenset()
    """Nodes that are about to be told to go, and get no more jobs."""

    @classmethod
    def of(cls, snapshot: Snapshot, policy: Policy, now: datetime) -> Workers:
        """Take a snapshot apart."""
        members = tuple(
            Member(node, phase(node, policy, now), _price(node, snapshot.offers)) for node in snapshot.nodes
        )
        requested = {node_type: count for node_type, count in snapshot.requested.items() if count > 0}
        running = tuple(job for job in snapshot.demand.jobs if job.node is not None)
        return cls(members, running, _measured(snapshot.offers, members), requested)

    def counts(self) -> Counter[NodeType]:
        """Return how many nodes EC2 has, or was asked for, by node type: what the maximum limits.

        A node that EC2 takes away within minutes does not count, so that its successor boots meanwhile.
        """
        counts = Counter(member.node.node_type for member in self.members if not member.traits.doomed)
        counts.update(self.requested)
        return counts

    def held(self) -> Counter[NodeType]:
        """Return how many nodes EC2 has, or was asked for, those that it takes away among them: what a quota limits."""
        counts = Counter(member.node.node_type for member in self.members)
        counts.update(self.requested)
        return counts

    def most_usd_per_hour(self) -> float:
        """Return what all nodes that EC2 has, or was asked for, cost at the most; what has no price is reckoned."""
        there = sum(map(_most_usd_per_hour, self.members))
        offers = ((self.offers.get(node_type), count) for node_type, count in self.requested.items())
        return there + sum(count * (one.most_usd_per_hour or one.usd_per_hour) for one, count in offers if one)

    def counted(self, node_type: NodeType) -> tuple[Member, ...]:
        """Return the nodes of a type that the minimum asks for."""
        return self.by_type.get(node_type, ())

    @cached_property
    def by_type(self) -> Mapping[NodeType, tuple[Member, ...]]:
        """All nodes that count, by node type."""
        found: dict[NodeType, list[Member]] = {}
        for member in self.members:
            if member.traits.counts:
                found.setdefault(member.node.node_type, []).append(member)
        return {node_type: tuple(members) for node_type, members in found.items()}

    def in_phase(self, *phases: Phase) -> tuple[Member, ...]:
        """Return the nodes in some phases."""
        return tuple(member for member in self.members if member.phase in phases)

    def hosts(self) -> dict[str, bool]:
        """Return the nodes that take other jobs when theirs end, and whether each is preemptible."""
        # A node that the engine has lost sight of keeps its jobs, and most likely comes back with them.
        stay = [
            one
            for one in self.in_phase(Phase.BUSY, Phase.RETURNING, Phase.MISSING)
            if one.node.instance_id not in self.closed
        ]
        return {member.node.instance_id: member.node.node_type.preemptible for member in stay}

    def bins_now(self) -> list[Bin]:
        """Return the free room on joined nodes, fullest and cheapest first, so that others become idle."""
        free = self._free(self._open(Readiness.NOW))
        free.sort(key=lambda one: (one[0].phase is Phase.IDLE, one[1].cores, one[0].usd_per_hour, _age(one[0])))
        return [Bin(member.node.instance_id, room, member.node.node_type) for member, room in free]

    def _open(self, readiness: Readiness) -> list[Member]:
        return [
            member for member in self.members
            if member.traits.readiness is readiness and member.node.instance_id not in self.closed
        ]  # fmt: skip

    def bins_soon(self) -> list[Bin]:
        """Return the nodes that boot, come back or were asked for, cheapest first."""
        coming = sorted(self._open(Readiness.SOON), key=lambda one: (one.usd_per_hour, *_age(one)))
        there = [Bin(member.node.instance_id, room, member.node.node_type) for member, room in self._free(coming)]
        return there + self.bins_new(self.requested, "requested")

    def bins_drained(self, members: Iterable[Member], at_most: Mapping[NodeType, int]) -> list[Bin]:
        """Return the room on draining nodes, so many of each type, busy ones first: they cannot go yet anyway."""
        drained = sorted(members, key=lambda one: (not one.node.running, *_age(one)))
        left = dict(at_most)
        chosen = []
        for member in drained:
            if left.get(member.node.node_type, 0) > 0:
                left[member.node.node_type] -= 1
                chosen.append(member)
        return [Bin(member.node.instance_id, room, member.node.node_type) for member, room in self._free(chosen)]

    def bins_new(self, counts: Mapping[NodeType, int], label: str) -> list[Bin]:
        """Return bins for nodes that EC2 does not list yet."""
        return [
            Bin(f"{label} {node_type} {number}", self.offers[node_type].resources, node_type)
            for node_type, count in sorted(counts.items(), key=lambda item: str(item[0]))
            for number in range(count)
            if node_type in self.offers
        ]

    def _free(self, members: Iterable[Member]) -> list[tuple[Member, Resources]]:
        """Return those with free room, and how much."""
        on_node: dict[str, list[Job]] = {}
        for job in self.running:
            on_node.setdefault(job.node or "", []).append(job)
        found = ((member, self._free_on(member, on_node.get(member.node.instance_id, []))) for member in members)
        return [(member, free) for member, free in found if free is not None]

    def _free_on(self, member: Member, jobs: list[Job]) -> Resources | None:
        whole = member.node.resources
        if whole is None and member.node.node_type in self.offers:
            whole = self.offers[member.node.node_type].resources
        # What runs there without being known as a job may need all that is left.
        if whole is None or len(member.node.running) > len(jobs):
            return None
        free = Resources(
            whole.cores - sum(job.shape.cores for job in jobs),
            whole.memory_mib - sum(job.shape.memory_mib for job in jobs),
            whole.disk_mib - sum(job.shape.disk_mib for job in jobs),
        )
        return free if free.cores > _NO_CORES and min(free.memory_mib, free.disk_mib) >= 0 else None


def _age(member: Member) -> tuple[datetime, str]:
    return member.node.launched_at, member.node.instance_id


def _most_usd_per_hour(member: Member) -> float:
    bid = member.node.node_type.spot_bid
    return member.usd_per_hour if bid is None else bid + member.node.beside_usd_per_hour


def _price(node: NodeView, offers: Mapping[NodeType, Offer]) -> float:
    if node.usd_per_hour is not None:
        return node.usd_per_hour
    return offers[node.node_type].usd_per_hour if node.node_type in offers else 0.0


def _measured(offers: Mapping[NodeType, Offer], members: Iterable[Member]) -> dict[NodeType, Offer]:
    """Believe joined nodes that have less than their type promises: a job that needs more would wait in vain."""
    found = dict(offers)
    for member in members:
        there, offer = member.node.resources, found.get(member.node.node_type)
        if there is None or offer is None or member.traits.readiness is not Readiness.NOW:
            continue
        known, disk_mib = offer.resources, there.disk_mib
        if member.node.storage_gb and offer.storage_gb and member.node.storage_gb != offer.storage_gb:
            # Disks have another size by now.
            disk_mib = known.disk_mib
        least = Resources(
            min(known.cores, there.cores), min(known.memory_mib, there.memory_mib), min(known.disk_mib, disk_mib)
        )
        if least != known:
            found[member.node.node_type] = replace(offer, resources=least)
    return found
