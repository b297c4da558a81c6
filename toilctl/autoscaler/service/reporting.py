"""Turns what a tick saw, decided and began into its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache

from toilctl.autoscaler.journal import costs
from toilctl.autoscaler.journal.report import (
    InterruptionReport,
    NodeReport,
    ResultReport,
    SetAsideReport,
    TickReport,
    moment,
)
from toilctl.autoscaler.memory.spot_history import Interruption, SpotHistory
from toilctl.autoscaler.model.phases import phase
from toilctl.autoscaler.model.plan import Money, ScalingPlan
from toilctl.autoscaler.model.playbook_events import LaunchAnswered
from toilctl.autoscaler.model.reasons import EndReason, KeepReason
from toilctl.autoscaler.model.snapshot import NodeView, Snapshot
from toilctl.values.scaling_policy import Policy
from toilctl.values.units import HOUR_S
from toilctl.values.wording import bought, market

_Verdict = tuple[str, KeepReason | EndReason, str]
"""What becomes of a node, why, and what else is to be said: as ``NodeReport`` has them."""


def begun(last: TickReport | None, now: datetime) -> TickReport:
    """Return a tick's report with what it takes over from the last one."""
    elapsed_s = (now - datetime.fromisoformat(last.at)).total_seconds() if last else 0.0
    return TickReport(
        at=moment(now),
        tick=last.tick + 1 if last else 1,
        version=_version(),
        cluster=last.cluster if last else "",
        paused=last.paused if last else False,
        jobs_known=False,
        nodes_known=False,
        usd_per_hour=last.usd_per_hour if last else 0.0,
        usd=round(last.usd + last.usd_per_hour * max(0.0, elapsed_s) / HOUR_S, 6) if last else 0.0,
        costs=costs.carried(last.costs, elapsed_s) if last else (),
    )


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("toilctl")


def decided(report: TickReport, snapshot: Snapshot, plan: ScalingPlan, policy: Policy, now: datetime) -> TickReport:
    """Return the report with all that was seen and decided."""
    nodes = tuple(_nodes(snapshot, plan, policy, now))
    running = sum(job.node is not None for job in snapshot.demand.jobs)
    return replace(
        report,
        jobs_known=not snapshot.engine_problem,
        nodes_known=True,
        running_jobs=running,
        waiting_jobs=snapshot.demand.waiting,
        node_counts=_counted(str(node.node_type) for node in snapshot.nodes),
        phases=_counted(node.phase for node in nodes),
        desired={str(node_type): count for node_type, count in plan.desired.items()},
        waiting=plan.waiting,
        infeasible=plan.infeasible,
        set_aside=tuple(_set_aside(snapshot, now)),
        notes=(*plan.notes, *snapshot.demand.problems),
        advice={**report.advice, **plan.advice},
        usd_per_hour=round(plan.usd_per_hour, 6),
        nodes=nodes,
    )


def interrupted(report: TickReport, spot: SpotHistory) -> TickReport:
    """Return the report with the interruptions since the last one, and the record of spot nodes."""
    return replace(
        report,
        interruptions=tuple(_interruption(one) for one in spot.new()),
        spot_records=tuple(
            replace(one, node_hours=round(one.node_hours, 4), lost_node_hours=round(one.lost_node_hours, 4))
            for one in spot.records
        ),
    )


def budget(plan: ScalingPlan) -> Money | None:
    """Return what the cluster may cost, and does; None without a bound."""
    money = plan.money
    if not (money.max_usd_per_hour or money.budget_usd):
        return None
    return Money(money.max_usd_per_hour, round(money.most_usd_per_hour, 6), money.budget_usd, round(money.spent_usd, 6))


def _interruption(one: Interruption) -> InterruptionReport:
    takes_at = moment(one.takes_at) if one.takes_at else ""
    place = one.offering.instance_type, one.offering.zone
    return InterruptionReport(one.instance_id, one.node_type, *place, str(one.kind), moment(one.at), takes_at)


def refusal_of(answer: LaunchAnswered, now: datetime) -> ResultReport:
    """Return what EC2 refused of a launch."""
    reasons = dict.fromkeys(
        f"{one.code}{f' in {one.zone}' if one.zone else ''}: {one.message}".rstrip(": ") for one in answer.refusals
    )
    message = f"{answer.node_type}: {'; '.join(reasons)}"
    codes = tuple(dict.fromkeys(one.code for one in answer.refusals))
    return ResultReport(moment(now), "launch", ok=False, message=message, codes=codes)


def _nodes(snapshot: Snapshot, plan: ScalingPlan, policy: Policy, now: datetime) -> Iterator[NodeReport]:
    verdicts = _verdicts(plan)
    for node in snapshot.nodes:
        verdict = verdicts.get(node.instance_id, ("kept", KeepReason.ENGINE_UNSURE, ""))
        yield _node(node, verdict, str(phase(node, policy, now)))


def _verdicts(plan: ScalingPlan) -> dict[str, _Verdict]:
    return {
        **{one.instance_id: ("kept", one.reason, one.detail) for one in plan.kept},
        **dict.fromkeys(plan.set_up, ("set-up", KeepReason.BOOTING, "")),
        **dict.fromkeys(plan.undrain, ("undrained", KeepReason.NEEDED, "")),
        **{one: ("going", group.reason, "") for group in plan.scale_in for one in group.instance_ids},
        **{one: ("going", reason, "") for one, reason in plan.replace.items()},
    }


def _node(node: NodeView, verdict: _Verdict, phase_name: str) -> NodeReport:
    becomes, reason, detail = verdict
    return NodeReport(
        instance_id=node.instance_id, node_type=str(node.node_type), instance_type=node.instance_type, zone=node.zone,
        phase=phase_name, verdict=becomes, reason=reason, detail=detail,
        jobs=len(node.running), usd_per_hour=node.usd_per_hour,
    )  # fmt: skip


def _set_aside(snapshot: Snapshot, now: datetime) -> Iterator[SetAsideReport]:
    for one in (*snapshot.set_aside, *snapshot.emptied):
        what = f"{one.offering.instance_type} in {one.offering.zone}, {bought(market(one.offering.spot))}"
        yield SetAsideReport(what, moment(one.until), f"{one.code}: {one.message}".rstrip(": "))
    for back_off in snapshot.back_offs:
        if back_off.until and back_off.until > now:
            why = f"{back_off.failures} nodes in a row did not join: {back_off.last_error}".rstrip(": ")
            yield SetAsideReport(str(back_off.node_type), moment(back_off.until), why)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
