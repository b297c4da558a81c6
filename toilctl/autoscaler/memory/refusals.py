"""What EC2 refused and what failed to join, as data for the next decisions: nothing here ends the loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from toilctl.autoscaler.model.playbook_events import LaunchRefusal
from toilctl.autoscaler.model.snapshot import BackOff, Offering, SetAside
from toilctl.values.aws_errors import QUOTA, THROTTLED
from toilctl.values.node_types import NodeType

SET_ASIDE_S: Final = 180.0
THROTTLED_S: Final = 60.0
ASKED_AGAIN_S: Final = 900.0
"""Refusals that are further apart do not make one long shortage."""
FAILURES: Final = 3
"""How many nodes of a type fail to join in a row before none is launched for a while."""
BACK_OFF_S: Final = 600.0
LONGEST_BACK_OFF_S: Final = 7200.0


class Refusals:
    """The offerings that are set aside."""

    def __init__(self) -> None:
        self._until: dict[Offering, SetAside] = {}
        self._short: dict[NodeType, tuple[datetime, datetime]] = {}
        """When a node type was first refused in vain, and when last."""

    def add(self, node_type: NodeType, refusals: Iterable[LaunchRefusal], zones: Iterable[str], now: datetime) -> None:
        """Set aside what was refused: the instance type and zone that EC2 named, else all that it may have meant.

        A quota is that of all spot nodes, or of all others, and throttling that of all requests.
        """
        for refusal in refusals:
            seconds = THROTTLED_S if refusal.code in THROTTLED else SET_ASIDE_S
            until = now + timedelta(seconds=seconds)
            for offering in _meant(node_type, refusal, tuple(zones)):
                self._until[offering] = SetAside(offering, until, refusal.code, refusal.message)

    def answered(self, node_type: NodeType, now: datetime, *, launched: bool) -> None:
        """Take note whether a request that was refused in part, or whole, came to anything."""
        if launched:
            self._short.pop(node_type, None)
            return
        first, last = self._short.get(node_type, (now, now))
        # Nobody may have asked for long: that says nothing of what could have been had.
        self._short[node_type] = (first if now - last <= timedelta(seconds=ASKED_AGAIN_S) else now, now)

    def short_since(self) -> dict[NodeType, datetime]:
        """Return since when nothing could be had of which node types."""
        return {node_type: first for node_type, (first, _) in self._short.items()}

    def active(self, now: datetime) -> tuple[SetAside, ...]:
        """Return what is still set aside, and forget the rest."""
        self._until = {offering: one for offering, one in self._until.items() if one.until > now}
        return tuple(self._until[offering] for offering in sorted(self._until))


def _meant(node_type: NodeType, refusal: LaunchRefusal, zones: tuple[str, ...]) -> Iterator[Offering]:
    everything = refusal.code in QUOTA | THROTTLED
    types = node_type.instance_types if everything or not refusal.instance_type else (refusal.instance_type,)
    places = zones if everything or not refusal.zone else (refusal.zone,)
    return (Offering(kind, zone, node_type.preemptible) for kind in types for zone in places)


@dataclass
class _RefusalRecord:
    failures: int = 0
    rounds: int = 0
    until: datetime | None = None
    last_error: str = ""


class Failures:
    """Nodes that failed to join, by node type, until one joins."""

    def __init__(self) -> None:
        self._records: dict[NodeType, _RefusalRecord] = {}

    def add(self, node_type: NodeType, error: str, now: datetime) -> None:
        """Count a node that failed; the third in a row backs the node type off, each time for twice as long."""
        record = self._records.setdefault(node_type, _RefusalRecord())
        record.failures, record.last_error = record.failures + 1, error or record.last_error
        # Several nodes of one launch fail together: that is one round.
        if record.failures >= FAILURES and (record.until is None or record.until <= now):
            seconds = min(LONGEST_BACK_OFF_S, BACK_OFF_S * 2.0**record.rounds)
            record.until, record.rounds = now + timedelta(seconds=seconds), record.rounds + 1

    def joined(self, node_type: NodeType) -> None:
        """Forget the failures of a node type of which a node has joined."""
        self._records.pop(node_type, None)

    def back_offs(self) -> tuple[BackOff, ...]:
        """Return all node types with failures; those whose time is over may be launched again."""
        return tuple(
            BackOff(node_type, record.failures, record.until, record.last_error)
            for node_type, record in sorted(self._records.items(), key=lambda item: str(item[0]))
        )
