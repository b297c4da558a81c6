"""Which nodes go, and why each of the others stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from toilctl.autoscaler.decide.workers import Member, Workers
from toilctl.autoscaler.model.phases import Phase
from toilctl.autoscaler.model.plan import ScaleIn
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy

_LOSS = {Phase.IDLE: 0, Phase.BOOTING: 1, Phase.BUSY: 2}
"""What of a node type above its maximum goes first; others are on their way, or a human's."""


@dataclass
class ScaleInDraft:
    """Nodes that go by reason, cheapest loss first."""

    going: dict[EndReason, list[str]] = field(default_factory=dict)
    pending: frozenset[str] = frozenset()
    """Booting nodes above the maximum: they go once they have joined."""

    def add(self, reason: EndReason, members: Iterable[Member]) -> None:
        """Let nodes go."""
        ids = [member.node.instance_id for member in members]
        if ids:
            self.going.setdefault(reason, []).extend(ids)

    def ids(self) -> set[str]:
        """Return all nodes that go."""
        return {instance_id for ids in self.going.values() for instance_id in ids}

    def scale_ins(self) -> tuple[ScaleIn, ...]:
        """Return them as the plan has them."""
        return tuple(ScaleIn(tuple(ids), reason) for reason, ids in self.going.items())


def draft_scale_in(
    workers: Workers, policy: Policy, needed: frozenset[str], undrain: tuple[str, ...], now: datetime
) -> ScaleInDraft:
    """Let go what is above a maximum, what was drained and is idle, and what has been idle for long enough."""
    scale_in = ScaleInDraft()
    above = over_maximum(workers, policy)
    scale_in.add(EndReason.OVER_MAXIMUM, (one for one in above if one.phase is not Phase.BOOTING))
    scale_in.pending = frozenset(one.node.instance_id for one in above if one.phase is Phase.BOOTING)
    drained = [one for one in workers.in_phase(Phase.DRAINING) if one.node.instance_id not in undrain]
    idle = [one for one in drained if not (one.node.running or one.node.fixed)]
    scale_in.add(EndReason.INTERRUPTED_DRAIN, sorted(idle, key=_loss))
    scale_in.add(EndReason.REBALANCE, sorted(filter(_done, workers.in_phase(Phase.AT_RISK)), key=_loss))
    _idle(scale_in, workers, policy, needed, now)
    return scale_in


def _done(member: Member) -> bool:
    return member.node.engine_state is not None and not (member.node.running or member.node.fixed)


def _loss(member: Member) -> tuple[int, int, float, float, str]:
    """Order nodes by how little is lost with them: idle, fewest jobs, dearest, newest."""
    node = member.node
    newest = -node.launched_at.timestamp()
    return _LOSS.get(member.phase, 0), len(node.running), -member.usd_per_hour, newest, node.instance_id


def over_maximum(workers: Workers, policy: Policy) -> list[Member]:
    """Return the nodes above their type's maximum that must be told to go, cheapest loss first."""
    chosen: list[Member] = []
    for node_type, members in workers.by_type.items():
        excess = len(members) - policy.limits_of(node_type).max_nodes
        drained = sum(one.phase is Phase.DRAINING for one in members)
        able = sorted((one for one in members if one.phase in _LOSS and not one.node.fixed), key=_loss)
        # Drained nodes are on their way; they are taken back only where no node is too many.
        chosen += able[: max(0, excess - drained)]
    return sorted(chosen, key=_loss)


def _idle(scale_in: ScaleInDraft, workers: Workers, policy: Policy, needed: frozenset[str], now: datetime) -> None:
    gone = scale_in.ids()
    stay = Counter(
        one.node.node_type for one in workers.members if one.traits.counts and one.node.instance_id not in gone
    )
    going = []
    for member in sorted(workers.in_phase(Phase.IDLE), key=_loss):
        node_type = member.node.node_type
        free = stay[node_type] > policy.limits_of(node_type).min_nodes
        ready = timed_out(member, policy, now) and not member.node.fixed
        if free and ready and member.node.instance_id not in gone | needed:
            going.append(member)
            stay[node_type] -= 1
    scale_in.add(EndReason.IDLE, going)


def goes_at(member: Member, policy: Policy) -> datetime | None:
    """Return until when an idle node is kept at least; None when nobody knows since when it is idle."""
    since = member.node.idle_since
    return None if since is None else since + timedelta(seconds=policy.tuning.idle_timeout_s)


def timed_out(member: Member, policy: Policy, now: datetime) -> bool:
    """Tell whether a node has been idle for long enough."""
    at = goes_at(member, policy)
    return at is not None and at <= now


def at_minimum(workers: Workers, policy: Policy, going: set[str]) -> Mapping[NodeType, bool]:
    """Tell of which node types no more nodes can go."""
    stay = Counter(
        one.node.node_type for one in workers.members if one.traits.counts and one.node.instance_id not in going
    )
    return {node_type: count <= policy.limits_of(node_type).min_nodes for node_type, count in stay.items()}
