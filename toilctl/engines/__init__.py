"""What a cluster's engine says of its nodes, and how it is told to leave one alone: the same for Mesos and Slurm.

An engine tells which nodes have joined and what runs there, never which nodes exist: after a restart its list is empty
or short for a while. EC2 says what exists.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from toilctl import cluster
from toilctl.autoscaler.model import Demand
from toilctl.capacity import Resources
from toilctl.cluster import NodeState
from toilctl.errors import EngineError

if TYPE_CHECKING:
    from toilctl.engines.published import Published

Run = Callable[[Sequence[str]], str]
"""Runs words in the leader's container and returns what they print, with the exceptions of ``subprocess.run``."""


@dataclass(frozen=True)
class EngineNode:
    """A node as its engine sees it."""

    name: str
    """The engine's own name for it: what ``cordon`` and the like take."""
    instance_id: str | None
    private_address: str | None
    state: NodeState
    running: tuple[str, ...]
    """The ids of the jobs that hold its resources."""
    resources: Resources
    idle_since: datetime | None = None
    """Since when no job holds its resources; None when one does, or the engine does not tell."""
    used: Resources | None = None
    """What jobs hold of it; None when the engine does not tell."""

    @property
    def idle(self) -> bool:
        """Whether no job holds its resources."""
        return not self.running


class Engine(Protocol):
    """An engine that can be asked. Each method raises EngineError when it does not answer, or not sensibly."""

    def nodes(self) -> tuple[EngineNode, ...]:
        """Return the nodes that have joined."""

    def demand(self) -> Demand:
        """Return all queued and running jobs."""

    def cordon(self, name: str) -> None:
        """Give a node no new jobs, until ``uncordon``."""

    def uncordon(self, name: str) -> None:
        """Give a node jobs again; nothing happens when it gets some already."""

    def drain(self, name: str) -> None:
        """Give a node no new jobs, since it will be terminated; running jobs go on."""

    def evacuate(self, node: EngineNode) -> None:
        """End what runs on a node that is about to be taken away: it is to run again elsewhere at once."""

    def lost(self, node: EngineNode) -> None:
        """Take note that a node does not exist any more: what ran there is to run again at once."""


def of(engine: cluster.Engine, run: Run, leader_address: str, published: Published | None = None) -> Engine:
    """Return the engine of a cluster whose leader has this private address.

    :param published: what workflows on the leader publish of their jobs; away from it, Mesos tells no demand.
    """
    from toilctl.engines.mesos import Mesos
    from toilctl.engines.slurm import Slurm

    return Mesos(run, leader_address, published) if engine is cluster.Engine.MESOS else Slurm(run)


def join(known: Iterable[EngineNode], nodes: Iterable[cluster.Node]) -> dict[str, EngineNode]:
    """Match an engine's nodes with EC2's, by instance id or private address; the keys are instance ids."""
    known = tuple(known)
    by_id: dict[str | None, EngineNode] = {node.instance_id: node for node in known if node.instance_id}
    # An engine may still list a gone node whose address a new one has: an id never belongs to two.
    nameless = (node for node in known if node.private_address and not node.instance_id)
    by_address: dict[str | None, EngineNode] = {node.private_address: node for node in nameless}
    matched = {node.instance_id: by_id.get(node.instance_id, by_address.get(node.private_address)) for node in nodes}
    return {instance_id: engine_node for instance_id, engine_node in matched.items() if engine_node}


def ask(run: Run, words: Sequence[str], engine: str, next_step: str = "") -> str:
    """Run words in the leader's container.

    :raises EngineError: when they fail or take too long.
    """
    next_step = next_step or _LOOK.format(engine=engine)
    try:
        return run(words)
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{engine} does not answer within {error.timeout:g} s.", next_step, engine=engine) from error
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise EngineError(
            f"{engine} does not answer: {said[-1] if said else 'no message'}.",
            next_step,
            engine=engine,
            words=list(words),
        ) from error


def nonsense(engine: str, answer: str) -> EngineError:
    """Return the error for an answer that cannot be read."""
    return EngineError(
        f"{engine} answers what toilctl cannot read: {answer.strip()[:200]!r}.",
        _LOOK.format(engine=engine),
        engine=engine,
    )


def unknown_node(name: str) -> EngineError:
    """Return the error for a node that the engine does not list."""
    return EngineError(
        f"The engine does not know a node {name}.",
        "It may not have joined yet, or the engine just restarted: try again in two minutes.",
        node=name,
    )


_LOOK = "Look at its log in the leader's container: toilctl ssh-cluster NAME ls /var/log/slurm /var/lib/mesos."
