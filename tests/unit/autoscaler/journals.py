"""Journals as an autoscaler writes them, of simulated runs."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from toilctl.autoscaler import telling
from toilctl.autoscaler.decide import decide
from toilctl.autoscaler.generate import Pattern, generate
from toilctl.autoscaler.hazards import Hazards
from toilctl.autoscaler.journal import Journal
from toilctl.autoscaler.model import Snapshot
from toilctl.autoscaler.plan import Plan
from toilctl.autoscaler.policy import Policy
from toilctl.autoscaler.report import ActionReport, JobsReport, Report, ResultReport
from toilctl.autoscaler.simulate import simulate
from toilctl.autoscaler.simulated import HOUR_S, Simulated

from .builders import offer, policy, shape

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NODE_TYPES = ("m5.large:0.05", "m5.xlarge")


class Recorder:
    """Decides as the autoscaler does, and keeps a journal of it as the autoscaler's loop does."""

    def __init__(self, directory: Path, changes: Mapping[int, Mapping[str, Any]] | None = None) -> None:
        self.journal = Journal(directory, io.StringIO())
        self.changes = changes or {}
        """What a tick tells beside, by its number."""
        self.last = Report(at="", tick=0, version="1", cluster="c", paused=False)

    def __call__(self, snapshot: Snapshot, policy: Policy, now: datetime) -> Plan:
        plan = decide(snapshot, policy, now)
        at, last = telling.moment(now), self.last
        elapsed_s = (now - datetime.fromisoformat(last.at)).total_seconds() if last.at else 0.0
        usd = last.usd + last.usd_per_hour * elapsed_s / HOUR_S
        report = Report(at=at, tick=last.tick + 1, version="1", cluster="c", paused=False, usd=round(usd, 6))
        report = telling.decided(report, snapshot, plan, policy, now)
        report = replace(report, actions=_actions(plan), **self.changes.get(report.tick, {}))
        assert self.journal.write(report) == ""
        self.last = report
        return plan


def recorded(
    directory: Path, jobs: int = 600, hours: float = 1.0, hazards: Hazards | None = None, **changes: Any
) -> Simulated:
    """Simulate bursts of jobs, and leave the journal of it in a directory."""
    of = policy(list(NODE_TYPES), most=6)
    trace = [
        replace(one, shape=shape(preemptible=one.shape.preemptible, cores=one.shape.cores % 2 + 1))
        for one in generate(Pattern.BURSTS, jobs, hours * HOUR_S, seed=1).jobs
    ]
    recorder = Recorder(directory, **changes)
    offers = {one: offer(str(one)) for one in of.node_types}
    return simulate(trace, of, offers, 120, hazards or Hazards(), decide=recorder, every_tick=True)


def refused(at: str, message: str = "m5.large:0.05: InsufficientInstanceCapacity in us-west-2a") -> ResultReport:
    """Return how a launch that EC2 refused is told."""
    return ResultReport(at, "launch", ok=False, message=message)


def line(after_s: float, **changes: Any) -> str:
    """Return a line of cluster c's journal, so long after noon, as the autoscaler writes it when nothing goes on."""
    at = NOON + timedelta(seconds=after_s)
    report = Report(at=telling.moment(at), tick=1 + int(after_s), version="1", cluster="c", paused=False)
    return json.dumps(report.document(full=False) | changes)


def waiting(
    count: int, cores: float = 1, names: tuple[str, ...] = ("sort",), reason: str = "launching"
) -> dict[str, Any]:
    """Return waiting jobs of one shape, as a line has them."""
    return asdict(JobsReport(cores, 2048, 512, True, count, names, reason, ""))


def _actions(plan: Plan) -> tuple[ActionReport, ...]:
    return (
        *(ActionReport("launch", one.reason, str(one.node_type), one.count) for one in plan.launches),
        *(ActionReport("scale-in", one.reason, instance_ids=one.instance_ids) for one in plan.scale_in),
        *(ActionReport("replace", one.reason, instance_ids=(one.instance_id,)) for one in plan.replace),
    )
