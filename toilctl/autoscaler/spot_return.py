"""The way back to spot: on-demand nodes that were launched while spot was lacking go, one by one, once it is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toilctl.autoscaler.binpack import fits
from toilctl.autoscaler.demand import Queue
from toilctl.autoscaler.fleet import Fleet, Member
from toilctl.autoscaler.lifecycle import Phase
from toilctl.autoscaler.market import Market, Supply
from toilctl.autoscaler.model import Job
from toilctl.autoscaler.policy import Policy


@dataclass(frozen=True)
class SpotReturn:
    """Which nodes spot ones may take the place of."""

    replaceable: tuple[Member, ...]
    """On-demand nodes that run nothing but jobs that spot nodes could run more cheaply; none while spot is lacking."""

    @property
    def ids(self) -> frozenset[str]:
        """Their instance ids."""
        return frozenset(member.node.instance_id for member in self.replaceable)

    @classmethod
    def of(cls, fleet: Fleet, market: Market, policy: Policy, queues: Iterable[Queue]) -> SpotReturn:
        """Find them. Without waiting jobs they go by themselves, once they are idle."""
        tuning = policy.tuning
        waiting = [queue for queue in queues if not queue.held]
        wanted = bool(tuning.spot_fallback_after_s or tuning.preemptible_compensation)
        if not wanted or not waiting or not all(queue.shape.preemptible for queue in waiting):
            return cls(())
        to_be_had = [supply for supply in market.supplies.values() if _to_be_had(supply, fleet)]
        jobs = _by_node(fleet)
        there = fleet.in_phase(Phase.BUSY, Phase.DRAINING) if to_be_had else ()
        return cls(tuple(
            one for one in there
            if not (one.node.node_type.preemptible or one.node.fixed)
            and _movable(one, jobs.get(one.node.instance_id, []), to_be_had)
        ))  # fmt: skip

    def next(self, fleet: Fleet, policy: Policy) -> Member | None:
        """Return the node to drain now, the one with the fewest jobs; None while another is on its way."""
        on_the_way = any(not one.node.node_type.preemptible for one in fleet.in_phase(Phase.DRAINING))
        able = [
            one for one in self.replaceable
            if one.phase is Phase.BUSY
            and len(fleet.counted(one.node.node_type)) > policy.limits_of(one.node.node_type).min_nodes
        ]  # fmt: skip
        return None if on_the_way else min(able, key=_order, default=None)


def _to_be_had(supply: Supply, fleet: Fleet) -> bool:
    """Whether one more spot node of a type is likely to be had: there is one, and nothing was refused of late."""
    free = supply.obstacle is None and not supply.short and supply.room > 0 and supply.offer is not None
    return supply.node_type.preemptible and free and bool(fleet.counted(supply.node_type))


def _movable(member: Member, jobs: list[Job], to_be_had: Iterable[Supply]) -> bool:
    """Whether spot nodes could run what a node runs; one that is drained and empty is not taken back either."""
    if len(member.node.running) > len(jobs) or not all(job.shape.preemptible for job in jobs):
        return False
    return any(
        one.offer is not None and one.offer.usd_per_hour < member.usd_per_hour
        and all(fits(job.shape, one.offer.resources) for job in jobs)
        for one in to_be_had
    )  # fmt: skip


def _by_node(fleet: Fleet) -> Mapping[str, list[Job]]:
    found: dict[str, list[Job]] = {}
    for job in fleet.running:
        found.setdefault(job.node or "", []).append(job)
    return found


def _order(member: Member) -> tuple[int, float, str]:
    return len(member.node.running), -member.usd_per_hour, member.node.instance_id
