"""timeline: what became of a running cluster, or of one that is gone, as its autoscaler's journal tells it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from toilctl.autoscaler.journal import reader
from toilctl.autoscaler.journal.reader import Lines, Tick
from toilctl.autoscaler.journal.timeline import GAP_INTERVALS, Timeline, tell
from toilctl.autoscaler.journal.window import Moment, window
from toilctl.charts import draw, of_timeline
from toilctl.charts.picture import Picture, Steps, peaks
from toilctl.system import aws, inventory, ssh, variables
from toilctl.values.cluster import Cluster, Zone
from toilctl.values.errors import CredentialsError, HostError, NotFoundError, ToilctlError, UsageError
from toilctl.values.outside import brief
from toilctl.values.tuning import Tuning
from toilctl.values.units import exact
from toilctl.values.wording import listed, number
from toilctl.verbs.reports import explain, kept_journals
from toilctl.verbs.settings import scaling

COLUMNS: Final = 60
"""Into so many equal parts a chart cuts the time."""


@dataclass(frozen=True, kw_only=True)
class TimelineRequest:
    """What was asked for."""

    cluster: str
    since: Moment | None = None
    until: Moment | None = None
    plot: Path | None = None
    files: tuple[Path, ...] = ()
    """Journals that somebody copied; none asks for the cluster's own."""
    zone: str | None = None
    region: str | None = None
    ssh_key: Path | None = None
    no_cloud: HostError | None = None
    """Why there is no cloud that could be asked."""


@dataclass(frozen=True)
class Row:
    """A row of the chart: the highest value in each part of the time."""

    what: str
    """waiting, running, or a node type."""
    most: float
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ClusterTimeline:
    """A cluster's timeline, and where it comes from."""

    cluster: str
    region: str
    """Empty for files that somebody copied, which do not tell it."""
    source: str
    timeline: Timeline
    chart: tuple[Row, ...]
    plots: tuple[Path, ...]
    notes: tuple[str, ...]
    """What a reader should know of the journal, one sentence each."""


@dataclass(frozen=True)
class _Source:
    text: str
    """Where the lines are from."""
    lines: Iterable[str]
    """Read once, as they are asked for."""
    region: str = ""
    interval_s: float | None = None
    live: Cluster | None = None
    note: str = ""


def timeline(request: TimelineRequest, now: datetime | None = None) -> ClusterTimeline:
    """Sum up and draw a cluster's journal.

    :param now: for tests; None is the time.
    :raises NotFoundError: when there is neither such a cluster with an autoscaler, nor a kept journal of one.
    :raises UsageError: for files that are no journal of this cluster, a time in which there is nothing, and a plot
        that cannot be written.
    :raises ConnectError: when the leader cannot be reached.
    """
    if request.plot:
        draw.check(request.plot)
    source = _source(request)
    found = reader.read(source.lines, request.cluster)
    _check(found, source, request)
    interval_s = source.interval_s or Tuning.of(variables.defaults()).scale_interval_s
    ticks = window(reader.held(found.ticks), request.since, request.until)
    told = tell(ticks, interval_s)
    picture = of_timeline.picture_of(ticks, told, _title(request.cluster, source.region, ticks))
    return ClusterTimeline(
        cluster=request.cluster,
        region=source.region,
        source=source.text,
        timeline=told,
        chart=tuple(_chart(picture, told.seconds)),
        plots=draw.draw([picture], request.plot) if request.plot else (),
        notes=tuple(_notes(found, source, interval_s, now or datetime.now(UTC))),
    )


def _source(request: TimelineRequest) -> _Source:
    if request.files:
        text = listed(map(str, request.files))
        return _Source(text, kept_journals.read(request.files))
    try:
        cluster = _running(request)
    except NotFoundError as error:
        return _kept(request, error)
    except Exception as error:  # Of a cloud that cannot be asked, a journal that is here tells all the same.
        known = error if isinstance(error, ToilctlError) else aws.explain(error)
        found = _newest(request) if isinstance(known, HostError | CredentialsError) else None
        if known is None or found is None:
            raise
        return replace(found, note=f"Whether {request.cluster} runs is not known: {known.message} {found.note}")
    return _live(cluster, request.ssh_key)


def _running(request: TimelineRequest) -> Cluster:
    if request.no_cloud:
        raise request.no_cloud
    cluster = inventory.find(request.cluster, request.zone, request.region)
    ssh.leader_of(cluster)
    return cluster


