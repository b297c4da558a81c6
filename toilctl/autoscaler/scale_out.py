"""Which nodes to launch, and which to un-drain, so that waiting jobs run within the target time and minimums hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from toilctl.autoscaler.binpack import Bin, fill, pack
from toilctl.autoscaler.compensation import compensate
from toilctl.autoscaler.fleet import Fleet
from toilctl.autoscaler.growth import Growth, Placing
from toilctl.autoscaler.lifecycle import Phase
from toilctl.autoscaler.market import Market
from toilctl.autoscaler.policy import Policy
from toilctl.node_types import NodeType

_ROUNDING: Final = 1e-9
_GONE: Final = 0.01
"""A smoothed number of nodes below this is none."""


def grow(  # noqa: PLR0913, PLR0917 - all that a tick knows
    placings: tuple[Placing, ...], fleet: Fleet, market: Market, policy: Policy, before: Mapping[NodeType, float],
    leaving: frozenset[str] = frozenset(),
) -> Growth:  # fmt: skip
    """Use what is there, then what boots, then what drains; and launch the rest.

    :param before: the smoothed numbers of the last tick; empty after a start.
    :param leaving: draining nodes that are not to be taken back.
    """
    growth = Growth(placings)
    if placings:
        _use_joined(growth, fleet)
        _stage(placings, fleet.bins_soon(), "booting")
    _undrain(growth, fleet, market, leaving)
    fulfil_minimum(growth, fleet, market)
    _stage(placings, fleet.bins_new(growth.minimum, "minimum"), "launched")
    _launch(growth, market)
    compensate(growth, fleet, market, policy.tuning.preemptible_compensation)
    _pay(growth, fleet, market)
    _smooth(growth, fleet, policy, before)
    return growth


def _use_joined(growth: Growth, fleet: Fleet) -> None:
    bins = fleet.bins_now()
    if not bins:
        return
    # All jobs that wait can start there, not only as many as the target time asks for: no such node is idle for long.
    filled = fill([placing.group(placing.queue.count) for placing in growth.placings], bins)
    growth.needed = frozenset(filled.used)
    for placing, count in zip(growth.placings, filled.placed, strict=True):
        placing.at_once = count
    _stage(growth.placings, bins, "joined")


def _stage(placings: Sequence[Placing], bins: Sequence[Bin], name: str) -> Mapping[str, int]:
    """Place on bins what is left, and count it under a name."""
    waiting = [placing for placing in placings if placing.left > 0]
    if not bins or not waiting:
        return {}
    filled = fill([placing.group() for placing in waiting], bins)
    for placing, count in zip(waiting, filled.placed, strict=True):
        setattr(placing, name, getattr(placing, name) + count)
    return filled.used


def _undrain(growth: Growth, fleet: Fleet, market: Market, leaving: frozenset[str]) -> None:
    """Take back drained nodes that demand or the minimum asks for; never those that are over the maximum."""
    drained = [one for one in fleet.in_phase(Phase.DRAINING) if one.node.instance_id not in leaving]
    if not drained:
        return
    draining = Counter(member.node.node_type for member in drained)
    excess = {
        node_type: max(0, len(fleet.counted(node_type)) - _most(market, node_type)) for node_type in draining
    }  # fmt: skip
    spare = {node_type: max(0, count - excess[node_type]) for node_type, count in draining.items()}
    used = set(_stage(growth.placings, fleet.bins_drained(drained, spare), "undrained"))
    for member in sorted(drained, key=lambda one: (not one.node.running, one.node.launched_at, one.node.instance_id)):
        node_type = member.node.node_type
        back = sum(one.node.node_type == node_type and one.node.instance_id in used for one in drained)
        there = len(fleet.counted(node_type)) - draining[node_type] + back
        if back < spare[node_type] and there < _least(market, node_type):
            used.add(member.node.instance_id)
    growth.undrain = tuple(member.node.instance_id for member in drained if member.node.instance_id in used)


def _most(market: Market, node_type: NodeType) -> int:
    return market.supplies[node_type].limits.max_nodes if node_type in market.supplies else 0


def _least(market: Market, node_type: NodeType) -> int:
    return market.supplies[node_type].limits.min_nodes if node_type in market.supplies else 0


def fulfil_minimum(growth: Growth, fleet: Fleet, market: Market) -> None:
    """Launch what is missing to the minimums, as far as maximum, quota and EC2 let."""
    for node_type, supply in market.supplies.items():
        there = len(fleet.counted(node_type)) + fleet.requested.get(node_type, 0)
        missing = min(supply.limits.min_nodes - there, supply.room)
        if missing > 0 and supply.obstacle is None:
            growth.minimum[node_type] = int(min(missing, market.affordable(supply, growth.minimum)))


def _launch(growth: Growth, market: Market) -> None:
    waiting = [placing for placing in growth.placings if placing.left > 0]
    candidates = market.candidates(growth.minimum)
    if not waiting or not candidates:
        return
    packing = pack([placing.group() for placing in waiting], candidates, market.quota_after(growth.minimum))
    growth.demand.update(packing.nodes)
    for placing, count in zip(waiting, packing.placed, strict=True):
        placing.launched += count


def _pay(growth: Growth, fleet: Fleet, market: Market) -> None:
    """Take out of the launches what the user's money does not allow all together."""
    wanted = growth.demand + growth.compensation
    unpaid = wanted - market.paid(wanted, growth.minimum)
    if unpaid:
        _take_out(growth, fleet, unpaid)


