"""Node types: what may be launched together, in the one grammar that every boundary speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from toilctl.values import aws_limits
from toilctl.values.errors import UsageError
from toilctl.values.units import exact

_INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]{0,31}\.[a-z0-9-]{1,31}")
"""EC2's longest names, such as u7inh-32tb.480xlarge, are far shorter."""
_NOT_SLUG = re.compile(r"[^a-zA-Z0-9]+")


@dataclass(frozen=True, order=True)
class NodeType:
    """What may be launched together: instance types in order of preference, and a spot bid.

    The canonical string is ``instance[/instance…][:bid]``; ``NodeType.parse(str(t)) == t``.
    """

    instance_types: tuple[str, ...]
    spot_bid: float | None = None
    """USD per hour; None buys on demand."""

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read one node type, such as ``c4.8xlarge/c5.9xlarge:0.6``.

        :raises UsageError: for an empty or malformed instance type, one named twice, or a bid that EC2 refuses.
        """
        types, colon, bid = spec.strip().partition(":")
        names = tuple(name.strip() for name in types.split("/"))
        for name in names:
            if not _INSTANCE_TYPE.fullmatch(name):
                raise UsageError(
                    f"{name!r} in node type {spec!r} is not an instance type.",
                    "Write INSTANCE[/INSTANCE…][:BID], such as c4.8xlarge:0.6.",
                    node_type=spec,
                )
        if len(set(names)) < len(names):
            raise UsageError(f"Node type {spec!r} names an instance type twice.", "Name each once.", node_type=spec)
        return cls(names, cls._parse_bid(spec, bid) if colon else None)

    @staticmethod
    def _parse_bid(spec: str, bid: str) -> float:
        try:
            price = float(bid)
        except ValueError:
            price = -1.0
        if not 0 < price < float("inf"):
            raise UsageError(
                f"The bid {bid!r} of node type {spec!r} is not a price.",
                "Write USD per hour after the colon, such as c4.8xlarge:0.6, or leave out the colon to buy on demand.",
                node_type=spec,
            )
        if price < aws_limits.LEAST_SPOT_PRICE:
            raise UsageError(
                f"The bid {bid!r} of node type {spec!r} is below {aws_limits.LEAST_SPOT_PRICE} USD per hour, which EC2 "
                "refuses.",
                "Write what a node may cost at most, such as c4.8xlarge:0.6.", node_type=spec,
            )  # fmt: skip
        return price

    def __str__(self) -> str:
        bid = "" if self.spot_bid is None else f":{exact(self.spot_bid)}"
        return "/".join(self.instance_types) + bid

    @property
    def preemptible(self) -> bool:
        """Whether its nodes can be taken away, and so run preemptible jobs only."""
        return self.spot_bid is not None

    @property
    def slug(self) -> str:
        """The node type in letters, digits and underscores, for names of groups and templates."""
        return _NOT_SLUG.sub("_", str(self)).strip("_")


class NodeTypes(tuple[NodeType, ...]):
    """Node types in the order they were given; the string form is comma-separated."""

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read ``c4.8xlarge:0.6,r3.8xlarge``.

        :raises UsageError: as ``NodeType.parse``, and for a node type given twice.
        """
        types = cls(NodeType.parse(part) for part in spec.split(","))
        if len(set(types)) < len(types):
            raise UsageError(f"{spec!r} names a node type twice.", "Name each once, with its count.", node_types=spec)
        return types

    def __str__(self) -> str:
        return ",".join(str(node_type) for node_type in self)


def stacking_order(node_type: NodeType) -> tuple[bool, str]:
    """Sort node types from the bottom of a stack up: spot, which comes and goes, above what stays."""
    return node_type.preemptible, str(node_type)
