"""What a user allows and prefers: limits per node type, and how eager scaling is. Tags and cluster.yml carry it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Self

from toilctl.errors import UsageError
from toilctl.node_types import NodeType

_LIMITS = re.compile(r"(?P<node_type>[^=]+)=(?P<least>\d+)\.\.(?P<most>\d+)")


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
class Tuning:
    """How eager scaling is; the defaults are the shared ones of group_vars/all.yml. Toil's names where it has them.

    The string form, for a tag, is ``name=value`` with spaces between.
    """

    target_time_s: float
    """Within this time all queued jobs shall have run; shorter is more parallel."""
    beta_inertia: float
    """0 follows demand at once; 0.9 hardly changes."""
    scale_interval_s: float
    """Between two decisions."""
    preemptible_compensation: float
    """The share of spot nodes that cannot be had for which on-demand ones are launched, 0 to 1."""
    idle_timeout_s: float
    """How long a node runs nothing before it goes."""
    join_deadline_s: float
    """How long a node may take to join the engine before it is replaced."""
    spot_fallback_after_s: float = 0.0
    """How long spot nodes may be lacking before on-demand ones take their place; 0 is for ever."""
    max_usd_per_hour: float = 0.0
    """What the cluster may cost, its leader among it; 0 is no bound."""
    budget_usd: float = 0.0
    """What the cluster may cost in all before nothing more is launched; 0 is no bound."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Take the values from a mapping that may have more, as group_vars and cluster.yml do.

        :raises UsageError: naming the first that is missing and has no default, no number, or out of its range.
        """
        given = {one.name: values.get(one.name, None if one.default is MISSING else one.default) for one in fields(cls)}
        return cls(**{name: _checked(name, value) for name, value in given.items()})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the string form.

        :raises UsageError: as ``of``.
        """
        return cls.of(dict(word.partition("=")[::2] for word in text.split()))

    def __str__(self) -> str:
        return " ".join(f"{one.name}={_shortest(getattr(self, one.name))}" for one in fields(self))


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


_RANGES: Final[Mapping[str, tuple[float, float, str]]] = {
    "target_time_s": (1, math.inf, "seconds, at least 1, such as 1800"),
    "beta_inertia": (0, 0.9, "a number from 0 to 0.9"),
    "scale_interval_s": (1, 3600, "seconds from 1 to 3600"),
    "preemptible_compensation": (0, 1, "a number from 0 to 1"),
    "idle_timeout_s": (0, math.inf, "seconds, such as 300"),
    "join_deadline_s": (1, math.inf, "seconds, at least 1, such as 900"),
    "spot_fallback_after_s": (0, math.inf, "seconds, such as 600; 0 waits for ever"),
    "max_usd_per_hour": (0, math.inf, "US dollars, such as 12.50; 0 is no bound"),
    "budget_usd": (0, math.inf, "US dollars, such as 500; 0 is no bound"),
}
"""Toil's ranges where it has the option."""


def _shortest(number: float) -> str:
    """Write a number so that it comes back the same: ``g`` alone keeps six digits."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _checked(name: str, value: Any) -> float:
    least, most, form = _RANGES[name]
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (least <= number <= most and math.isfinite(number)) or isinstance(value, bool):
        raise UsageError(f"{value!r} cannot be {name}.", f"It is {form}.", name=name, value=value)
    return number


def zip_limits(node_types: Iterable[NodeType], least: Iterable[int], most: Iterable[int]) -> Limits:
    """Bring Toil's positional lists together, once, at the edge; all have the same length.

    :raises UsageError: when a minimum is above its maximum.
    """
    return Limits(
        NodeLimits.parse(str(NodeLimits(kind, low, high)))
        for kind, low, high in zip(node_types, least, most, strict=True)
    )
