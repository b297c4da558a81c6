"""What else a person should know about a tick, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toilctl.autoscaler.decide.budget import Purse
from toilctl.autoscaler.decide.launch_draft import LaunchDraft
from toilctl.autoscaler.decide.situation import Situation
from toilctl.autoscaler.decide.supply import Supplies
from toilctl.autoscaler.decide.workers import Workers
from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.phases import Phase
from toilctl.values.wording import at, listed, number, sentence


def notes(tick: Situation, draft: LaunchDraft) -> tuple[str, ...]:
    """Return them in a fixed order."""
    return tuple(sentence(text) for text in _all(tick, draft))


def advice(tick: Situation) -> Mapping[str, tuple[Advice, ...]]:
    """Return what helps, by the note."""
    purse = tick.supplies.purse
    return {sentence(_spent(purse)): (Advice.RAISE_BUDGET,)} if purse.exhausted else {}


def _spent(purse: Purse) -> str:
    return f"{purse.why_not(None, 0.0)[1]}, so nothing more is launched"


def _all(tick: Situation, draft: LaunchDraft) -> Iterator[str]:
    snapshot, workers = tick.snapshot, tick.workers
    if snapshot.engine_problem:
        yield "until the engine answers, only minimums are kept"
    missing = [one.node.instance_id for one in workers.in_phase(Phase.MISSING, Phase.RETURNING)]
    if missing and not snapshot.engine_problem:
        yield f"the engine does not list {listed(missing)}, so no node is scaled in until it does"
    if tick.again:
        jobs = number(len(tick.again), "job")
        yield f"{jobs} on nodes that EC2 takes away may not end in time, so nodes are launched as if they waited"
    yield from _node_types(tick.supplies, draft, workers)
    if tick.supplies.purse.exhausted:
        yield _spent(tick.supplies.purse)
    estimated = [
        str(one.node_type) for one in tick.supplies.by_type.values() if one.offer and one.offer.price_estimated
    ]
    if estimated:
        yield f"the price of {listed(estimated)} is not known, so node types are compared by their size"


def _node_types(supplies: Supplies, draft: LaunchDraft, workers: Workers) -> Iterator[str]:
    launched = draft.launched()
    for node_type, supply in supplies.by_type.items():
        obstacle = supplies.obstacle(node_type, launched)
        until = f"; the next try is at {at(obstacle.until)}" if obstacle and obstacle.until else ""
        there = len(workers.counted(node_type)) + workers.requested.get(node_type, 0) + launched[node_type]
        if obstacle is not None and there < supply.limits.min_nodes:
            least = supply.limits.min_nodes
            yield f"there are {there} {node_type} and shall be at least {least}, but {obstacle.text}{until}"
        elif supply.offer is None:
            yield f"EC2 has not said yet what a {node_type} is, so none is launched; the next tick asks again"
        elif supply.obstacle is not None:
            yield f"no {node_type} is launched: {supply.obstacle.text}{until}"
        if supply.fallen_back and draft.fallen_back:
            yield f"no {node_type} could be had for so long that on-demand nodes take its place until there are some"
