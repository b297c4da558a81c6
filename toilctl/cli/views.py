"""How results of the cluster commands read."""

from __future__ import annotations

from toilctl.cli.render import table
from toilctl.verbs.find import ClusterList


def clusters(found: ClusterList) -> str:
    """One line per cluster."""
    if not found.clusters:
        return f"There are no clusters in {found.where}."
    rows = [
        (one.name, one.region, one.state, one.leader_address, len(one.workers), one.engine, one.owner)
        for one in found.clusters
    ]
    return table(("NAME", "REGION", "STATE", "LEADER", "WORKERS", "ENGINE", "OWNER"), rows)
