"""Small pieces of the sentences that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from toilctl.values.node_types import NodeType

SPOT: Final = "spot"
ON_DEMAND: Final = "on-demand"
_COUNTED: Final = "instances, root volumes and public addresses"
ON_TOP: Final = "Traffic and S3 come on top."
"""What no cost has in it."""


def market(spot: bool) -> str:
    """Return how instances are bought, for data and before a noun: ``spot`` or ``on-demand``."""
    return SPOT if spot else ON_DEMAND


def bought(market: str) -> str:
    """Return a market as a sentence has it at its end, and a table in a column: ``spot`` or ``on demand``."""
    return market.replace("-", " ")


def priced(as_of: str) -> str:
    """Say what a cost has in it, and when its prices held."""
    return f"{_COUNTED}; prices of {as_of}"


def at(moment: datetime) -> str:
    """Say when, such as ``12:03 UTC``: what ends here ends within hours."""
    return f"{moment:%H:%M} UTC"


def listed(words: Iterable[str], last: str = "and") -> str:
    """Join words as a sentence does."""
    *most, final = [*words] or [""]
    return f"{', '.join(most)} {last} {final}" if most else final


def counted(counts: Mapping[NodeType, int]) -> str:
    """Say how many of which node types, such as ``2 r3.8xlarge and 1 c4.8xlarge:0.6``."""
    return listed(f"{count} {node_type}" for node_type, count in counts.items() if count)


def number(count: int, one: str, more: str = "") -> str:
    """Say how many, such as ``1 job`` or ``2 jobs``."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def sentence(text: str) -> str:
    """Begin with a capital letter, unless that is a name's, and end with a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
