"""What a cluster's tags say of its workers: how many of each node type, and their root volumes. The one parser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from toilctl.values import tags
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.units import whole


def counts(settings: Mapping[str, str]) -> dict[NodeType, int]:
    """Return how many workers of each node type there are to be, in the user's order.

    :raises UsageError: when the tags have another form.
    """
    text, older = settings.get(tags.WORKERS, ""), _older(settings)
    if "=" not in text:
        # The last release's autoscale changed the node types alone.
        text = ",".join([*filter(None, text.split(",")), *["0"] * len(older)][: len(older)])
    return _read(text, older)


def node_types(settings: Mapping[str, str]) -> NodeTypes:
    """Return the workers' node types, in the user's order.

    :raises UsageError: as ``counts``.
    """
    return NodeTypes(counts(settings))


def keyed(numbers: Mapping[NodeType, int]) -> str:
    """Return a tag's form of a number for each node type, such as ``c4.8xlarge:0.6=20,r3.8xlarge=2``."""
    return ",".join(f"{node_type}={number}" for node_type, number in numbers.items())


@dataclass(frozen=True)
class NodeStorage:
    """Workers' root volumes, GB: one size for all, or one for each node type."""

    all_gb: int | None = None
    each_gb: Mapping[NodeType, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, older: Iterable[NodeType] = ()) -> Self:
        """Read ``50`` or ``c4.8xlarge:0.6=100,r3.8xlarge=50``; ``NodeStorage.parse(str(s)) == s``.

        :param older: the node types in whose order ``100,50`` stands, as lists of variables and older tags have it.
        :raises UsageError: when it has another form.
        """
        if (size := whole(text)) is not None:
            return cls(size)
        return cls(each_gb=_read(text, tuple(older)))

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Self:
        """Read a cluster's tags.

        :raises UsageError: as ``parse``.
        """
        return cls.parse(settings.get(tags.NODE_STORAGE, ""), _older(settings))

    def gb(self, node_type: NodeType) -> int:
        """Return a node type's; one that is not among them gets the first one's, and 0 where nothing is known."""
        if self.all_gb is not None:
            return self.all_gb
        return self.each_gb.get(node_type, next(iter(self.each_gb.values()), 0))

    def __str__(self) -> str:
        return keyed(self.each_gb) if self.all_gb is None else str(self.all_gb)


def _older(settings: Mapping[str, str]) -> tuple[NodeType, ...]:
    text = settings.get(tags.NODE_TYPES, "")
    return NodeTypes.parse(text) if text else ()


def _read(text: str, older: tuple[NodeType, ...]) -> dict[NodeType, int]:
    """Read a number for each node type; numbers alone are those of ``older``, or of its first ones."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if "=" not in text and len(words) <= len(older):
        words = [f"{one}={word}" for one, word in zip(older, words, strict=False)]
    found: dict[NodeType, int] = {}
    for word in words:
        name, equals, text_of_number = word.rpartition("=")
        number = whole(text_of_number)
        if not equals or number is None:
            raise UsageError(f"{text!r} is no number for each node type.", "Write NODE_TYPE=N,…, such as r5.large=2.")
        found[NodeType.parse(name)] = number
    return found
