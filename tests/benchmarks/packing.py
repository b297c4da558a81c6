"""What a plan costs over the least that any plan can cost, beside Toil's own packing of the same jobs.

Assumptions are the same for all three: each job runs as long as the target time, so that it is a slot of its own; nodes
give what ``allocatable`` leaves; and node types are without limits. Toil's node shapes and ours have the same sizes and
prices, and its packing gets the jobs one by one, as it takes them. Times are the processor's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import packing_mixes
from packing_bound import bound
from report import Section

from toilctl.autoscaler.packing.pack import Candidate, pack
from toilctl.values.jobs import Shape

SIZES = tuple(map(int, os.environ.get("JOBS", "1000,5000,10000").split(",")))
TARGET_S = 1800
_MIB = 1024**2


def measure() -> Section:
    rows = [
        _row(mix, count, spot) for spot in (False, True) for mix in packing_mixes.MIXES for count in SIZES
    ]  # fmt: skip
    return Section("Cost of new nodes over the lower bound, USD per hour, beside Toil's BinPackedFit", rows)


def _row(mix: str, count: int, spot: bool) -> dict[str, Any]:
    jobs, among = packing_mixes.shapes(mix, count, spot), packing_mixes.candidates(spot)
    groups = packing_mixes.groups(jobs, among)
    least = bound(groups, among).usd_per_hour
    began = time.process_time()
    packing = pack(groups, among, {})
    seconds = time.process_time() - began
    if packing.placed != tuple(group.slots for group in groups):
        raise SystemExit(f"{mix}: jobs without a place")
    prices = {one.offer.node_type: one.offer.usd_per_hour for one in among}
    cost = sum(prices[node_type] * nodes for node_type, nodes in packing.nodes.items())
    toil_cost, toil_seconds = _toil(jobs, among)
    return {
        "jobs": count, "mix": mix, "market": "spot" if spot else "on demand", "shapes": len(groups), "bound": least,
        "cost": cost, "over": round(cost / least, 4), "s": seconds,
        "Toil's": toil_cost, "Toil's over": round(toil_cost / least, 4), "Toil's s": toil_seconds,
    }  # fmt: skip


def _toil(jobs: Sequence[Shape], among: Sequence[Candidate]) -> tuple[float, float]:
    """Return cost and seconds of Toil's packing of the same jobs onto the same nodes."""
    from toil.provisioners.abstractProvisioner import Shape as ToilShape
    from toil.provisioners.clusterScaler import BinPackedFit

    nodes, prices = [], {}
    for one in among:
        given = one.offer.resources
        size = (TARGET_S, given.memory_mib * _MIB, given.cores, given.disk_mib * _MIB, one.offer.node_type.preemptible)
        nodes.append(ToilShape(*size))
        prices[size] = one.offer.usd_per_hour
    wanted = [
        ToilShape(TARGET_S, job.memory_mib * _MIB, job.cores, job.disk_mib * _MIB, job.preemptible) for job in jobs
    ]
    began = time.process_time()
    fit = BinPackedFit(nodes, TARGET_S)
    rejected = fit.binPack(wanted)
    required = fit.getRequiredNodes()
    seconds = time.process_time() - began
    if rejected:
        raise SystemExit(f"Toil's packing found no place for {rejected}")
    cost = sum(
        prices[node.wallTime, node.memory, node.cores, node.disk, node.preemptible] * count
        for node, count in required.items()
    )
    return cost, seconds
