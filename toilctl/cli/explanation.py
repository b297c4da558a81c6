"""How explain reads: why jobs wait, and why nodes are kept or go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from toilctl.cli.autoscaling import age, clock, numbers
from toilctl.cli.cost_views import bounds
from toilctl.cli.render import table

if TYPE_CHECKING:
    from toilctl.autoscaler.report import JobsReport, NodeReport, Report
    from toilctl.verbs.explain import Explanation

_NAMES: Final = 3
_ERRORS: Final = 5
_WHY: Final = {
    # Of nodes.
    "idle": "idle for long enough",
    "over-maximum": "more than the maximum",
    "never-joined": "it never joined",
    "lost": "the engine lost it",
    "stopped": "EC2 stopped it",
    "rebalance": "EC2 recommended to do without it",
    "return-to-spot": "there are spot workers again",
    "interrupted-drain": "it was being drained before",
    "busy": "it runs jobs",
    "needed": "waiting jobs are about to run there",
    "recently-idle": "not idle for long enough",
    "at-minimum": "the minimum",
    "booting": "it has not joined yet",
    "cordoned": "somebody keeps jobs away from it",
    "draining": "it finishes its jobs before it goes",
    "leaving": "it is being terminated",
    "engine-unsure": "the engine's word cannot be trusted now",
    "paused": "paused",
    "fixed": "the cluster has no limits of its own",
    "interrupted": "EC2 takes it away",
    "at-risk": "EC2 may soon take it away",
    "missing": "the engine does not list it now",
    # Of jobs.
    "placed": "has a place",
    "launching": "workers are coming",
    "maximum": "the maximum is reached",
    "quota": "the account's quota is reached",
    "capacity": "EC2 has no capacity",
    "backed-off": "new workers fail to join",
    "cost-per-hour": "more would cost too much",
    "budget": "the budget is spent",
    "spot-short": "spot cannot be had",
    "smoothed": "growing step by step",
    "time": "soon enough on what is there",
    "held": "held",
}
"""``plan.Reason`` in words; another version's reasons are shown as they are."""


def why(reason: str) -> str:
    """Say a ``plan.Reason`` in words."""
    return _WHY.get(reason, reason)


def text(result: Explanation) -> str:
    """Say it all, shortest first."""
    if result.report is None:
        return result.note
    return "\n\n".join(filter(None, _parts(result, result.report)))


def _parts(result: Explanation, report: Report) -> Iterator[str]:
    yield "\n".join(_head(result, report))
    yield _jobs("Jobs that wait", "WHY", report.waiting)
    yield _jobs("Jobs that can never run here", "LACKING", report.infeasible)
    yield _nodes(report.nodes)
    yield _titled("Under way", (f"  {one}" for one in report.under_way))
    set_aside = [(one.what, clock(one.until), one.why) for one in report.set_aside]
    yield _titled("Not asked for", [table(("WHAT", "UNTIL", "WHY"), set_aside, "  ")] if set_aside else [])
    errors = [(clock(one.at), one.action, one.message) for one in report.errors[:_ERRORS]]
    yield _titled("Last errors", [table(("TIME", "DOING", "ERROR"), errors, "  ")] if errors else [])
    yield "\n".join(report.notes)


def _head(result: Explanation, report: Report) -> Iterator[str]:
    yield f"{result.cluster} in {result.region}, {age(result.age_s)} (times are UTC): {numbers(report, '; ')}."
    if result.note:
        yield result.note
    if report.paused:
        yield f"Paused: nothing is launched or ended until 'toilctl autoscale {result.cluster} resume'."
    elif result.paused:
        yield "It is to pause, and has not seen that yet."
    if report.budget:
        yield bounds(report.budget)
    if report.problem:
        yield f"Problem: {report.problem}"
    known = report.jobs_known and report.nodes_known
    if known and not (report.waiting or report.infeasible or report.nodes):
        yield "No job waits, and there are no workers."


def _jobs(title: str, last: str, jobs: Iterable[JobsReport]) -> str:
    """Show a row for each shape, and below it what happens next: a sentence is too long for a column."""
    jobs = list(jobs)
    rows = [
        (
            one.count, f"{one.cores:g}", size(one.memory_mib), size(one.disk_mib), "yes" if one.preemptible else "no",
            names(one.names), why(one.reason),
        )
        for one in jobs
    ]  # fmt: skip
    heads, *lines = table(("JOBS", "CORES", "MEMORY", "DISK", "PREEMPTIBLE", "NAMES", last), rows, "  ").splitlines()
    told = (f"{line}\n      {one.next_step}" for line, one in zip(lines, jobs, strict=True))
    return _titled(title, [heads, *told] if rows else [])


def _nodes(nodes: Iterable[NodeReport]) -> str:
    rows = [(one.instance_id, one.node_type, one.zone, one.phase, one.jobs, one.verdict, _reason(one)) for one in nodes]
    heads = ("ID", "NODE TYPE", "ZONE", "IS", "JOBS", "VERDICT", "WHY")
    return _titled("Workers", [table(heads, rows, "  ")] if rows else [])


def _reason(node: NodeReport) -> str:
    return node.detail or why(node.reason)


def names(of: Sequence[str]) -> str:
    """Return the first names of jobs."""
    return ", ".join(of[:_NAMES]) + (", …" if len(of) > _NAMES else "")


def size(mib: int) -> str:
    """Return ``2.0 GiB`` or ``512 MiB``."""
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib} MiB"


def _titled(title: str, lines: Iterable[str]) -> str:
    lines = list(lines)
    return "\n".join([title, *lines]) if lines else ""
