"""list-clusters."""

from __future__ import annotations

from dataclasses import dataclass

from toilctl.system import inventory, leaders
from toilctl.values import tags, worker_tags
from toilctl.values.cluster import Cluster
from toilctl.verbs.settings import scaling


@dataclass(frozen=True)
class ClusterLine:
    """What a list says of one cluster."""

    name: str
    region: str
    state: str
    leader_address: str | None
    workers: tuple[str, ...]
    engine: str
    owner: str


@dataclass(frozen=True)
class ClusterList:
    """The clusters of a region, or of all."""

    where: str
    clusters: tuple[ClusterLine, ...]
    passed_over: tuple[str, ...] = ()
    """The regions that could not be searched."""


def list_clusters(zone: str | None, region: str | None) -> ClusterList:
    """Return the clusters in the region that is meant, else in all."""
    searched = inventory.search(zone, region)
    lines = tuple(_line(cluster) for cluster in searched.clusters)
    return ClusterList(searched.where, lines, searched.passed_over)


def state_of(cluster: Cluster) -> str:
    """Return a cluster's state: destroying, running, partial (workers missing), no leader, or its leader's own."""
    if cluster.settings.get(tags.STATE) == tags.DESTROYING:
        return "destroying"
    leader = cluster.leader
    if leader is None:
        return "no leader"
    if leaders.is_stopped(cluster):
        return f"leader {leader.state}"
    if scales := scaling.of_cluster(cluster):
        wanted = sum(one.min_nodes for one in scales.limits)
    else:
        wanted = sum(worker_tags.counts(cluster.settings).values())
    return "running" if len(cluster.workers) >= wanted else "partial"


def _line(cluster: Cluster) -> ClusterLine:
    return ClusterLine(
        name=cluster.name,
        region=cluster.region,
        state=state_of(cluster),
        leader_address=cluster.leader.connect_address if cluster.leader else None,
        workers=tuple(node.instance_id for node in cluster.workers),
        engine=cluster.settings.get(tags.ENGINE, ""),
        owner=cluster.settings.get(tags.OWNER, ""),
    )
