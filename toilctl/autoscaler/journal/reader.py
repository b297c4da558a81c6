"""The journal's lines as values: what each tick saw and did, as far as it can be read, and what holds between ticks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from toilctl.autoscaler.journal.report import ActionReport, InterruptionReport, ResultReport, TickReport, read_moment
from toilctl.autoscaler.model.plan import Infeasible, Waiting
from toilctl.values import outside
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.units import HOUR_S


@dataclass(frozen=True)
class JobsSeen:
    """What the engine told."""

    running: int = 0
    waiting: int = 0
    waits: tuple[Waiting | Infeasible, ...] = ()


@dataclass(frozen=True)
class Tick:
    """A line of the journal."""

    at: datetime
    number: int
    seconds: float
    """How long it took."""
    paused: bool
    problem: str
    jobs: JobsSeen | None
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
            document = outside.document(line)
        except ValueError:
            damaged += 1
            continue
        try:
            report = TickReport.of(document)
            tick = _tick(report)
        except (ValueError, UsageError):
            unknown += 1
            continue
        if report.cluster in ("", cluster):
            ticks[tick.at] = tick
        else:
            others[report.cluster] = others.get(report.cluster, 0) + 1
    return Lines(tuple(ticks[at] for at in sorted(ticks)), damaged, unknown, others)


def held(ticks: Iterable[Tick]) -> tuple[Tick, ...]:
    """Return ticks with what holds: what one did not know is as before, and the cost never falls.

    Where the journal began anew, as on a lost disk, the nodes of before cost what they did until then.
    """
    jobs, nodes, usd = JobsSeen(), dict[NodeType, int](), 0.0
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


def _tick(report: TickReport) -> Tick:
    waits: tuple[Waiting | Infeasible, ...] = (*report.waiting, *report.infeasible)
    jobs = JobsSeen(report.running_jobs, report.waiting_jobs, waits) if report.jobs_known else None
    return Tick(
        at=read_moment(report.at),
        number=report.tick,
        seconds=report.seconds,
        paused=report.paused,
        problem=report.problem,
        jobs=jobs,
        nodes=_nodes(report.node_counts) if report.nodes_known else None,
        usd_per_hour=report.usd_per_hour,
        usd=report.usd,
        actions=report.actions,
        results=report.results,
        interruptions=report.interruptions,
    )


def _nodes(counts: Mapping[str, int]) -> dict[NodeType, int]:
    return {NodeType.parse(name): count for name, count in counts.items() if count}