def _smooth(growth: Growth, fleet: Fleet, policy: Policy, before: Mapping[NodeType, float]) -> None:
    """Put off what goes beyond the smoothed numbers; the first new node of a type never waits."""
    beta = policy.tuning.beta_inertia
    base = _wanted(growth, fleet)
    for node_type in policy.node_types:
        raw = base[node_type] + growth.launched()[node_type]
        value = growth.smoothed[node_type] = followed(raw, before.get(node_type, raw), beta)
        new = growth.demand[node_type] + growth.compensation[node_type]
        if new:
            now = min(new, max(1, math.ceil(value - _ROUNDING) - base[node_type] - growth.minimum[node_type]))
            growth.delayed[node_type] = new - now
    if growth.delayed.total():
        _put_off(growth, fleet)


def followed(wanted: float, before: float, beta: float) -> float:
    """Return a smoothed number of nodes a tick later, when so many are wanted."""
    value = beta * before + (1 - beta) * wanted
    return value if value >= _GONE else 0.0


def _wanted(growth: Growth, fleet: Fleet) -> Counter[NodeType]:
    """Return how many nodes of each type do something, or are about to."""
    kept = growth.needed | set(growth.undrain)
    idle = {one.node.instance_id for one in fleet.in_phase(Phase.IDLE, Phase.DRAINING)} - kept
    counts = Counter(
        one.node.node_type for one in fleet.members if one.traits.counts and one.node.instance_id not in idle
    )
    counts.update(fleet.requested)
    return counts


def _put_off(growth: Growth, fleet: Fleet) -> None:
    """Take the delayed nodes out of the launches, and find out whose slots wait for them."""
    before = [placing.launched for placing in growth.placings]
    _take_out(growth, fleet, growth.delayed)
    for placing, launched in zip(growth.placings, before, strict=True):
        placing.later += launched - placing.launched


def _take_out(growth: Growth, fleet: Fleet, counts: Mapping[NodeType, int]) -> None:
    """Launch fewer nodes; the slots that find no place on the others have none."""
    for node_type, count in counts.items():
        spared = min(count, growth.compensation[node_type])
        growth.compensation[node_type] -= spared
        growth.demand[node_type] -= count - spared
    new = fleet.bins_new(growth.minimum + growth.demand + growth.compensation, "new")
    hoped = [placing for placing in growth.placings if placing.launched]
    filled = fill([placing.group(placing.launched) for placing in hoped], new)
    for placing, count in zip(hoped, filled.placed, strict=True):
        placing.launched = count
