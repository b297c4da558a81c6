"""describe-cluster: what a cluster is, from its tags, EC2 and its engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toilctl.autoscaler.journal.report import CostReport, TickReport
from toilctl.autoscaler.model.plan import Money
from toilctl.system import inventory, price_table
from toilctl.values import s3_places, tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ToilctlError
from toilctl.values.scaling_policy import NodeLimits
from toilctl.values.shared_storage import Shared
from toilctl.verbs.checks import key_pairs
from toilctl.verbs.clusters import nodes
from toilctl.verbs.clusters.list import state_of
from toilctl.verbs.reports import autoscaler_report
from toilctl.verbs.settings import scaling


@dataclass(frozen=True)
class Description:
    """A cluster in full."""

    cluster: str
    region: str
    state: str
    zones: tuple[str, ...]
    owner: str
    key_pair_name: str
    engine: str
    appliance_image: str
    ami: str
    orphan_timeout_s: int
    """After so many seconds without the leader workers end; 0 for never."""
    shared: Shared | None
    s3_write: tuple[s3_places.S3Place, ...]
    """Where in S3 jobs may write beside job stores."""
    sse_key: bool
    """Whether Toil encrypts what it keeps in S3 with a key that the nodes have."""
    enable_fuse: bool
    desired: Mapping[str, int]
    """Workers of each node type that it is meant to have; of an autoscaled cluster, its autoscaler knows."""
    limits: tuple[NodeLimits, ...]
    """Of an autoscaled cluster."""
    paused: bool
    nodes: tuple[nodes.NodeLine, ...]
    cost: price_table.Cost
    costs: tuple[CostReport, ...]
    """What its autoscaler knows of the leader's cost and the workers', by node type; empty without an autoscaler."""
    budget: Money | None
    """None where it may cost what it does."""
    tags: Mapping[str, str]
    """The user's own."""
    note: str = ""
    """Why the engine or the autoscaler could not be asked."""


def describe(name: str, zone: str | None, region: str | None, ssh_key: Path | None) -> Description:
    """Describe a cluster; an engine or an autoscaler that does not answer is noted, not an error.

    :raises NotFoundError: when there is no such cluster.
    """
    cluster = inventory.find(name, zone, region, damaged=True)
    members, note = None, ""
    try:
        members = nodes.members(cluster, key_pairs.of_cluster(cluster, ssh_key).path)
    except ToilctlError as error:
        note = f"The engine could not be asked: {error}"
    report, unread = _report(cluster, ssh_key) if not note else (None, "")
    has = cluster.settings.get
    scales = scaling.of_cluster(cluster)
    return Description(
        cluster=cluster.name,
        region=cluster.region,
        state=state_of(cluster),
        zones=tuple(zone for zone in has(tags.ZONES, "").split(",") if zone),
        owner=has(tags.OWNER, ""),
        key_pair_name=has(tags.KEY_PAIR_NAME, ""),
        engine=has(tags.ENGINE, ""),
        appliance_image=has(tags.APPLIANCE, ""),
        ami=has(tags.AMI, ""),
        orphan_timeout_s=int(has(tags.ORPHAN_TIMEOUT) or 0),
        shared=Shared(has(tags.SHARED)) if has(tags.SHARED) else None,
        s3_write=s3_places.read(has(tags.S3_WRITE, "")),
        sse_key=has(tags.SSE_KEY) == "yes",
        enable_fuse=has(tags.FUSE) == "yes",
        desired={} if scales else {str(kind): count for kind, count in nodes.desired(cluster).items()},
        limits=scales.limits if scales else (),
        paused=scaling.is_paused(cluster),
        nodes=nodes.lines(cluster, members),
        cost=price_table.cost(cluster.region, price_table.there(cluster.nodes)),
        costs=report.costs if report else (),
        budget=report.budget if report else None,
        tags=own_tags(cluster),
        note=note or unread,
    )


def _report(cluster: Cluster, ssh_key: Path | None) -> tuple[TickReport | None, str]:
    """Return the autoscaler's last report, or why it cannot be had."""
    if not scaling.has_autoscaler(cluster):
        return None, ""
    try:
        return autoscaler_report.ask(cluster, ssh_key).report, ""
    except ToilctlError as error:
        return None, f"What it has cost is not known: {error.message}"


def own_tags(cluster: Cluster) -> dict[str, str]:
    """Return the tags that a user gave at launch."""
    return {
        key: value
        for key, value in sorted(cluster.settings.items())
        if key not in tags.RESERVED_KEYS and not key.startswith(tags.RESERVED_PREFIXES)
    }
