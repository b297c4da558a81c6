"""Journals as an autoscaler writes them, of simulated runs."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.unit.autoscaler.builders import offer, policy, shape
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.journal.report import ActionReport, ResultReport, TickReport
from toilctl.autoscaler.journal.writer import Journal
from toilctl.autoscaler.model.plan import ScalingPlan
from toilctl.autoscaler.model.snapshot import Snapshot
from toilctl.autoscaler.service import reporting
from toilctl.autoscaler.simulation.hazards import Hazards
from toilctl.autoscaler.simulation.outcome import Simulated
from toilctl.autoscaler.simulation.simulate import simulate
from toilctl.autoscaler.simulation.workloads import ArrivalPattern, generate
from toilctl.values.scaling_policy import Policy
from toilctl.values.units import HOUR_S

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NODE_TYPES = ("m5.large:0.05", "m5.xlarge")


class Recorder:
    """Decides as the autoscaler does, and keeps a journal of it as the autoscaler's loop does."""

    def __init__(self, directory: Path, changes: Mapping[int, Mapping[str, Any]] | None = None) -> None:
        self.journal = Journal(directory, io.StringIO())
        self.changes = changes or {}
        """What a tick tells beside, by its number."""
        self.last = TickReport(at="", tick=0, version="1", cluster="c", paused=False)

    def __call__(self, snapshot: Snapshot, policy: Policy, now: datetime) -> ScalingPlan:
        plan = decide(snapshot, policy, now)
        at, last = reporting.moment(now), self.last
        elapsed_s = (now - datetime.fromisoformat(last.at)).total_seconds() if last.at else 0.0
        usd = last.usd + last.usd_per_hour * elapsed_s / HOUR_S
        report = TickReport(at=at, tick=last.tick + 1, version="1", cluster="c", paused=False, usd=round(usd, 6))
        report = reporting.decided(report, snapshot, plan, policy, now)
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
        for one in generate(ArrivalPattern.BURSTS, jobs, hours * HOUR_S, seed=1).jobs
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
    report = TickReport(at=reporting.moment(at), tick=1000 + int(after_s), version="1", cluster="c", paused=False)
    return json.dumps(report.document(full=False) | changes)


def waiting(
    count: int, cores: float = 1, names: tuple[str, ...] = ("sort",), reason: str = "launching"
) -> dict[str, Any]:
    """Return waiting jobs of one shape, as a line has them."""
    needed = {"cores": cores, "memory_mib": 2048, "disk_mib": 512, "preemptible": True}
    return {**needed, "count": count, "names": names, "reason": reason, "next_step": ""}


def _actions(plan: ScalingPlan) -> tuple[ActionReport, ...]:
    return (
        *(ActionReport("launch", one.reason, str(one.node_type), one.count) for one in plan.launches),
        *(ActionReport("scale-in", one.reason, instance_ids=one.instance_ids) for one in plan.scale_in),
        *(ActionReport("replace", reason, instance_ids=(one,)) for one, reason in plan.replace.items()),
    )
