"""Lists as Slurm abbreviates them, ``a[1-3,7],b`` for nodes, ``0-8:2,11`` for an array's tasks; and its times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from toilctl.engines.client import UNREADABLE, moment

MOST: Final = 100_000
"""How long a list may be; Slurm's own limit for arrays is some 1,000 unless it is raised."""
_RANGE: Final = re.compile(r"(?P<before>[^\[]*)\[(?P<numbers>[^\]]*)\](?P<after>.*)")


def expand(nodes: str) -> list[str]:
    """Return the names in a list of nodes.

    :raises ValueError: when there is no number where one should be, or the list is longer than any.
    """
    try:
        names = list(islice(_names(nodes), MOST + 1))
    except RecursionError:
        raise ValueError(nodes[:100]) from None
    if len(names) > MOST:
        raise ValueError(nodes[:100])
    return names


def _names(nodes: str) -> Iterator[str]:
    for part in re.split(r",(?![^\[]*\])", nodes):
        found = _RANGE.fullmatch(part)
        if found is None:
            yield part
            continue
        for number in numbers(found["numbers"]):
            yield from _names(f"{found['before']}{number}{found['after']}")


def numbers(ranges: str) -> Iterator[str]:
    """Yield the numbers in a list of ranges, with as many digits as are written.

    :raises ValueError: when there is no number where one should be, or a range is longer than any.
    """
    for one in ranges.split(","):
        bounds, _, step = one.partition(":")
        first, _, last = bounds.partition("-")
        found = range(int(first), int(last or first) + 1, int(step or 1))
        # A range's length may be more than len() can tell.
        if found[MOST:]:
            raise ValueError(one[:100])
        yield from (str(number).zfill(len(first)) for number in found)


def when(text: str) -> datetime | None:
    """Return a time, in UTC as it was asked for; None for ``N/A``, ``Unknown``, ``None``, and what is no time."""
    try:
        return moment(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except UNREADABLE:
        return None
