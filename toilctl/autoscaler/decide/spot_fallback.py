"""On-demand nodes for spot nodes that cannot be had, as large a share of them as the user allows, and the way back.

On-demand nodes that were launched while spot was lacking go, one by one, once it is not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from toilctl.autoscaler.decide.demand import Queue
from toilctl.autoscaler.decide.launch_draft import LaunchDraft, Placing
from toilctl.autoscaler.decide.supply import Supplies, Supply
from toilctl.autoscaler.decide.workers import Member, Workers
from toilctl.autoscaler.model.phases import Phase
from toilctl.autoscaler.packing.pack import Bin, Candidate, Group, fill, fits, pack
from toilctl.values.jobs import Job, Shape
from toilctl.values.scaling_policy import Policy

_ROUNDING: Final = 1e-9


def compensate(draft: LaunchDraft, workers: Workers, supplies: Supplies, share: float) -> None:
    """Launch on demand for a share of the slots that find no spot node through nobody's wish.

    The share is 1 for slots whose spot node types could not be had for too long.
    """
    fallen_back = any(one.fallen_back for one in supplies.by_type.values())
    wanting = [placing for placing in draft.placings if placing.left > 0 and placing.choice.preemptible]
    short = wanting if share or fallen_back else []
    if not short:
        return
    missing = pack([placing.group() for placing in short], _unavailable(draft, supplies), {}).placed
    already = _on_demand_already(short, workers)
    # Slots that run on demand already are part of the share: a tick later the same answer comes out.
    shares = [1.0 if _fallen_back(placing, supplies) else share for placing in short]
    wanted = [
        max(0, min(count, math.ceil(part * (count + there) - _ROUNDING) - there))
        for part, count, there in zip(shares, missing, already, strict=True)
    ]
    launched = draft.launched()
    on_demand = [one for one in supplies.candidates(launched) if not one.offer.node_type.preemptible]
    groups = [
        Group(placing.queue.shape, slots, frozenset(placing.choice.on_demand), placing.queue.service)
        for placing, slots in zip(short, wanted, strict=True)
    ]
    packing = pack(groups, on_demand, supplies.quota_after(launched))
    draft.compensation.update(packing.nodes)
    draft.fallen_back = fallen_back and share < 1
    for placing, count in zip(short, packing.placed, strict=True):
        placing.launched += count


def _fallen_back(placing: Placing, supplies: Supplies) -> bool:
    """Whether each spot node type that it fits, and that is not at its maximum, was lacking for too long."""
    open_to_it = [supplies.by_type[one] for one in placing.choice.preemptible if supplies.by_type[one].room]
    return bool(open_to_it) and all(one.fallen_back for one in open_to_it)


def _unavailable(draft: LaunchDraft, supplies: Supplies) -> list[Candidate]:
    """Return the spot nodes that the user allows and EC2, the quota or their own failures forbid."""
    launched = draft.launched()
    return [
        Candidate(supply.offer, supply.room - launched[supply.node_type])
        for supply in supplies.by_type.values()
        if supply.node_type.preemptible and supply.offer is not None and supply.room > launched[supply.node_type]
        and (supply.obstacle is not None or supplies.affordable(supply, launched) < 1)
    ]  # fmt: skip


def _on_demand_already(short: list[Placing], workers: Workers) -> list[int]:
    """Return how many slots of each run on on-demand nodes, or are about to."""
    durable = {one.node.instance_id for one in workers.members if not one.node.node_type.preemptible}
    running: Counter[Shape] = Counter(
        job.shape for job in workers.running if job.shape.preemptible and job.node in durable
    )
    on_preemptible = [0] * len(short)
    for bins, name in ((workers.bins_now(), "joined"), (workers.bins_soon(), "booting")):
        preemptible: list[Bin] = [one for one in bins if one.node_type.preemptible]
        filled = fill([placing.group(getattr(placing, name)) for placing in short], preemptible)
        on_preemptible = [count + there for count, there in zip(on_preemptible, filled.placed, strict=True)]
    return [
        running[placing.queue.shape] + max(0, placing.joined + placing.booting - count)
        for placing, count in zip(short, on_preemptible, strict=True)
    ]


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
    def of(cls, workers: Workers, supplies: Supplies, policy: Policy, queues: Iterable[Queue]) -> SpotReturn:
        """Find them. Without waiting jobs they go by themselves, once they are idle."""
        tuning = policy.tuning
        waiting = [queue for queue in queues if not queue.held]
        wanted = bool(tuning.spot_fallback_after_s or tuning.preemptible_compensation)
        if not wanted or not waiting or not all(queue.shape.preemptible for queue in waiting):
            return cls(())
        to_be_had = [supply for supply in supplies.by_type.values() if _to_be_had(supply, workers)]
        jobs = _by_node(workers)
        there = workers.in_phase(Phase.BUSY, Phase.DRAINING) if to_be_had else ()
        return cls(tuple(
            one for one in there
            if not (one.node.node_type.preemptible or one.node.fixed)
            and _movable(one, jobs.get(one.node.instance_id, []), to_be_had)
        ))  # fmt: skip

    def next(self, workers: Workers, policy: Policy) -> Member | None:
        """Return the node to drain now, the one with the fewest jobs; None while another is on its way."""
        on_the_way = any(not one.node.node_type.preemptible for one in workers.in_phase(Phase.DRAINING))
        able = [
            one for one in self.replaceable
            if one.phase is Phase.BUSY
            and len(workers.counted(one.node.node_type)) > policy.limits_of(one.node.node_type).min_nodes
        ]  # fmt: skip
        return None if on_the_way else min(able, key=_order, default=None)


def _to_be_had(supply: Supply, workers: Workers) -> bool:
    """Whether one more spot node of a type is likely to be had: there is one, and nothing was refused of late."""
    free = supply.obstacle is None and not supply.short and supply.room > 0 and supply.offer is not None
    return supply.node_type.preemptible and free and bool(workers.counted(supply.node_type))


def _movable(member: Member, jobs: list[Job], to_be_had: Iterable[Supply]) -> bool:
    """Whether spot nodes could run what a node runs; one that is drained and empty is not taken back either."""
    if len(member.node.running) > len(jobs) or not all(job.shape.preemptible for job in jobs):
        return False
    return any(
        one.offer is not None and one.offer.usd_per_hour < member.usd_per_hour
        and all(fits(job.shape, one.offer.resources) for job in jobs)
        for one in to_be_had
    )  # fmt: skip


def _by_node(workers: Workers) -> Mapping[str, list[Job]]:
    found: dict[str, list[Job]] = {}
    for job in workers.running:
        found.setdefault(job.node or "", []).append(job)
    return found


def _order(member: Member) -> tuple[int, float, str]:
    return len(member.node.running), -member.usd_per_hour, member.node.instance_id
