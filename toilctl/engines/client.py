"""What all engines have in common: their nodes, what they can be asked and told, and how they fail."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from toilctl.values import cluster
from toilctl.values.capacity import Resources
from toilctl.values.cluster import NodeState
from toilctl.values.errors import EngineError
from toilctl.values.jobs import Demand

Run = Callable[[Sequence[str]], str]
"""Runs words in the leader's container and returns what they print, with the exceptions of ``subprocess.run``."""

UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What comes of reading values of another form than expected; nothing else does, whatever an answer has."""
LAST_SECOND: Final = 2**32
"""In the year 2106: no moment of an engine's is later, so that none leaves the calendar when something is added."""

_LOOK = "Look at its log in the leader's container: toilctl ssh-cluster NAME ls /var/log/slurm /var/lib/mesos."


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


class EngineClient(Protocol):
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


def moment(seconds: float) -> datetime:
    """Return a moment from seconds since the epoch.

    :raises ValueError: when it is before the epoch, or later than any engine tells.
    """
    if not 0 <= seconds <= LAST_SECOND:
        raise ValueError(seconds)
    return datetime.fromtimestamp(seconds, UTC)


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
