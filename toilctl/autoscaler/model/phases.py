"""In which phase of its life a node is, and what follows from that: one table, read by everything that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.snapshot import NodeView
from toilctl.values.cluster import NodeState
from toilctl.values.scaling_policy import Policy

RETURN_S: Final = 150.0
"""After its restart a Mesos master lists no agents; they register again within some 90 s."""


class Phase(StrEnum):
    """Where a node is between its launch and its end."""

    BOOTING = "booting"
    """It has not joined the engine yet."""
    IDLE = "idle"
    BUSY = "busy"
    CORDONED = "cordoned"
    """A human keeps jobs away from it, and the autoscaler leaves it alone."""
    DRAINING = "draining"
    """The autoscaler keeps jobs away from it."""
    LEAVING = "leaving"
    """It is being terminated."""
    INTERRUPTED = "interrupted"
    """EC2 said when it takes it away."""
    AT_RISK = "at-risk"
    """EC2 recommends to be prepared for an interruption."""
    RETURNING = "returning"
    """The engine does not list it, since so short a time that the engine itself may just have restarted."""
    MISSING = "missing"
    """The engine had it and does not list it now."""
    LATE = "late"
    """It has not joined within the deadline."""
    DOWN = "down"
    """The engine holds it for dead, for less than the deadline."""
    LOST = "lost"
    """The engine has not had it, or held it for dead, for longer than the deadline."""
    STOPPED = "stopped"
    """EC2 has stopped it, or is about to."""


class Readiness(StrEnum):
    """When a node takes more jobs."""

    NOW = "now"
    SOON = "soon"
    NEVER = "never"


@dataclass(frozen=True)
class Traits:
    """What follows from a phase."""

    readiness: Readiness
    goes: EndReason | None = None
    """Why it is replaced whatever it runs; None when it is not."""
    counts: bool = True
    """Whether it is one of the nodes that the minimum asks for."""
    doomed: bool = False
    """Whether it is as good as gone: then it is none of the nodes that the maximum limits."""


TRAITS: Final[Mapping[Phase, Traits]] = {
    Phase.BOOTING: Traits(Readiness.SOON),
    Phase.IDLE: Traits(Readiness.NOW),
    Phase.BUSY: Traits(Readiness.NOW),
    Phase.CORDONED: Traits(Readiness.NEVER),
    Phase.DRAINING: Traits(Readiness.NEVER),
    Phase.LEAVING: Traits(Readiness.NEVER, counts=False),
    Phase.INTERRUPTED: Traits(Readiness.NEVER, counts=False, doomed=True),
    Phase.AT_RISK: Traits(Readiness.NEVER, counts=False),
    Phase.RETURNING: Traits(Readiness.SOON),
    Phase.MISSING: Traits(Readiness.NEVER),
    Phase.DOWN: Traits(Readiness.NEVER),
    Phase.LATE: Traits(Readiness.NEVER, EndReason.NEVER_JOINED, counts=False),
    Phase.LOST: Traits(Readiness.NEVER, EndReason.LOST, counts=False),
    Phase.STOPPED: Traits(Readiness.NEVER, EndReason.STOPPED, counts=False),
}

_BY_ENGINE: Final[Mapping[NodeState, Phase]] = {
    NodeState.CORDONED: Phase.CORDONED,
    NodeState.DRAINING: Phase.DRAINING,
    NodeState.DOWN: Phase.DOWN,
}


def phase(node: NodeView, policy: Policy, now: datetime) -> Phase:
    """Tell a node's phase. When the engine does not answer, what it would know counts as missing."""
    if node.leaving:
        return Phase.LEAVING
    if node.ec2_state in ("stopping", "stopped"):
        return Phase.STOPPED
    if node.notice is not None:
        return Phase.AT_RISK if node.notice.takes_at is None else Phase.INTERRUPTED
    if node.engine_state is not None:
        return _listed(node, node.engine_state, policy, now)
    if node.joined_before:
        return _unlisted(node, policy, now)
    return Phase.LATE if now > deadline(node, policy) else Phase.BOOTING


def _listed(node: NodeView, state: NodeState, policy: Policy, now: datetime) -> Phase:
    if state is NodeState.JOINED:
        return Phase.BUSY if node.running else Phase.IDLE
    found = _BY_ENGINE[state]
    return Phase.LOST if found is Phase.DOWN and overdue(node, policy, now) else found


def _unlisted(node: NodeView, policy: Policy, now: datetime) -> Phase:
    if overdue(node, policy, now):
        return Phase.LOST
    if node.missing_since is not None and now - node.missing_since < timedelta(seconds=RETURN_S):
        return Phase.RETURNING
    return Phase.MISSING


def deadline(node: NodeView, policy: Policy) -> datetime:
    """Return when a node that has not joined is late: a new process gives those it finds the whole time."""
    begin = max(node.launched_at, node.missing_since or node.launched_at)
    return begin + timedelta(seconds=policy.tuning.join_deadline_s)


def overdue(node: NodeView, policy: Policy, now: datetime) -> bool:
    """Tell whether a node that was there has been gone for longer than the deadline; since when must be known."""
    return node.missing_since is not None and now > deadline(node, policy)
