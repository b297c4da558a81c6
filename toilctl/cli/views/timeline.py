"""How a timeline reads: what it came to, a small chart, workers by node type, who waited, and what went wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from toilctl.cli.base.render import counted, pairs, table
from toilctl.cli.views.explain import names, size, why
from toilctl.cli.views.runs import duration
from toilctl.values.wording import listed

if TYPE_CHECKING:
    from toilctl.autoscaler.journal.timeline import ShapeWait, Timeline
    from toilctl.verbs.reports.timeline import ClusterTimeline, Row

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_SHAPES: Final = 10
_EVENTS: Final = 15
_MESSAGE: Final = 100


def text(result: ClusterTimeline) -> str:
    """Say it all."""
    of = result.timeline
    plots = f"Drawn: {', '.join(map(str, result.plots))}" if result.plots else ""
    parts = (_head(result), _chart(result), _workers(of), _waits(of), _events(of), "\n".join(result.notes), plots)
    return "\n\n".join(filter(None, parts))


def _head(result: ClusterTimeline) -> str:
    of = result.timeline
    where = f"{result.cluster} in {result.region}" if result.region else result.cluster
    begin = f"{datetime.fromisoformat(of.begin):%Y-%m-%d %H:%M:%S}"
    first = f"{where}, {begin} to {_at(of.end, of)} UTC ({duration(of.seconds)})"
    earlier = f", ${of.usd_in_all:.2f} with what was before" if of.usd_in_all - of.usd >= 0.005 else ""
    facts = {
        "cost": f"${of.usd:.2f} for workers{earlier}",
        "workers": f"{of.node_hours:.2f} node hours, at most {of.most_nodes} at once",
        "jobs ran": f"{of.running_job_hours:.2f} job hours, at most {of.most_running} at once",
        "jobs waited": f"{of.waiting_job_hours:.2f} job hours, at most {of.most_waiting} at once",
    }
    return f"{first}\n{pairs(facts, indent='  ')}"


def _chart(result: ClusterTimeline) -> str:
    """Draw a row of blocks for each of jobs and node types, each on a scale of its own, and the time below."""
    rows = [row for row in result.chart if row.most]
    if not rows or result.timeline.seconds <= 0:
        return ""
    labels = [f"jobs {row.what}" if row.what in ("waiting", "running") else row.what for row in rows]
    width, columns = max(map(len, labels)), len(rows[0].values)
    lines = [
        f"  {label.ljust(width)} ▕{_blocks(row)}▏ {row.most:g}" for label, row in zip(labels, rows, strict=True)
    ]  # fmt: skip
    begin, end = (_short(one, result.timeline) for one in (result.timeline.begin, result.timeline.end))
    head = f"  {'':{width}}  {'':{columns}}  MOST"
    return "\n".join([head, *lines, f"  {'':{width}}  {begin}{end:>{columns - len(begin)}}"])


def _blocks(row: Row) -> str:
    """Return a block per value: whatever is not 0 can be seen."""
    return "".join(_BLOCKS[math.ceil(value / row.most * (len(_BLOCKS) - 1))] for value in row.values)


def _workers(of: Timeline) -> str:
    rows = [(use.node_type, use.most_at_once, f"{use.node_hours:.2f}", use.asked_for) for use in of.node_types]
    if not rows:
        return "There were no workers."
    gone = listed(f"{count} ({why(reason)})" for reason, count in of.told_to_go.items())
    last = f"\n  The autoscaler told to go: {gone}" if gone else ""
    return "Workers\n" + table(("NODE TYPE", "AT ONCE", "NODE HOURS", "ASKED FOR"), rows, "  ") + last


def _waits(of: Timeline) -> str:
    if not of.waits:
        return ""
    heads = ("CORES", "MEMORY", "DISK", "PREEMPTIBLE", "NAMES", "AT ONCE", "JOB HOURS", "LONGEST", "MOSTLY BECAUSE")
    more = len(of.waits) - _SHAPES
    last = f"\n  and {counted(more, 'other shape')}" if more > 0 else ""
    return f"Jobs that waited\n{table(heads, map(_wait, of.waits[:_SHAPES]), '  ')}{last}"


def _wait(one: ShapeWait) -> tuple[object, ...]:
    reason = f"no node type has enough: {one.reason}" if one.never else why(one.reason)
    return (
        f"{one.cores:g}", size(one.memory_mib), size(one.disk_mib), "yes" if one.preemptible else "no",
        names(one.names), one.most_at_once, f"{one.job_hours:.2f}", f"≤ {duration(one.longest_s)}", reason,
    )  # fmt: skip


def _events(of: Timeline) -> str:
    rows = sorted((*_interruptions(of), *_failures(of), *_stretches(of)))
    if not rows:
        return ""
    shown = [(_at(at, of), *rest) for at, *rest in rows[-_EVENTS:]]
    left_out = len(rows) - len(shown)
    first = f"What happened, without the first {left_out}" if left_out else "What happened"
    return f"{first}\n{table(('TIME', 'WHAT', 'HOW LONG OR OFTEN', 'MORE'), shown, '  ')}"


_Event = tuple[str, str, str, str]


def _interruptions(of: Timeline) -> Iterator[_Event]:
    from toilctl.autoscaler.model.snapshot import NoticeKind
    from toilctl.charts.of_timeline import RECOMMENDATION
    from toilctl.charts.picture import INTERRUPTION

    for one in of.interruptions:
        what = RECOMMENDATION if one.kind == NoticeKind.REBALANCE else INTERRUPTION
        yield one.at, what, "", f"{one.instance_id} ({one.instance_type}) in {one.zone}"


def _failures(of: Timeline) -> Iterator[_Event]:
    for one in of.failures:
        yield one.first, f"{one.action} failed", "" if one.times == 1 else f"{one.times} times", _brief(one.message)


def _stretches(of: Timeline) -> Iterator[_Event]:
    for one in of.stretches:
        yield one.begin, one.kind, duration(one.seconds), _brief(one.why)


def _brief(message: str) -> str:
    words = " ".join(message.split())
    return words if len(words) <= _MESSAGE else f"{words[: _MESSAGE - 1]}…"


def _at(moment: str, of: Timeline) -> str:
    """Return a moment: with its date, unless all is of one day."""
    at = datetime.fromisoformat(moment)
    return f"{at:%H:%M:%S}" if _one_day(of) else f"{at:%Y-%m-%d %H:%M:%S}"


def _short(moment: str, of: Timeline) -> str:
    at = datetime.fromisoformat(moment)
    return f"{at:%H:%M}" if _one_day(of) else f"{at.day} {at:%b %H:%M}"


def _one_day(of: Timeline) -> bool:
    return of.begin[:10] == of.end[:10]
