"""What workflows ask for, and asked for a moment ago: one that is started again finds its workers still there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Asked:
    """One workflow's limits."""

    limits: tuple[str, ...]
    """In their string form."""
    until: datetime | None = None
    """Until when they count although the workflow has ended; None while it runs."""


@dataclass
class LimitsAsked:
    """The limits of workflows that run, or ended a short while ago, by the workflow's name."""

    _seen: dict[str, tuple[tuple[str, ...], datetime]] = field(default_factory=dict)
    """Each one's limits, and when it last ran."""

    def of(self, running: Mapping[str, Sequence[str]], now: datetime, grace_s: float) -> dict[str, Asked]:
        """Return what counts now.

        :param running: the limits of those that run.
        :param grace_s: for how long those of others live on.
        """
        self._seen |= {name: (tuple(limits), now) for name, limits in running.items()}
        untils = {name: last + timedelta(seconds=grace_s) for name, (_, last) in self._seen.items()}
        self._seen = {name: one for name, one in self._seen.items() if name in running or now < untils[name]}
        return {
            name: Asked(limits, None if name in running else untils[name]) for name, (limits, _) in self._seen.items()
        }
