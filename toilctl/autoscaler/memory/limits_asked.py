"""What workflows ask for, and asked for a moment ago: one that is started again finds its workers still there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from toilctl.autoscaler.model.workflow_limits import Wish

_MOST: Final = 1000
"""How many wishes are kept of workflows that have ended; the last ones to end count."""


@dataclass
class LimitsAsked:
    """What workflows ask for that run, or ended a short while ago."""

    _seen: dict[Wish, datetime] = field(default_factory=dict)
    """When each was last asked for."""

    def of(self, running: Sequence[Wish], now: datetime, grace_s: float) -> tuple[Wish, ...]:
        """Return what counts now.

        :param running: what those ask for that run.
        :param grace_s: for how long what others asked for lives on.
        """
        names = {one.name for one in running}
        lasting = {
            wish: last for wish, last in self._seen.items()
            if wish.name not in names and now < last + timedelta(seconds=grace_s)
        }  # fmt: skip
        lasting = dict(list(lasting.items())[-_MOST:])
        self._seen = {**lasting, **dict.fromkeys(running, now)}
        ended = (replace(wish, until=last + timedelta(seconds=grace_s)) for wish, last in lasting.items())
        return (*running, *ended)
