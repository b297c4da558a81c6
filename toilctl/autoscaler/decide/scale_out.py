"""Which nodes to launch, and which to un-drain, so that waiting jobs run within the target time and minimums hold.

Jobs that a node gives back before EC2 takes it away are among those that wait (``interruptions.again``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from toilctl.autoscaler.decide.launch_draft import LaunchDraft, Placing
from toilctl.autoscaler.decide.spot_fallback import compensate
from toilctl.autoscaler.decide.supply import Supplies
from toilctl.autoscaler.decide.workers import Workers
from toilctl.autoscaler.model.phases import Phase
from toilctl.autoscaler.packing.pack import Bin, fill, pack
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy

_ROUNDING: Final = 1e-9
_GONE: Final = 0.01
"""A smoothed number of nodes below this is none."""


def draft_launches(  # noqa: PLR0913, PLR0917 - all that a tick knows
    placings: tuple[Placing, ...], workers: Workers, supplies: Supplies, policy: Policy,
    before: Mapping[NodeType, float], leaving: frozenset[str] = frozenset(),
) -> LaunchDraft:  # fmt: skip
    """Use what is there, then what boots, then what drains; and launch the rest.

    :param before: the smoothed numbers of the last tick; empty after a start.
    :param leaving: draining nodes that are not to be taken back.
    """
    draft = LaunchDraft(placings)
    if placings:
        _use_joined(draft, workers)
        _stage(placings, workers.bins_soon(), "booting")
    _undrain(draft, workers, supplies, leaving)
    fulfil_minimum(draft, workers, supplies)
    _stage(placings, workers.bins_new(draft.minimum, "minimum"), "launched")
    _launch(draft, supplies)
    compensate(draft, workers, supplies, policy.tuning.preemptible_compensation)
    _pay(draft, workers, supplies)
    _smooth(draft, workers, policy, before)
    return draft


def _use_joined(draft: LaunchDraft, workers: Workers) -> None:
    bins = workers.bins_now()
    if not bins:
        return
    # All jobs that wait can start there, not only as many as the target time asks for: no such node is idle for long.
    filled = fill([placing.group(placing.queue.count) for placing in draft.placings], bins)
    draft.needed = frozenset(filled.used)
    for placing, count in zip(draft.placings, filled.placed, strict=True):
        placing.at_once = count
    _stage(draft.placings, bins, "joined")


def _stage(placings: Sequence[Placing], bins: Sequence[Bin], name: str) -> Mapping[str, int]:
    """Place on bins what is left, and count it under a name."""
    waiting = [placing for placing in placings if placing.left > 0]
    if not bins or not waiting:
        return {}
    filled = fill([placing.group() for placing in waiting], bins)
    for placing, count in zip(waiting, filled.placed, strict=True):
        setattr(placing, name, getattr(placing, name) + count)
    return filled.used


def _undrain(draft: LaunchDraft, workers: Workers, supplies: Supplies, leaving: frozenset[str]) -> None:
    """Take back drained nodes that demand or the minimum asks for; never those that are over the maximum."""
    drained = [one for one in workers.in_phase(Phase.DRAINING) if one.node.instance_id not in leaving]
    if not drained:
        return
    draining = Counter(member.node.node_type for member in drained)
    excess = {
        node_type: max(0, len(workers.counted(node_type)) - _most(supplies, node_type)) for node_type in draining
    }  # fmt: skip
    spare = {node_type: max(0, count - excess[node_type]) for node_type, count in draining.items()}
    used = set(_stage(draft.placings, workers.bins_drained(drained, spare), "undrained"))
    for member in sorted(drained, key=lambda one: (not one.node.running, one.node.launched_at, one.node.instance_id)):
        node_type = member.node.node_type
        back = sum(one.node.node_type == node_type and one.node.instance_id in used for one in drained)
        there = len(workers.counted(node_type)) - draining[node_type] + back
        if back < spare[node_type] and there < _least(supplies, node_type):
            used.add(member.node.instance_id)
    draft.undrain = tuple(member.node.instance_id for member in drained if member.node.instance_id in used)


def _most(supplies: Supplies, node_type: NodeType) -> int:
    return supplies.by_type[node_type].limits.max_nodes if node_type in supplies.by_type else 0


def _least(supplies: Supplies, node_type: NodeType) -> int:
    return supplies.by_type[node_type].limits.min_nodes if node_type in supplies.by_type else 0


def fulfil_minimum(draft: LaunchDraft, workers: Workers, supplies: Supplies) -> None:
    """Launch what is missing to the minimums, as far as maximum, quota and EC2 let."""
    for node_type, supply in supplies.by_type.items():
        there = len(workers.counted(node_type)) + workers.requested.get(node_type, 0)
        missing = min(supply.limits.min_nodes - there, supply.room)
        if missing > 0 and supply.obstacle is None:
            draft.minimum[node_type] = int(min(missing, supplies.affordable(supply, draft.minimum)))


def _launch(draft: LaunchDraft, supplies: Supplies) -> None:
    waiting = [placing for placing in draft.placings if placing.left > 0]
    candidates = supplies.candidates(draft.minimum)
    if not waiting or not candidates:
        return
    packing = pack([placing.group() for placing in waiting], candidates, supplies.quota_after(draft.minimum))
    draft.demand.update(packing.nodes)
    for placing, count in zip(waiting, packing.placed, strict=True):
        placing.launched += count


def _pay(draft: LaunchDraft, workers: Workers, supplies: Supplies) -> None:
    """Take out of the launches what the user's money does not allow all together."""
    wanted = draft.demand + draft.compensation
    unpaid = wanted - supplies.paid(wanted, draft.minimum)
    if unpaid:
        _take_out(draft, workers, unpaid)


