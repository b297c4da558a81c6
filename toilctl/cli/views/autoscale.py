"""How an autoscaled cluster's settings and its autoscaler's decisions read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from toilctl.cli.base.render import counted, pairs, table
from toilctl.values import tags
from toilctl.values.tuning import SETTINGS
from toilctl.values.wording import listed
from toilctl.values.worker_tags import NodeStorage

if TYPE_CHECKING:
    from toilctl.autoscaler.journal.report import TickReport
    from toilctl.values.scaling_policy import NodeLimits
    from toilctl.verbs.clusters.autoscale import AutoscalePlan, AutoscaleStatus, Changed
    from toilctl.verbs.settings.scaling import Scaling


def limits(of: Iterable[NodeLimits]) -> str:
    """Return ``0 to 20 c4.8xlarge:0.6 and 2 r3.8xlarge``."""
    return listed(
        f"{one.max_nodes if one.min_nodes == one.max_nodes else f'{one.min_nodes} to {one.max_nodes}'} {one.node_type}"
        for one in of
    )


def settings(of: Scaling) -> dict[str, str]:
    """Return a cluster's settings, by name."""
    return {
        "workers": limits(of.limits),
        **{setting.label: of.tuning.said(name) for name, setting in SETTINGS.items()},
        "preemptible": "jobs that do not say otherwise" if of.default_preemptible else "jobs that say so",
    }


def status(result: AutoscaleStatus) -> str:
    """Show settings, and the last decisions."""
    if result.scaling is None:
        return result.note
    first = f"Cluster {result.cluster} in {result.region} is autoscaled{', and paused now' if result.paused else ''}"
    shown = [first, pairs(settings(result.scaling), indent="  "), ""]
    if result.decisions:
        shown += [_decisions(result.decisions), ""]
    if result.last:
        shown.append(f"Last tick {age(result.age_s)}: {numbers(result.last)}.")
    if result.note:
        shown.append(result.note)
    return "\n".join(shown)


def plan(of: AutoscalePlan) -> str:
    """Say what a change would change."""
    if not of.settings:
        return f"Nothing would change for {of.cluster}: it has these settings."
    return f"Would change {_change(of)}\n{pairs(_facts(of), indent='  ')}{_note(of)}"


def changed(result: Changed) -> str:
    """Say what was changed, and when it takes effect."""
    of = result.plan
    following = (
        f"It only watches; 'toilctl autoscale {of.cluster} resume' lets it act."
        if of.paused
        else f"It holds from the next tick on, in at most {of.after.tuning.said('scale_interval_s')}; "
        f"'toilctl explain {of.cluster}' says what comes of it."
    )
    if not of.settings:
        return f"{of.cluster} had these settings already; its leader was told them again.\n{following}"
    return f"Changed {_change(of)}\n{pairs(_facts(of), indent='  ')}{_note(of)}\n{following}"


def fixed_plan(of: AutoscalePlan) -> str:
    """Say what scale-cluster would do to an autoscaled cluster."""
    return f"Would fix the number of workers of {of.cluster}: {limits(of.after.limits)}.\n{_back(of)}"


def fixed(result: Changed) -> str:
    """Say what scale-cluster did to an autoscaled cluster."""
    of = result.plan
    acts = "It is paused, and does so once it is resumed." if of.paused else (
        f"It launches or ends workers from its next tick on, in at most {of.after.tuning.said('scale_interval_s')}."
    )  # fmt: skip
    return f"The autoscaler of {of.cluster} now keeps {limits(of.after.limits)}. {acts}\n{_back(of)}"


def age(seconds: float | None) -> str:
    """Return ``12 s ago``, or minutes or hours."""
    if seconds is None:
        return "at an unknown time"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def clock(moment: str) -> str:
    """Return a report's moment as a time of day, UTC."""
    try:
        return f"{datetime.fromisoformat(moment):%H:%M:%S}"
    except ValueError:
        return moment


def _change(of: AutoscalePlan) -> str:
    if of.before is None:
        return f"{of.cluster}: its workers follow the demand from now on."
    return f"{of.cluster}."


def _facts(of: AutoscalePlan) -> dict[str, str]:
    """Return what differs, as before → after; of a cluster that was not autoscaled, everything."""
    after = settings(of.after)
    before = settings(of.before) if of.before else {}
    told = {
        name: f"{before[name]} → {value}" if name in before else value
        for name, value in after.items()
        if before.get(name) != value
    }
    paused = {"paused": "yes" if of.paused else "no"} if tags.PAUSED in of.settings else {}
    storage = of.settings.get(tags.NODE_STORAGE)
    sizes = {"storage": _storage(NodeStorage.parse(storage))} if storage else {}
    return told | sizes | paused | {"highest cost": of.cost_at_maximum.text()}


def _storage(of: NodeStorage) -> str:
    each = listed(f"{size} GB for {node_type}" for node_type, size in of.each_gb.items())
    return each if of.all_gb is None else f"{of.all_gb} GB"


def _note(of: AutoscalePlan) -> str:
    return f"\n{of.after.note}" if of.after.note else ""


def _back(of: AutoscalePlan) -> str:
    before = of.before.limits if of.before else ()
    least, most = (
        ",".join(str(getattr(one, name)) for one in before) for name in ("min_nodes", "max_nodes")
    )  # fmt: skip
    types = f" --node-types {of.before.node_types}" if of.before and len(before) != len(of.after.limits) else ""
    back = f"toilctl autoscale {of.cluster}{types} --min-nodes {least} --max-nodes {most}"
    return f"To let it follow the demand as before: {back}"


def _decisions(reports: Iterable[TickReport]) -> str:
    rows = [
        (
            clock(one.at), *((one.waiting_jobs, one.running_jobs) if one.jobs_known else ("?", "?")),
            sum(one.node_counts.values()) if one.nodes_known else "?", _doings(one),
        )
        for one in reports
    ]  # fmt: skip
    return table(("TIME", "WAITING", "RUNNING", "WORKERS", "WHAT"), rows)


def _doings(report: TickReport) -> str:
    begun = [one.text() for one in report.actions]
    ended = [
        f"{one.action} done in {one.seconds:g} s" if one.ok else f"{one.action} failed: {one.message}"
        for one in report.results
    ]
    return "; ".join(filter(None, [*begun, *ended, report.problem]))


def numbers(report: TickReport, between: str = ", ") -> str:
    """Say how many jobs and workers there are, as far as that is known, and what the workers cost."""
    if not report.nodes_known:
        return "jobs and workers are not known"
    jobs = f"{counted(report.running_jobs, 'job')} running, {report.waiting_jobs} waiting"
    workers = counted(sum(report.node_counts.values()), "worker")
    return f"{jobs if report.jobs_known else 'jobs not known'}{between}{workers}, ${report.usd_per_hour:.2f} per hour"
