"""When decisions are due in simulated time, as the autoscaler's loop has them."""

from __future__ import annotations

import math
from typing import Final

_ROUNDING_S: Final = 1e-5
"""Moments are told to the microsecond only: a tick too early decides nothing, and one too late too much."""
_LEAST_S: Final = 1.0
"""The loop's least time until a decision that a plan asks for."""
_LOOK_S: Final = 0.5
"""The loop's time between two looks for news."""


class TickClock:
    """Each decision is an interval after the one before, or sooner: on news, and when a plan asks for it."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._begin_s, self._tick = 0.0, 0
        """The last decision that came sooner, and how many intervals later the next is due."""
        self._last_s, self._sooner_s = -math.inf, math.inf

    @property
    def due_s(self) -> float:
        """When the next decision is due."""
        return min(self._usual_s, self._sooner_s)

    @property
    def _usual_s(self) -> float:
        # Not added up: many additions of a fraction would not be where a few are.
        return self._begin_s + self._tick * self._interval_s

    def decided(self, now_s: float, wake_s: float | None) -> None:
        """Take note of a decision, and of when its plan wants the next at the latest."""
        if now_s != self._usual_s:
            self._begin_s, self._tick = now_s, 0
        self._tick += 1
        self._last_s = now_s
        self._sooner_s = math.inf if wake_s is None else max(now_s + _LEAST_S, wake_s)

    def hear(self, now_s: float) -> None:
        """Take note of what the next decision does not wait for."""
        # A decision that was left out would have been the last one.
        before = math.ceil((now_s - _ROUNDING_S - self._begin_s) / self._interval_s) - 1
        last_s = max(self._last_s, self._begin_s + before * self._interval_s)
        self._sooner_s = min(self._sooner_s, max(now_s, last_s + _LOOK_S))

    def skip(self, until_s: float) -> None:
        """Leave out the decisions before a time."""
        later = (until_s - _ROUNDING_S - self._begin_s) / self._interval_s
        if math.isfinite(later):
            self._tick = max(self._tick, math.ceil(later))
