"""What to do at a tick: values in, values out. The same snapshot, policy and time give the same plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from toilctl.autoscaler import waiting
from toilctl.autoscaler.choice import Choice, shortage
from toilctl.autoscaler.demand import Queue, reuse, turnovers
from toilctl.autoscaler.fleet import Fleet
from toilctl.autoscaler.growth import Growth, Placing
from toilctl.autoscaler.interrupted import draining, evacuated, wake_at
from toilctl.autoscaler.kept import Keeping
from toilctl.autoscaler.lifecycle import Phase
from toilctl.autoscaler.market import Market
from toilctl.autoscaler.model import NodeView, Snapshot
from toilctl.autoscaler.notes import notes
from toilctl.autoscaler.paused import paused
from toilctl.autoscaler.plan import Infeasible, Plan, Reason, Replace, Waiting
from toilctl.autoscaler.policy import Policy
from toilctl.autoscaler.scale_in import Shrinkage, over_maximum, shrink
from toilctl.autoscaler.scale_out import fulfil_minimum, grow
from toilctl.autoscaler.spot_return import SpotReturn
from toilctl.autoscaler.tick import Tick
from toilctl.autoscaler.wording import number
from toilctl.node_types import NodeType


def decide(snapshot: Snapshot, policy: Policy, now: datetime) -> Plan:
    """Return what to launch, un-drain, scale in, replace and set up, and why everything else stays as it is."""
    tick = Tick.of(snapshot, policy, now)
    plan = _without_engine(tick) if snapshot.engine_problem else _with_engine(tick)
    return paused(plan, snapshot) if policy.paused else plan


def _without_engine(tick: Tick) -> Plan:
    """Keep the minimums; everything else would rest on a guess of what runs where."""
    growth, problem = Growth(smoothed=dict(tick.snapshot.smoothed)), tick.snapshot.engine_problem.rstrip(".")
    fulfil_minimum(growth, tick.fleet, tick.market)
    keeping = Keeping(tick.fleet, tick.policy, frozenset(), Shrinkage(), "the engine cannot be asked", tick.now)
    return Plan(
        launches=growth.launches(tick.market),
        kept=keeping.kept(set()),
        waiting=tuple(
            waiting.held(queue) if queue.held else waiting.unsure(queue, problem) for queue in tick.queues
        ),
        desired=_desired(tick, growth, set()),
        smoothed=growth.smoothed,
        usd_per_hour=_cost(tick.fleet),
        money=tick.market.purse,
        notes=notes(tick, growth),
    )  # fmt: skip


def _with_engine(tick: Tick) -> Plan:
    policy, now, unsure = tick.policy, tick.now, _unsure(tick.fleet)
    going = () if unsure else over_maximum(tick.fleet, policy)
    fleet = replace(tick.fleet, closed=frozenset(member.node.instance_id for member in going))
    spot = SpotReturn.of(fleet, tick.market, policy, tick.queues)
    growth = grow(_placings(tick, fleet), fleet, tick.market, policy, tick.snapshot.smoothed, spot.ids)
    shrinkage = Shrinkage() if unsure else shrink(fleet, policy, growth.needed, growth.undrain, now)
    if not unsure and (next_to_go := spot.next(fleet, policy)):
        shrinkage.add(Reason.RETURN_TO_SPOT, [next_to_go])
    own = [one for one in fleet.members if not one.node.fixed]
    replaced = tuple(Replace(one.node.instance_id, one.traits.goes) for one in own if one.traits.goes)
    set_up = tuple(one.node.instance_id for one in own if one.phase is Phase.BOOTING and _orphan(one.node))
    gone = shrinkage.ids() | {one.instance_id for one in replaced}
    keeping = Keeping(fleet, policy, growth.needed, shrinkage, unsure, now)
    explained, impossible = _explained(tick, growth)
    drained = draining(fleet)
    return Plan(
        launches=growth.launches(tick.market),
        undrain=growth.undrain,
        drain=drained,
        evacuate=evacuated(fleet, now),
        scale_in=shrinkage.scale_ins(),
        replace=replaced,
        set_up=set_up,
        kept=keeping.kept(gone | set(set_up) | set(growth.undrain)),
        waiting=explained,
        infeasible=impossible,
        desired=_desired(tick, growth, gone),
        smoothed=growth.smoothed,
        usd_per_hour=_cost(tick.fleet),
        money=tick.market.purse,
        notes=notes(tick, growth),
        wake_at=wake_at(fleet, now),
    )


def _placings(tick: Tick, fleet: Fleet) -> tuple[Placing, ...]:
    target_s, run_times_s = tick.policy.tuning.target_time_s, tick.snapshot.demand.run_times_s
    free = [queue for queue in tick.queues if not queue.held]
    ending = turnovers(fleet.running, fleet.hosts(), run_times_s, target_s, tick.now) if free else []
    placings = []
    for queue, reused in zip(free, reuse(free, ending), strict=True):
        slots = queue.slots(target_s, reused)
        choice = Choice.of(queue.shape, slots, tick.market.supplies.values())
        placings.append(Placing(queue, slots, choice, reused))
    return tuple(placings)


def _explained(tick: Tick, growth: Growth) -> tuple[tuple[Waiting, ...], tuple[Infeasible, ...]]:
    coming = Counter(member.node.node_type for member in tick.fleet.in_phase(Phase.BOOTING))
    coming.update(tick.fleet.requested)
    explainer = waiting.Explainer(growth, tick.market, coming, tick.policy)
    explained, impossible = [waiting.held(queue) for queue in tick.queues if queue.held], []
    for placing in growth.placings:
        lacking = _lacking(placing, tick.market)
        if lacking is None:
            explained.append(explainer.waiting(placing))
        else:
            impossible.append(_infeasible(placing.queue, lacking, tick.market))
    return tuple(explained), tuple(impossible)


def _lacking(placing: Placing, market: Market) -> str | None:
    """Return what no node that may be launched has enough of; a node that is there may have it all the same."""
    if placing.choice.any or placing.left <= 0:
        return None
    return shortage(placing.queue.shape, market.supplies.values())


def _infeasible(queue: Queue, lacking: str, market: Market) -> Infeasible:
    allowed = [one for one in market.supplies.values() if one.limits.max_nodes > 0 and one.offer is not None]
    able = [one for one in allowed if queue.shape.preemptible or not one.node_type.preemptible] or allowed
    field = {"cores": "cores", "memory": "memory_mib", "disk": "disk_mib"}.get(lacking, "cores")
    largest = max((getattr(one.offer.resources, field) for one in able if one.offer), default=0)
    return waiting.infeasible(queue, lacking, largest, [one.node_type for one in able])


def _orphan(node: NodeView) -> bool:
    return node.ec2_state == "running" and not node.set_up_by


def _unsure(fleet: Fleet) -> str:
    missing = len(fleet.in_phase(Phase.MISSING, Phase.RETURNING))
    return f"the engine does not list {number(missing, 'node')} that it had" if missing else ""


def _desired(tick: Tick, growth: Growth, gone: set[str]) -> Mapping[NodeType, int]:
    counts = dict.fromkeys(tick.policy.node_types, 0)
    for member in tick.fleet.members:
        if member.phase is not Phase.LEAVING and not member.traits.doomed and member.node.instance_id not in gone:
            counts[member.node.node_type] = counts.get(member.node.node_type, 0) + 1
    for coming in (tick.fleet.requested, growth.launched()):
        for node_type, count in coming.items():
            counts[node_type] = counts.get(node_type, 0) + count
    return counts


def _cost(fleet: Fleet) -> float:
    """Return what the nodes with a known price cost."""
    return round(sum(member.node.usd_per_hour or 0.0 for member in fleet.members), 6)
