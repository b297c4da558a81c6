"""The time axis of a plot: hours or minutes since the beginning, or the time of day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, count
from typing import TYPE_CHECKING, Final, Self

from toilctl.charts.picture import Picture
from toilctl.values.units import HOUR_S

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_S: Final = 60.0
"""No time axis is shorter."""
_HOURS_FROM_S: Final = 2 * HOUR_S
"""What is shorter is told in minutes."""
_DAY_S: Final = 24 * HOUR_S
_TICKS_S: Final = (6, 12, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
"""Distances between times that people read easily; above them are days, doubled."""


@dataclass(frozen=True)
class TimeAxis:
    """What all columns have in common of time."""

    columns: int
    ends_s: float
    began_at: datetime | None
    """When second 0 was, in UTC; None where that is not the same for all columns, or was never."""

    @classmethod
    def of(cls, pictures: Sequence[Picture]) -> Self:
        """Make room for the longest picture."""
        began = {one.began_at for one in pictures}
        ends_s = max(_LEAST_S, *(one.ends_s for one in pictures))
        return cls(len(pictures), ends_s, began.pop() if len(began) == 1 else None)

    @property
    def label(self) -> str:
        """What stands below the axis."""
        return f"time in {self._unit[0]}" if self.began_at is None else "time (UTC)"

    @property
    def tick_s(self) -> float:
        """How far apart times are told."""
        most = 9 if self.columns == 1 else 7
        days = (_DAY_S * 2**power for power in count())
        return next(float(one) for one in chain(_TICKS_S, days) if self.ends_s <= one * most)

    def apply(self, axes: Axes) -> None:
        """Set limits, and where times are told and how."""
        from matplotlib.ticker import FuncFormatter, MultipleLocator

        into_s = self.began_at.timestamp() % self.tick_s if self.began_at else 0.0
        axes.set_xlim(0, self.ends_s)
        axes.xaxis.set_major_locator(MultipleLocator(self.tick_s, offset=-into_s))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda time_s, _: self._told(time_s)))

    def _told(self, time_s: float) -> str:
        if self.began_at is None:
            return f"{time_s / self._unit[1]:g}"
        at = self.began_at + timedelta(seconds=round(time_s, 3))
        if at.hour == at.minute == at.second == 0:
            return f"{at.day} {at:%b}"
        return f"{at:%H:%M}" if self.tick_s >= 60 else f"{at:%H:%M:%S}"

    @property
    def _unit(self) -> tuple[str, float]:
        """What times since the beginning are told in, and its seconds."""
        return ("hours", HOUR_S) if self.ends_s >= _HOURS_FROM_S else ("minutes", 60.0)
