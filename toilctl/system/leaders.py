"""Whether a cluster's leader can be reached at all, by EC2's word, and what to do where it cannot."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConnectError, NotFoundError

REHEARSED: Final = "TOILCTL_REHEARSED"
"""In the environment of a process that speaks to the rehearsal cloud: the user's shell may speak to AWS."""
_STOPPED: Final = ("stopping", "stopped")


@dataclass(frozen=True)
class Absence:
    """Why nobody can reach a leader."""

    message: str
    next_step: str


def is_stopped(cluster: Cluster) -> bool:
    """Tell whether a cluster's leader is there, and stopped or about to be."""
    return cluster.leader is not None and cluster.leader.state in _STOPPED


def absence(cluster: Cluster) -> Absence | None:
    """Return why nobody can reach a cluster's leader; None when EC2 has it, and it runs or boots."""
    leader = cluster.leader
    if leader is None:
        return _gone(cluster)
    if not is_stopped(cluster):
        return None
    env = 'eval "$(toilctl local env)"; ' if REHEARSED in os.environ else ""
    start = f"{env}aws ec2 start-instances --instance-ids {leader.instance_id} --region {cluster.region}"
    when = "Wait until it is stopped, then start it" if leader.state == "stopping" else "Start it"
    return Absence(f"Leader {leader.instance_id} of cluster {cluster.name!r} is {leader.state}.", f"{when}: {start}")


def require(cluster: Cluster) -> Node:
    """Return the leader that can be reached, or will be soon.

    :raises NotFoundError: when there is none.
    :raises ConnectError: when it is stopped.
    """
    leader = cluster.leader
    if leader is None:
        gone = _gone(cluster)
        raise NotFoundError(gone.message, gone.next_step, cluster=cluster.name)
    if absent := absence(cluster):
        raise ConnectError(
            absent.message, absent.next_step,
            cluster=cluster.name, instance_id=leader.instance_id, state=leader.state, reason="state",
        )  # fmt: skip
    return leader


def _gone(cluster: Cluster) -> Absence:
    ended = next((node for node in cluster.nodes if node.role is Role.LEADER), None)
    destroy = f"Remove the rest of it: toilctl destroy-cluster {cluster.name}"
    if ended is not None:
        return Absence(f"Leader {ended.instance_id} of cluster {cluster.name!r} is {ended.state}.", destroy)
    # The leader's own key is with the cluster as soon as the leader has answered once.
    if cluster.settings.get(tags.LEADER_PUBLIC_KEY):
        return Absence(f"Cluster {cluster.name!r} in {cluster.region} has no leader any more.", destroy)
    return Absence(
        f"Cluster {cluster.name!r} in {cluster.region} has no leader.",
        "Its launch did not finish: type the same launch-cluster command again, or destroy-cluster.",
    )
