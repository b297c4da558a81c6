"""A cluster's nodes as results show them, and what the engine says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toilctl.system import inventory, leaders
from toilctl.system.waiting import wait_until
from toilctl.values import tags, wording, worker_tags
from toilctl.values.cluster import Cluster, Engine, Node, Role
from toilctl.values.errors import ConnectError, EngineError, NotFoundError
from toilctl.values.node_types import NodeType

if TYPE_CHECKING:
    from toilctl.engines.client import EngineNode

_JOIN_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 2.0


@dataclass(frozen=True)
class NodeLine:
    """What a result says of one node."""

    instance_id: str
    role: Role
    node_type: str
    instance_type: str
    market: str
    state: str
    """EC2's."""
    engine_state: str | None
    """The engine's: joined, cordoned, draining, down, or missing; None when it was not or could not be asked."""
    jobs: int | None
    zone: str
    public_address: str | None
    private_address: str | None


def lines(cluster: Cluster, members: Mapping[str, EngineNode] | None = None) -> tuple[NodeLine, ...]:
    """Return the leader and the workers; ``members`` are the engine's nodes by instance id, None when unknown."""
    leader = (cluster.leader,) if cluster.leader else ()
    return tuple(_line(node, members) for node in (*leader, *cluster.workers))


def members(cluster: Cluster, ssh_key: Path | None) -> dict[str, EngineNode]:
    """Ask the engine, in the leader's container, for its nodes; by instance id.

    :raises EngineError: when it does not answer.
    :raises NotFoundError: when the cluster has no leader.
    :raises ConnectError: when the leader cannot be reached.
    """
    from toilctl import engines
    from toilctl.engines import client
    from toilctl.system import ssh

    leader = leaders.require(cluster)
    engine = engines.of(
        Engine(cluster.settings.get(tags.ENGINE, Engine.MESOS)),
        run=ssh.in_leader(cluster, ssh_key),
        leader_address=str(leader.private_address),
    )
    return dict(client.join(engine.nodes(), cluster.nodes))


def wait_for_members(cluster: Cluster, ssh_key: Path | None, *, patiently: bool) -> NodesOutcome:
    """Wait a moment for all live workers to be in the engine, and tell which are not.

    There is no point in being patient when setting them up has failed.
    """

    def look() -> NodesOutcome:
        try:
            known = members(cluster, ssh_key)
        except (ConnectError, EngineError, NotFoundError) as error:
            return NodesOutcome({}, tuple(node.instance_id for node in cluster.workers), str(error))
        return NodesOutcome(known, tuple(missing_from(cluster.workers, known)))

    patience_s = _JOIN_TIMEOUT_S if patiently else 0.0
    return wait_until(look, lambda found: not found.missing and not found.trouble, patience_s, _POLL_S)


@dataclass(frozen=True)
class NodesOutcome:
    """Which workers the engine has, and which it lacks."""

    members: Mapping[str, EngineNode]
    missing: tuple[str, ...]
    trouble: str = ""
    """Why the engine could not be asked."""


def missing_from(workers: Iterable[Node], known: Mapping[str, EngineNode]) -> list[str]:
    """Return the instance ids of workers that the engine does not have, or holds for dead."""
    return [
        node.instance_id for node in workers if node.instance_id not in known or known[node.instance_id].state == "down"
    ]


def desired(cluster: Cluster) -> dict[NodeType, int]:
    """Return how many workers of each node type the cluster is meant to have."""
    return worker_tags.counts(cluster.settings)


def short_of(cluster: Cluster, wanted: Mapping[NodeType, int]) -> dict[NodeType, int]:
    """Return how many workers of each node type EC2 lacks."""
    have = counts(cluster)
    return {kind: count - have.get(kind, 0) for kind, count in wanted.items() if count > have.get(kind, 0)}


def counts(cluster: Cluster) -> dict[NodeType, int]:
    """Return how many live workers of each node type there are."""
    found: dict[NodeType, int] = {}
    for node in cluster.workers:
        found[node.node_type] = found.get(node.node_type, 0) + 1
    return found


def refreshed(cluster: Cluster) -> Cluster:
    """Read a cluster again; as it was when it is gone."""
    found = inventory.clusters(cluster.region, cluster.name)
    return found[0] if found else cluster


def _line(node: Node, members: Mapping[str, EngineNode] | None) -> NodeLine:
    asked = members is not None and node.role is Role.WORKER
    member = members.get(node.instance_id) if members is not None else None
    return NodeLine(
        instance_id=node.instance_id,
        role=node.role,
        node_type=str(node.node_type),
        instance_type=node.instance_type,
        market=wording.market(node.spot),
        state=node.state,
        engine_state=(member.state if member else "missing") if asked else None,
        jobs=len(member.running) if member and asked else None,
        zone=node.zone,
        public_address=node.public_address,
        private_address=node.private_address,
    )