def _live(cluster: Cluster, ssh_key: Path | None) -> _Source:
    if not scaling.has_autoscaler(cluster):
        raise NotFoundError(
            f"Cluster {cluster.name!r} has no autoscaler, and so no journal.",
            f"'toilctl autoscale {cluster.name} --max-nodes N' lets it follow the demand.", cluster=cluster.name,
        )  # fmt: skip
    scales = scaling.of_cluster(cluster)
    fetched = kept_journals.fetch(cluster, ssh_key)
    if not fetched:
        raise NotFoundError(
            f"The autoscaler of cluster {cluster.name!r} has not told anything yet.",
            f"If that goes on, look at it: {explain.look_at(cluster)}", cluster=cluster.name,
        )  # fmt: skip
    interval_s = scales.tuning.scale_interval_s if scales else None
    return _Source(f"the leader of {cluster.name}", kept_journals.lines(fetched), cluster.region, interval_s, cluster)


def _kept(request: TimelineRequest, missing: NotFoundError) -> _Source:
    """Return the newest journal that was kept when a cluster of that name was destroyed.

    :raises NotFoundError: ``missing``, when there is none.
    """
    found = _newest(request)
    if found is None:
        raise NotFoundError(
            f"{missing.message.rstrip('.')}, and no journal of an earlier one is kept on this machine.",
            f"{missing.next_step} --journal FILE reads one from elsewhere.".strip(), **missing.facts,
        )  # fmt: skip
    return replace(found, note=f"{request.cluster} is gone; its {found.note.removeprefix('Its ')}")


def _newest(request: TimelineRequest) -> _Source | None:
    where = Zone.parse(request.zone).region if request.zone else request.region
    if not request.no_cloud:
        where = inventory.named_region(request.zone, request.region)
    kept = kept_journals.kept(request.cluster, where)
    if kept is None:
        return None
    note = f"Its journal was kept in {kept.path}."
    if kept.others:
        older = number(kept.others, "older journal of that name is", "older journals of that name are")
        note += f" {older} beside it; --journal FILE reads them."
    return _Source(str(kept.path), kept_journals.read([kept.path]), kept.region, note=note)


def _check(found: Lines, source: _Source, request: TimelineRequest) -> None:
    """Make sure that there is something to tell.

    :raises UsageError: when there is not.
    """
    if found.ticks:
        return
    if found.others:
        other = max(found.others, key=lambda one: found.others[one])
        raise UsageError(
            f"{source.text} tells of {brief(listed(found.others))}, not of {request.cluster}.",
            f"Name that cluster: toilctl timeline {shlex.quote(brief(other))}", clusters=sorted(found.others),
        )  # fmt: skip
    raise UsageError(
        f"There is no line of an autoscaler's journal in {source.text}.",
        "Name a copy of a leader's journal.jsonl; those that toilctl keeps end with .jsonl.gz.",
        damaged=found.damaged, unknown=found.unknown,
    )  # fmt: skip


def _title(cluster: str, region: str, ticks: Sequence[Tick]) -> str:
    where = f"{cluster} in {region}" if region else cluster
    begin, end = ticks[0].at, ticks[-1].at
    same_day = begin.date() == end.date()
    return f"{where}, {begin:%Y-%m-%d %H:%M} to {end:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}} UTC"


def _chart(picture: Picture, ends_s: float) -> Iterable[Row]:
    rows: dict[str, Steps] = {"waiting": picture.waiting, "running": picture.running}
    rows |= {str(kind): steps for kind, steps in reversed([*picture.nodes.items()])}
    for what, steps in rows.items():
        yield Row(what, steps.highest, peaks(steps, ends_s, COLUMNS))


def _notes(found: Lines, source: _Source, interval_s: float, now: datetime) -> Iterator[str]:
    if source.note:
        yield source.note
    age_s = (now - found.ticks[-1].at).total_seconds()
    if source.live and age_s > GAP_INTERVALS * interval_s:
        look = explain.look_at(source.live)
        yield f"The last line is {age_s:.0f} s old, and there should be one every {exact(interval_s)} s. Look: {look}"
    passed_over = [
        (found.damaged, "line is damaged", "lines are damaged"),
        (found.unknown, "line is not as this toilctl knows them", "lines are not as this toilctl knows them"),
        (sum(found.others.values()), "line is another cluster's", "lines are other clusters'"),
    ]
    yield from (f"{number(count, one, more)} and not counted." for count, one, more in passed_over if count)
    if anew := reader.restarts(found.ticks):
        yield f"The journal began anew {number(anew, 'time')}; what it counted before is added."
