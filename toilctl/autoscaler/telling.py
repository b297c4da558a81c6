"""Turns what a tick saw, decided and began into its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from toilctl.autoscaler.events import FleetAnswered
from toilctl.autoscaler.lifecycle import phase
from toilctl.autoscaler.model import NodeView, Snapshot
from toilctl.autoscaler.plan import Infeasible, Plan, Reason, Waiting
from toilctl.autoscaler.policy import Policy
from toilctl.autoscaler.report import (
    BudgetReport,
    InterruptionReport,
    JobsReport,
    NodeReport,
    Report,
    ResultReport,
    SetAsideReport,
)
from toilctl.autoscaler.spot_record import Interruption, SpotHistory


@dataclass(frozen=True)
class Verdict:
    """What becomes of a node."""

    verdict: str
    reason: Reason
    detail: str = ""


def moment(at: datetime) -> str:
    """Return a moment as reports have it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def decided(report: Report, snapshot: Snapshot, plan: Plan, policy: Policy, now: datetime) -> Report:
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
        waiting=tuple(_jobs(one, one.reason) for one in plan.waiting),
        infeasible=tuple(_jobs(one, one.lacking) for one in plan.infeasible),
        set_aside=tuple(_set_aside(snapshot, now)),
        notes=plan.notes,
        usd_per_hour=round(plan.usd_per_hour, 6),
        nodes=nodes,
    )


def interrupted(report: Report, spot: SpotHistory) -> Report:
    """Return the report with the interruptions since the last one, and the record of spot nodes."""
    return replace(
        report,
        interruptions=tuple(_interruption(one) for one in spot.new()),
        spot_records=tuple(
            replace(one, node_hours=round(one.node_hours, 4), lost_node_hours=round(one.lost_node_hours, 4))
            for one in spot.records
        ),
    )


def budget(plan: Plan) -> BudgetReport | None:
    """Return what the cluster may cost, and does; None without a bound."""
    money = plan.money
    if not (money.max_usd_per_hour or money.budget_usd):
        return None
    return BudgetReport(
        money.max_usd_per_hour, round(money.most_usd_per_hour, 6), money.budget_usd, round(money.spent_usd, 6)
    )


def _interruption(one: Interruption) -> InterruptionReport:
    takes_at = moment(one.takes_at) if one.takes_at else ""
    place = one.offering.instance_type, one.offering.zone
    return InterruptionReport(one.instance_id, one.node_type, *place, str(one.kind), moment(one.at), takes_at)


def refusal_of(answer: FleetAnswered, now: datetime) -> ResultReport:
    """Return what EC2 refused of a launch."""
    reasons = dict.fromkeys(
        f"{one.code}{f' in {one.zone}' if one.zone else ''}: {one.message}".rstrip(": ") for one in answer.refusals
    )
    message = f"{answer.node_type}: {'; '.join(reasons)}"
    codes = tuple(dict.fromkeys(one.code for one in answer.refusals))
    return ResultReport(moment(now), "launch", ok=False, message=message, codes=codes)


def _nodes(snapshot: Snapshot, plan: Plan, policy: Policy, now: datetime) -> Iterator[NodeReport]:
    verdicts = _verdicts(plan)
    for node in snapshot.nodes:
        verdict = verdicts.get(node.instance_id, Verdict("kept", Reason.ENGINE_UNSURE))
        yield _node(node, verdict, str(phase(node, policy, now)))


def _verdicts(plan: Plan) -> dict[str, Verdict]:
    return {
        **{one.instance_id: Verdict("kept", one.reason, one.detail) for one in plan.kept},
        **{one: Verdict("set-up", Reason.BOOTING) for one in plan.set_up},
        **{one: Verdict("undrained", Reason.NEEDED) for one in plan.undrain},
        **{one: Verdict("going", group.reason) for group in plan.scale_in for one in group.instance_ids},
        **{one.instance_id: Verdict("going", one.reason) for one in plan.replace},
    }


def _node(node: NodeView, verdict: Verdict, phase_name: str) -> NodeReport:
    return NodeReport(
        instance_id=node.instance_id, node_type=str(node.node_type), instance_type=node.instance_type, zone=node.zone,
        phase=phase_name, verdict=verdict.verdict, reason=verdict.reason, detail=verdict.detail,
        jobs=len(node.running), usd_per_hour=node.usd_per_hour,
    )  # fmt: skip


def _jobs(jobs: Waiting | Infeasible, reason: str) -> JobsReport:
    shape = jobs.shape
    return JobsReport(
        shape.cores, shape.memory_mib, shape.disk_mib, shape.preemptible, jobs.count, jobs.names, str(reason),
        jobs.next_step,
    )  # fmt: skip


def _set_aside(snapshot: Snapshot, now: datetime) -> Iterator[SetAsideReport]:
    for one in (*snapshot.set_aside, *snapshot.emptied):
        market = "spot" if one.offering.spot else "on demand"
        what = f"{one.offering.instance_type} in {one.offering.zone}, {market}"
        yield SetAsideReport(what, moment(one.until), f"{one.code}: {one.message}".rstrip(": "))
    for back_off in snapshot.back_offs:
        if back_off.until and back_off.until > now:
            why = f"{back_off.failures} nodes in a row did not join: {back_off.last_error}".rstrip(": ")
            yield SetAsideReport(str(back_off.node_type), moment(back_off.until), why)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