def _smooth(draft: LaunchDraft, workers: Workers, policy: Policy, before: Mapping[NodeType, float]) -> None:
    """Put off what goes beyond the smoothed numbers; the first new node of a type never waits."""
    beta = policy.tuning.beta_inertia
    base = _wanted(draft, workers)
    for node_type in policy.node_types:
        raw = base[node_type] + draft.launched()[node_type]
        value = draft.smoothed[node_type] = followed(raw, before.get(node_type, raw), beta)
        new = draft.demand[node_type] + draft.compensation[node_type]
        if new:
            now = min(new, max(1, math.ceil(value - _ROUNDING) - base[node_type] - draft.minimum[node_type]))
            draft.delayed[node_type] = new - now
    if draft.delayed.total():
        _put_off(draft, workers)


def followed(wanted: float, before: float, beta: float) -> float:
    """Return a smoothed number of nodes a tick later, when so many are wanted."""
    value = beta * before + (1 - beta) * wanted
    return value if value >= _GONE else 0.0


def _wanted(draft: LaunchDraft, workers: Workers) -> Counter[NodeType]:
    """Return how many nodes of each type do something, or are about to."""
    kept = draft.needed | set(draft.undrain)
    idle = {one.node.instance_id for one in workers.in_phase(Phase.IDLE, Phase.DRAINING)} - kept
    counts = Counter(
        one.node.node_type for one in workers.members if one.traits.counts and one.node.instance_id not in idle
    )
    counts.update(workers.requested)
    return counts


def _put_off(draft: LaunchDraft, workers: Workers) -> None:
    """Take the delayed nodes out of the launches, and find out whose slots wait for them."""
    before = [placing.launched for placing in draft.placings]
    _take_out(draft, workers, draft.delayed)
    for placing, launched in zip(draft.placings, before, strict=True):
        placing.later += launched - placing.launched


def _take_out(draft: LaunchDraft, workers: Workers, counts: Mapping[NodeType, int]) -> None:
    """Launch fewer nodes; the slots that find no place on the others have none."""
    for node_type, count in counts.items():
        spared = min(count, draft.compensation[node_type])
        draft.compensation[node_type] -= spared
        draft.demand[node_type] -= count - spared
    new = workers.bins_new(draft.minimum + draft.demand + draft.compensation, "new")
    hoped = [placing for placing in draft.placings if placing.launched]
    filled = fill([placing.group(placing.launched) for placing in hoped], new)
    for placing, count in zip(hoped, filled.placed, strict=True):
        placing.launched = count
