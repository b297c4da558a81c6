"""What else a person should know about a tick, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from toilctl.autoscaler.fleet import Fleet
from toilctl.autoscaler.growth import Growth
from toilctl.autoscaler.lifecycle import Phase
from toilctl.autoscaler.market import Market
from toilctl.autoscaler.tick import Tick
from toilctl.autoscaler.wording import at, listed, number, sentence


def notes(tick: Tick, growth: Growth) -> tuple[str, ...]:
    """Return them in a fixed order."""
    return tuple(sentence(text) for text in _all(tick, growth))


def _all(tick: Tick, growth: Growth) -> Iterator[str]:
    snapshot, fleet = tick.snapshot, tick.fleet
    if snapshot.engine_problem:
        yield "until the engine answers, only minimums are kept"
    missing = [one.node.instance_id for one in fleet.in_phase(Phase.MISSING, Phase.RETURNING)]
    if missing and not snapshot.engine_problem:
        yield f"the engine does not list {listed(missing)}, so no node is scaled in until it does"
    if tick.again:
        jobs = number(len(tick.again), "job")
        yield f"{jobs} on nodes that EC2 takes away may not end in time, so nodes are launched as if they waited"
    yield from _node_types(tick.market, growth, fleet)
    if tick.market.purse.exhausted:
        text = tick.market.purse.why_not(None, 0.0)[1]
        yield f"{text}, so nothing more is launched; raise it with 'toilctl autoscale NAME --budget …'"
    estimated = [str(one.node_type) for one in tick.market.supplies.values() if one.offer and one.offer.price_estimated]
    if estimated:
        yield f"the price of {listed(estimated)} is not known, so node types are compared by their size"


def _node_types(market: Market, growth: Growth, fleet: Fleet) -> Iterator[str]:
    launched = growth.launched()
    for node_type, supply in market.supplies.items():
        obstacle = market.obstacle(node_type, launched)
        until = f"; the next try is at {at(obstacle.until)}" if obstacle and obstacle.until else ""
        there = len(fleet.counted(node_type)) + fleet.requested.get(node_type, 0) + launched[node_type]
        if obstacle is not None and there < supply.limits.min_nodes:
            least = supply.limits.min_nodes
            yield f"there are {there} {node_type} and shall be at least {least}, but {obstacle.text}{until}"
        elif supply.offer is None:
            yield f"EC2 has not said yet what a {node_type} is, so none is launched; the next tick asks again"
        elif supply.obstacle is not None:
            yield f"no {node_type} is launched: {supply.obstacle.text}{until}"
        if supply.fallen_back and growth.fallen_back:
            yield f"no {node_type} could be had for so long that on-demand nodes take its place until there are some"
