"""How explain reads: why jobs wait, and why nodes are kept or go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from toilctl.autoscaler.model.reasons import WORDS
from toilctl.cli.base.render import counted, table
from toilctl.cli.views.autoscale import age, clock, numbers
from toilctl.cli.views.costs import bounds
from toilctl.values.outside import one_line

if TYPE_CHECKING:
    from toilctl.autoscaler.journal.report import NodeReport, TickReport
    from toilctl.autoscaler.model.plan import Infeasible, Waiting
    from toilctl.verbs.reports.explain import Explanation

_NAMES: Final = 3
_ERRORS: Final = 5
_SHAPES: Final = 3


def why(reason: str) -> str:
    """Say a reason in words; one of another version is shown as it is."""
    return WORDS.get(reason, reason)


def text(result: Explanation) -> str:
    """Say it all, shortest first."""
    if result.report is None:
        return result.note
    return "\n\n".join(filter(None, _parts(result, result.report)))


def _parts(result: Explanation, report: TickReport) -> Iterator[str]:
    yield "\n".join(_head(result, report))
    yield _jobs("Jobs that wait", "WHY", report.waiting)
    yield _jobs("Jobs that can never run here", "LACKING", report.infeasible)
    yield _nodes(report.nodes)
    yield _titled("Under way", (f"  {one_line(one)}" for one in report.under_way))
    set_aside = [(one.what, clock(one.until), one.why) for one in report.set_aside]
    yield _titled("Not asked for", [table(("WHAT", "UNTIL", "WHY"), set_aside, "  ")] if set_aside else [])
    errors = [(clock(one.at), one.action, one.message) for one in report.errors[:_ERRORS]]
    yield _titled("Last errors", [table(("TIME", "DOING", "ERROR"), errors, "  ")] if errors else [])
    yield "\n".join(map(one_line, report.notes))


def _head(result: Explanation, report: TickReport) -> Iterator[str]:
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
        yield f"Problem: {one_line(report.problem)}"
    known = report.jobs_known and report.nodes_known
    if known and not (report.waiting or report.infeasible or report.nodes):
        yield "No job waits, and there are no workers."


def _jobs(title: str, last: str, jobs: Iterable[Waiting | Infeasible]) -> str:
    """Show a row for each shape, and below it what happens next: a sentence is too long for a column."""
    from toilctl.autoscaler.model.plan import Infeasible

    jobs = list(jobs)
    rows = [
        (
            one.count, f"{one.shape.cores:g}", size(one.shape.memory_mib), size(one.shape.disk_mib),
            "yes" if one.shape.preemptible else "no", names(one.names),
            one.lacking if isinstance(one, Infeasible) else one.reason.words,
        )
        for one in jobs
    ]  # fmt: skip
    heads, *lines = table(("JOBS", "CORES", "MEMORY", "DISK", "PREEMPTIBLE", "NAMES", last), rows, "  ").split("\n")
    told = (f"{line}\n      {one_line(one.next_step)}" for line, one in zip(lines, jobs, strict=True))
    return _titled(title, [heads, *told] if rows else [])


def _nodes(nodes: Iterable[NodeReport]) -> str:
    rows = [
        (one.instance_id, one.node_type, one.zone, one.phase, one.jobs, one.verdict, one.detail or why(one.reason))
        for one in nodes
    ]
    heads = ("ID", "NODE TYPE", "ZONE", "IS", "JOBS", "VERDICT", "WHY")
    return _titled("Workers", [table(heads, rows, "  ")] if rows else [])


def never_run(jobs: Sequence[Infeasible], cluster: str) -> str:
    """Say which jobs can never run, and where to read on; an empty string where all can."""
    if not jobs:
        return ""
    shown = [
        f"{counted(one.count, 'job')} can never run here ({names(one.names)}). {one_line(one.next_step)}"
        for one in jobs
    ]
    more = f"{counted(len(jobs) - _SHAPES, 'kind')} more, and why: " if len(jobs) > _SHAPES else "Why jobs wait: "
    return "\n".join((*shown[:_SHAPES], f"{more}toilctl explain {cluster}"))


def names(of: Sequence[str]) -> str:
    """Return the first names of jobs."""
    return one_line(", ".join(of[:_NAMES])) + (", …" if len(of) > _NAMES else "")


def size(mib: int) -> str:
    """Return ``2.0 GiB`` or ``512 MiB``."""
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib} MiB"


def _titled(title: str, lines: Iterable[str]) -> str:
    lines = list(lines)
    return "\n".join([title, *lines]) if lines else ""
