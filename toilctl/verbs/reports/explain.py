"""explain: why jobs wait, and why nodes are kept or go, as the autoscaler on the leader told at its last tick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.model.plan import Infeasible
from toilctl.system import inventory, progress, variables
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ToilctlError
from toilctl.values.tuning import Tuning
from toilctl.values.units import exact
from toilctl.verbs.reports import autoscaler_report
from toilctl.verbs.settings import scaling

STALE_INTERVALS: Final = 3
"""A report that is older than so many intervals is not what the autoscaler sees now."""


@dataclass(frozen=True)
class Explanation:
    """The last report, and what to think of it."""

    cluster: str
    region: str
    autoscaled: bool
    paused: bool
    report: TickReport | None
    age_s: float | None
    stale: bool
    note: str = ""
    """What is wrong with the report, or why there is none, and what to do."""


def explain(name: str, zone: str | None, region: str | None, ssh_key: Path | None) -> Explanation:
    """Ask the leader for the last report.

    :raises NotFoundError: when there is no such cluster, or it has no leader.
    :raises ConnectError: when the leader cannot be reached.
    """
    cluster = inventory.find(name, zone, region)
    scales = scaling.of_cluster(cluster)
    if scales is None and not scaling.follows_workflows(cluster):
        return _explanation(cluster, autoscaler_report.AutoscalerAnswer(None, None), not_autoscaled(cluster))
    found = autoscaler_report.ask(cluster, ssh_key)
    if scales is None and found.report is None:
        return _explanation(cluster, found, not_autoscaled(cluster))
    return _explanation(cluster, found, note_on(found, cluster, _interval_s(cluster)))


def never_run(cluster: Cluster, ssh_key: Path | None) -> tuple[Infeasible, ...]:
    """Return the jobs that wait on a cluster and can never run there; none where its autoscaler does not tell now."""
    if not scaling.has_autoscaler(cluster):
        return ()
    try:
        found = autoscaler_report.ask(cluster, ssh_key)
    except ToilctlError as error:
        progress.debug(f"Whether jobs can never run is not known: {error}")
        return ()
    fresh = found.report is not None and not is_stale(found, _interval_s(cluster))
    return found.report.infeasible if found.report and fresh else ()


def not_autoscaled(cluster: Cluster) -> str:
    """Say that a cluster has no limits, and what that means."""
    return (
        f"Cluster {cluster.name!r} is not autoscaled: 'toilctl scale-cluster {cluster.name} -w N' changes the number "
        f"of its workers, and 'toilctl autoscale {cluster.name} --max-nodes N' lets it follow the demand."
    )


def note_on(found: autoscaler_report.AutoscalerAnswer, cluster: Cluster, interval_s: float) -> str:
    """Say what is wrong with what an autoscaler told; an empty string when nothing is."""
    if found.report is None:
        return f"The autoscaler has not reported yet. If that goes on, look at it: {look_at(cluster)}"
    if not is_stale(found, interval_s):
        return ""
    look = look_at(cluster)
    return f"This report is old: there should be one every {exact(interval_s)} s. Look at the autoscaler: {look}"


def look_at(cluster: Cluster) -> str:
    """Return what to type for the state of a cluster's autoscaler."""
    return f"toilctl ssh-cluster --host {cluster.name} systemctl status toilctl-autoscaler"


def is_stale(found: autoscaler_report.AutoscalerAnswer, interval_s: float) -> bool:
    """Tell whether the last report is too old to go by."""
    return found.age_s is not None and found.age_s > STALE_INTERVALS * interval_s


def _interval_s(cluster: Cluster) -> float:
    scales = scaling.of_cluster(cluster)
    return (scales.tuning if scales else Tuning.of(variables.defaults())).scale_interval_s


def _explanation(cluster: Cluster, found: autoscaler_report.AutoscalerAnswer, note: str) -> Explanation:
    return Explanation(
        cluster=cluster.name,
        region=cluster.region,
        autoscaled=scaling.is_autoscaled(cluster),
        paused=scaling.is_paused(cluster),
        report=found.report,
        age_s=found.age_s,
        stale=bool(found.report and note),
        note=note,
    )
