"""Lists as Slurm abbreviates them: ``a[1-3,7],b`` for nodes, ``0-8:2,11`` for an array's tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_RANGE: Final = re.compile(r"(?P<before>[^\[]*)\[(?P<numbers>[^\]]*)\](?P<after>.*)")


def expand(nodes: str) -> Iterator[str]:
    """Yield the names in a list of nodes.

    :raises ValueError: when there is no number where one should be.
    """
    for part in re.split(r",(?![^\[]*\])", nodes):
        found = _RANGE.fullmatch(part)
        if found is None:
            yield part
            continue
        for number in numbers(found["numbers"]):
            yield from expand(f"{found['before']}{number}{found['after']}")


def numbers(ranges: str) -> Iterator[str]:
    """Yield the numbers in a list of ranges, with as many digits as are written.

    :raises ValueError: when there is no number where one should be.
    """
    for one in ranges.split(","):
        bounds, _, step = one.partition(":")
        first, _, last = bounds.partition("-")
        found = range(int(first), int(last or first) + 1, int(step or 1))
        yield from (str(number).zfill(len(first)) for number in found)
