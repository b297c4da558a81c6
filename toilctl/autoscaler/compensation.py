"""On-demand nodes for spot nodes that cannot be had, as large a share of them as the user allows."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from toilctl.autoscaler.binpack import Bin, Candidate, Group, fill, pack
from toilctl.autoscaler.fleet import Fleet
from toilctl.autoscaler.growth import Growth, Placing
from toilctl.autoscaler.market import Market
from toilctl.autoscaler.model import Shape

_ROUNDING: Final = 1e-9


def compensate(growth: Growth, fleet: Fleet, market: Market, share: float) -> None:
    """Launch on demand for a share of the slots that find no spot node through nobody's wish.

    The share is 1 for slots whose spot node types could not be had for too long.
    """
    fallen_back = any(one.fallen_back for one in market.supplies.values())
    wanting = [placing for placing in growth.placings if placing.left > 0 and placing.choice.spot]
    short = wanting if share or fallen_back else []
    if not short:
        return
    missing = pack([placing.group() for placing in short], _unavailable(growth, market), {}).placed
    already = _on_demand_already(short, fleet)
    # Slots that run on demand already are part of the share: a tick later the same answer comes out.
    shares = [1.0 if _fallen_back(placing, market) else share for placing in short]
    wanted = [
        max(0, min(count, math.ceil(part * (count + there) - _ROUNDING) - there))
        for part, count, there in zip(shares, missing, already, strict=True)
    ]
    launched = growth.launched()
    on_demand = [one for one in market.candidates(launched) if not one.offer.node_type.preemptible]
    groups = [
        Group(placing.queue.shape, slots, frozenset(placing.choice.on_demand), placing.queue.service)
        for placing, slots in zip(short, wanted, strict=True)
    ]
    packing = pack(groups, on_demand, market.quota_after(launched))
    growth.compensation.update(packing.nodes)
    growth.fallen_back = fallen_back and share < 1
    for placing, count in zip(short, packing.placed, strict=True):
        placing.launched += count


def _fallen_back(placing: Placing, market: Market) -> bool:
    """Whether each spot node type that it fits, and that is not at its maximum, was lacking for too long."""
    open_to_it = [market.supplies[one] for one in placing.choice.spot if market.supplies[one].room]
    return bool(open_to_it) and all(one.fallen_back for one in open_to_it)


def _unavailable(growth: Growth, market: Market) -> list[Candidate]:
    """Return the spot nodes that the user allows and EC2, the quota or their own failures forbid."""
    launched = growth.launched()
    return [
        Candidate(supply.offer, supply.room - launched[supply.node_type])
        for supply in market.supplies.values()
        if supply.node_type.preemptible and supply.offer is not None and supply.room > launched[supply.node_type]
        and (supply.obstacle is not None or market.affordable(supply, launched) < 1)
    ]  # fmt: skip


def _on_demand_already(short: list[Placing], fleet: Fleet) -> list[int]:
    """Return how many slots of each run on on-demand nodes, or are about to."""
    durable = {one.node.instance_id for one in fleet.members if not one.node.node_type.preemptible}
    running: Counter[Shape] = Counter(
        job.shape for job in fleet.running if job.shape.preemptible and job.node in durable
    )
    on_spot = [0] * len(short)
    for bins, name in ((fleet.bins_now(), "joined"), (fleet.bins_soon(), "booting")):
        spot: list[Bin] = [one for one in bins if one.preemptible]
        filled = fill([placing.group(getattr(placing, name)) for placing in short], spot)
        on_spot = [count + there for count, there in zip(on_spot, filled.placed, strict=True)]
    return [
        running[placing.queue.shape] + max(0, placing.joined + placing.booting - count)
        for placing, count in zip(short, on_spot, strict=True)
    ]
