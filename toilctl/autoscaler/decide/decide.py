"""What to do at a tick: values in, values out. The same snapshot, policy and time give the same plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from toilctl.autoscaler.decide import explain_jobs, explain_tick, remedies
from toilctl.autoscaler.decide.demand import reuse, turnovers
from toilctl.autoscaler.decide.eligibility import Choice
from toilctl.autoscaler.decide.explain_nodes import Keeping
from toilctl.autoscaler.decide.interruptions import draining, evacuated, wake_at
from toilctl.autoscaler.decide.launch_draft import LaunchDraft, Placing
from toilctl.autoscaler.decide.paused import paused
from toilctl.autoscaler.decide.scale_in import ScaleInDraft, draft_scale_in, over_maximum
from toilctl.autoscaler.decide.scale_out import draft_launches, fulfil_minimum
from toilctl.autoscaler.decide.situation import Situation
from toilctl.autoscaler.decide.spot_fallback import SpotReturn
from toilctl.autoscaler.decide.workers import Workers
from toilctl.autoscaler.model.phases import Phase
from toilctl.autoscaler.model.plan import Infeasible, ScalingPlan, Waiting
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.snapshot import Snapshot
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy
from toilctl.values.wording import number


def decide(snapshot: Snapshot, policy: Policy, now: datetime) -> ScalingPlan:
    """Return what to launch, un-drain, scale in, replace and set up, and why everything else stays as it is."""
    tick = Situation.of(snapshot, policy, now)
    plan = _without_engine(tick) if snapshot.engine_problem else _with_engine(tick)
    return paused(plan, snapshot) if policy.paused else plan


def _without_engine(tick: Situation) -> ScalingPlan:
    """Keep the minimums; everything else would rest on a guess of what runs where."""
    draft, problem = LaunchDraft(smoothed=dict(tick.snapshot.smoothed)), tick.snapshot.engine_problem.rstrip(".")
    fulfil_minimum(draft, tick.workers, tick.supplies)
    keeping = Keeping(tick.workers, tick.policy, frozenset(), ScaleInDraft(), "the engine cannot be asked", tick.now)
    return ScalingPlan(
        launches=draft.launches(tick.supplies),
        kept=keeping.kept(set()),
        waiting=tuple(
            explain_jobs.held(queue) if queue.held else explain_jobs.unsure(queue, problem) for queue in tick.queues
        ),
        desired=_desired(tick, draft, set()),
        smoothed=draft.smoothed,
        usd_per_hour=_cost(tick.workers),
        money=tick.supplies.purse,
        notes=explain_tick.notes(tick, draft),
        advice=explain_tick.advice(tick),
    )  # fmt: skip


def _with_engine(tick: Situation) -> ScalingPlan:
    policy, now = tick.policy, tick.now
    missing = len(tick.workers.in_phase(Phase.MISSING, Phase.RETURNING))
    unsure = f"the engine does not list {number(missing, 'node')} that it had" if missing else ""
    going = () if unsure else over_maximum(tick.workers, policy)
    workers = replace(tick.workers, closed=frozenset(member.node.instance_id for member in going))
    back = SpotReturn.of(workers, tick.supplies, policy, tick.queues)
    draft = draft_launches(_placings(tick, workers), workers, tick.supplies, policy, tick.snapshot.smoothed, back.ids)
    scale_in = ScaleInDraft() if unsure else draft_scale_in(workers, policy, draft.needed, draft.undrain, now)
    if not unsure and (next_to_go := back.next(workers, policy)):
        scale_in.add(EndReason.RETURN_TO_SPOT, [next_to_go])
    own = [one for one in workers.members if not one.node.fixed]
    replaced = {one.node.instance_id: one.traits.goes for one in own if one.traits.goes}
    booting = (one.node for one in own if one.phase is Phase.BOOTING)
    set_up = tuple(node.instance_id for node in booting if node.ec2_state == "running" and not node.set_up_by)
    gone = scale_in.ids() | replaced.keys()
    keeping = Keeping(workers, policy, draft.needed, scale_in, unsure, now)
    explained, impossible = _explained(tick, draft)
    drained = draining(workers)
    return ScalingPlan(
        launches=draft.launches(tick.supplies),
        undrain=draft.undrain,
        drain=drained,
        evacuate=evacuated(workers, now),
        scale_in=scale_in.scale_ins(),
        replace=replaced,
        set_up=set_up,
        kept=keeping.kept(gone | set(set_up) | set(draft.undrain)),
        waiting=explained,
        infeasible=impossible,
        desired=_desired(tick, draft, gone),
        smoothed=draft.smoothed,
        usd_per_hour=_cost(tick.workers),
        money=tick.supplies.purse,
        notes=explain_tick.notes(tick, draft),
        advice=explain_tick.advice(tick),
        wake_at=wake_at(workers, now),
    )


def _placings(tick: Situation, workers: Workers) -> tuple[Placing, ...]:
    target_s, run_times_s = tick.policy.tuning.target_time_s, tick.snapshot.demand.run_times_s
    free = [queue for queue in tick.queues if not queue.held]
    ending = turnovers(workers.running, workers.hosts(), run_times_s, target_s, tick.now) if free else []
    placings = []
    for queue, reused in zip(free, reuse(free, ending), strict=True):
        slots = queue.slots(target_s, reused)
        choice = Choice.of(queue.shape, slots, tick.supplies.by_type.values())
        placings.append(Placing(queue, slots, choice, reused))
    return tuple(placings)


def _explained(tick: Situation, draft: LaunchDraft) -> tuple[tuple[Waiting, ...], tuple[Infeasible, ...]]:
    coming = Counter(member.node.node_type for member in tick.workers.in_phase(Phase.BOOTING))
    coming.update(tick.workers.requested)
    explainer = explain_jobs.Explainer(draft, tick.supplies, coming, tick.policy)
    explained, impossible = [explain_jobs.held(queue) for queue in tick.queues if queue.held], []
    supplies = tuple(tick.supplies.by_type.values())
    for placing in draft.placings:
        # A node that is there may have it all the same.
        fits = placing.choice.any or placing.left <= 0
        lacks = None if fits else remedies.lacks(placing.queue.shape, supplies)
        if lacks is None:
            explained.append(explainer.waiting(placing))
        else:
            impossible.append(explain_jobs.infeasible(placing.queue, lacks, supplies))
    return tuple(explained), tuple(impossible)


def _desired(tick: Situation, draft: LaunchDraft, gone: set[str]) -> Mapping[NodeType, int]:
    counts = dict.fromkeys(tick.policy.node_types, 0)
    for member in tick.workers.members:
        if member.phase is not Phase.LEAVING and not member.traits.doomed and member.node.instance_id not in gone:
            counts[member.node.node_type] = counts.get(member.node.node_type, 0) + 1
    for coming in (tick.workers.requested, draft.launched()):
        for node_type, count in coming.items():
            counts[node_type] = counts.get(node_type, 0) + count
    return counts


def _cost(workers: Workers) -> float:
    """Return what the nodes with a known price cost."""
    return round(sum(member.node.usd_per_hour or 0.0 for member in workers.members), 6)
