"""What a user allows and prefers: limits per node type, and how eager scaling is (``tuning``)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.tuning import Tuning

_LIMITS = re.compile(r"(?P<node_type>[^=]+)=(?P<least>[0-9]{1,9})\.\.(?P<most>[0-9]{1,9})")


@dataclass(frozen=True, order=True)
class NodeLimits:
    """How many nodes of a node type there may be; the string form is ``c4.8xlarge:0.6=0..20``."""

    node_type: NodeType
    min_nodes: int
    max_nodes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NODE_TYPE=MIN..MAX``; ``NodeLimits.parse(str(limits)) == limits``.

        :raises UsageError: when it has another form, or the minimum is above the maximum.
        """
        found = _LIMITS.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"{text!r} is not a node type's limits.", "Write NODE_TYPE=MIN..MAX, such as r5.large=0..2."
            )
        limits = cls(NodeType.parse(found["node_type"]), int(found["least"]), int(found["most"]))
        if limits.min_nodes > limits.max_nodes:
            raise UsageError(
                f"The minimum of {limits.node_type} is {limits.min_nodes}, above its maximum of {limits.max_nodes}.",
                "Lower the one or raise the other.",
                node_type=limits.node_type, min_nodes=limits.min_nodes, max_nodes=limits.max_nodes,
            )  # fmt: skip
        return limits

    def __str__(self) -> str:
        return f"{self.node_type}={self.min_nodes}..{self.max_nodes}"


class Limits(tuple[NodeLimits, ...]):
    """The limits of all node types, in the user's order; the string form is comma-separated."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``c4.8xlarge:0.6=0..20,r3.8xlarge=0..2``; an empty string has none.

        :raises UsageError: as ``NodeLimits.parse``, and for a node type given twice.
        """
        found = cls(NodeLimits.parse(part) for part in text.split(",") if part.strip())
        if len({one.node_type for one in found}) < len(found):
            raise UsageError(f"{text!r} limits a node type twice.", "Name each once.")
        return found

    def __str__(self) -> str:
        return ",".join(map(str, self))


@dataclass(frozen=True)
class Policy:
    """Everything that ``decide`` follows."""

    limits: Limits
    tuning: Tuning
    zones: tuple[str, ...]
    paused: bool = False

    @property
    def node_types(self) -> tuple[NodeType, ...]:
        """The node types, in the user's order."""
        return tuple(one.node_type for one in self.limits)

    def limits_of(self, node_type: NodeType) -> NodeLimits:
        """Return a node type's limits; one that is no longer allowed has none to spare."""
        return next((one for one in self.limits if one.node_type == node_type), NodeLimits(node_type, 0, 0))


def zip_limits(node_types: Iterable[NodeType], least: Iterable[int], most: Iterable[int]) -> Limits:
    """Bring Toil's positional lists together, once, at the edge; all have the same length.

    :raises UsageError: when a minimum is above its maximum.
    """
    return Limits(
        NodeLimits.parse(str(NodeLimits(kind, low, high)))
        for kind, low, high in zip(node_types, least, most, strict=True)
    )
