"""What a playbook that runs beside the ticks tells of itself, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from toilctl.values.node_types import NodeType


@dataclass(frozen=True)
class LaunchRefusal:
    """Why EC2 did not launch something; instance type and zone are empty when it did not say."""

    code: str
    """EC2's, such as InsufficientInstanceCapacity."""
    message: str = ""
    instance_type: str = ""
    zone: str = ""


@dataclass(frozen=True)
class LaunchAnswered:
    """The request for one node type is over."""

    run: str
    node_type: NodeType
    launched: frozenset[str] | None
    """Ids of instances that exist now; None when EC2's answer was lost, and with it what it launched."""
    refusals: tuple[LaunchRefusal, ...] = ()


@dataclass(frozen=True)
class LaunchingOver:
    """A scale-out asks EC2 for nothing more; it goes on to set up what it got."""

    run: str


@dataclass(frozen=True)
class Ended:
    """A playbook came to its end, or could not."""

    run: str
    ok: bool
    message: str
    terminated: frozenset[str] = frozenset()
    failed_nodes: Mapping[str, str] = field(default_factory=dict)
    """What failed, by instance id."""


Event = LaunchAnswered | LaunchingOver | Ended
Tell = Callable[[Event], None]


def refusals_of(errors: Sequence[Mapping[str, object]]) -> tuple[LaunchRefusal, ...]:
    """Read the errors of the launch module."""
    names = ("code", "message", "instance_type", "zone")
    return tuple(LaunchRefusal(*(str(error.get(name) or "") for name in names)) for error in errors)
