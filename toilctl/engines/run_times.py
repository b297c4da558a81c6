"""How long jobs of a name took, from those that ended well: what the next of that name is taken to need."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Final

_LAST: Final = 50
"""Enough for a percentile; and after so many runs, other inputs than today's are forgotten."""
_SHARE: Final = 0.9


def estimates(runs: Iterable[tuple[str, float]]) -> Mapping[str, float]:
    """Return seconds by name: what nine in ten of a name's last 50 runs did not exceed.

    :param runs: names and seconds, oldest first.

    An estimate that is too short leaves jobs waiting for slots that are not free yet, one that is too long costs a
    node more: hence not the mean. One run that hung for hours does not count, hence not the maximum either.
    """
    last: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_LAST))
    for name, seconds in runs:
        last[name].append(seconds)
    return {name: _percentile(taken) for name, taken in last.items()}


def _percentile(taken: Iterable[float]) -> float:
    """Return the least value that is not below the share of all."""
    ordered = sorted(taken)
    return ordered[math.ceil(len(ordered) * _SHARE) - 1]
