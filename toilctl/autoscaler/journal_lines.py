"""The journal's lines as values: what each tick saw and did, as far as it can be read, and what holds between ticks."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from toilctl.autoscaler.model import Shape
from toilctl.autoscaler.report import ActionReport, InterruptionReport, JobsReport, Report, ResultReport
from toilctl.errors import ToilctlError
from toilctl.node_types import NodeType

HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Waits:
    """Jobs of one shape that wait."""

    shape: Shape
    count: int
    names: tuple[str, ...]
    reason: str
    """A ``plan.Reason``; of jobs that can never run, what is lacking."""
    never: bool
    """Whether no node type can run them."""


@dataclass(frozen=True)
class Jobs:
    """What the engine told."""

    running: int = 0
    waiting: int = 0
    waits: tuple[Waits, ...] = ()


@dataclass(frozen=True)
class Tick:
    """A line of the journal."""

    at: datetime
    number: int
    seconds: float
    """How long it took."""
    paused: bool
    problem: str
    jobs: Jobs | None
    """None when the engine did not tell."""
    nodes: Mapping[NodeType, int] | None
    """None when EC2 was not asked."""
    usd_per_hour: float
    usd: float
    """As the line has it; ``held`` makes one sum of it, over all that the journal counted from nothing."""
    actions: tuple[ActionReport, ...] = ()
    results: tuple[ResultReport, ...] = ()
    interruptions: tuple[InterruptionReport, ...] = ()


@dataclass(frozen=True)
class Lines:
    """A journal, read."""

    ticks: tuple[Tick, ...] = ()
    """In the order of their times, each once."""
    damaged: int = 0
    """Lines that are no JSON, such as one that a full disk cut off."""
    unknown: int = 0
    """Lines that are no report as this version knows it."""
    others: Mapping[str, int] = field(default_factory=dict)
    """How many lines are of other clusters."""


def read(lines: Iterable[str], cluster: str) -> Lines:
    """Read a cluster's lines of its journal's files, which may come in any order; nothing wrong in them is fatal.

    Lines from before the autoscaler knew its cluster's name count as the cluster's.
    """
    ticks: dict[datetime, Tick] = {}
    damaged, unknown, others = 0, 0, dict[str, int]()
    for line in filter(str.strip, lines):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            damaged += 1
            continue
        try:
            report = Report.of(document)
            tick = _tick(report)
        except (ValueError, TypeError, AttributeError, OverflowError, ToilctlError):
            unknown += 1
            continue
        if report.cluster in ("", cluster):
            ticks[tick.at] = tick
        else:
            others[str(report.cluster)] = others.get(str(report.cluster), 0) + 1
    return Lines(tuple(ticks[at] for at in sorted(ticks)), damaged, unknown, others)


def held(ticks: Iterable[Tick]) -> tuple[Tick, ...]:
    """Return ticks with what holds: what one did not know is as before, and the cost never falls.

    Where the journal began anew, as on a lost disk, the nodes of before cost what they did until then.
    """
    jobs, nodes, usd = Jobs(), dict[NodeType, int](), 0.0
    found: list[Tick] = []
    before: Tick | None = None
    for one in ticks:
        jobs = jobs if one.jobs is None else one.jobs
        nodes = nodes if one.nodes is None else dict(one.nodes)
        usd += _spent(before, one) if before else one.usd
        found.append(replace(one, jobs=jobs, nodes=nodes, usd=usd))
        before = one
    return tuple(found)


def began_anew(before: Tick, now: Tick) -> bool:
    """Tell whether the autoscaler had forgotten what it counted; both ticks are as they were read."""
    return now.number <= before.number or now.usd < before.usd


def restarts(ticks: Iterable[Tick]) -> int:
    """Return how often the journal began anew."""
    return sum(began_anew(*pair) for pair in pairwise(ticks))


def _spent(before: Tick, now: Tick) -> float:
    """Return what the nodes cost between two ticks as they were read, in USD."""
    if not began_anew(before, now):
        return now.usd - before.usd
    elapsed_s = (now.at - before.at).total_seconds()
    return max(now.usd, before.usd_per_hour * elapsed_s / HOUR_S)


def _tick(report: Report) -> Tick:
    at = _moment(report.at)
    return Tick(
        at=at,
        number=int(report.tick),
        seconds=_amount(report.seconds),
        paused=bool(report.paused),
        problem=str(report.problem),
        jobs=_jobs(report) if report.jobs_known else None,
        nodes=_nodes(report.node_counts) if report.nodes_known else None,
        usd_per_hour=_amount(report.usd_per_hour),
        usd=_amount(report.usd),
        actions=tuple(map(_action, report.actions)),
        results=tuple(map(_result, report.results)),
        interruptions=tuple(map(_interruption, report.interruptions)),
    )


def _jobs(report: Report) -> Jobs:
    waits = [_waits(one, never=False) for one in report.waiting]
    never = [_waits(one, never=True) for one in report.infeasible]
    return Jobs(_count(report.running_jobs), _count(report.waiting_jobs), (*waits, *never))


def _waits(one: JobsReport, *, never: bool) -> Waits:
    shape = Shape(_amount(one.cores), int(one.memory_mib), int(one.disk_mib), bool(one.preemptible))
    return Waits(shape, _count(one.count), tuple(map(str, one.names)), str(one.reason), never)


def _nodes(counts: Mapping[str, int]) -> dict[NodeType, int]:
    return {NodeType.parse(name): number for name, count in counts.items() if (number := _count(count))}


def _action(one: ActionReport) -> ActionReport:
    if one.node_type:
        NodeType.parse(one.node_type)
    ids = tuple(map(str, one.instance_ids))
    return ActionReport(str(one.action), str(one.reason), str(one.node_type), _count(one.count), ids)


def _result(one: ResultReport) -> ResultReport:
    return ResultReport(str(one.at), str(one.action), bool(one.ok), str(one.message), _amount(one.seconds))


def _interruption(one: InterruptionReport) -> InterruptionReport:
    told = {name: str(value) for name, value in vars(one).items()}
    takes_at = _iso(one.takes_at) if one.takes_at else ""
    return InterruptionReport(**told | {"at": _iso(one.at), "takes_at": takes_at})


def _iso(text: str) -> str:
    """Return a moment as reports have it."""
    return _moment(text).isoformat(timespec="milliseconds")


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _count(value: Any) -> int:
    number = int(value)
    if number < 0:
        raise ValueError(value)
    return number


def _amount(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(value)
    return number
