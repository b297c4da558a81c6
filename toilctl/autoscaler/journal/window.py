"""A part of a journal, from a moment to another, as people name moments."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from toilctl.autoscaler.journal.reader import Tick
from toilctl.values.errors import UsageError
from toilctl.values.units import HOUR_S

Moment = datetime | timedelta
"""A time, or how long before the journal's end."""
_BACK: Final = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|min|h|d)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def parse_moment(text: str) -> Moment:
    """Read ``2026-11-21 12:00`` (UTC unless it says otherwise), or ``90m``, ``2h`` or ``1d`` before the journal's end.

    :raises UsageError: for anything else.
    """
    try:
        if back := _BACK.fullmatch(text.strip()):
            return timedelta(**{_UNITS[back[2]]: float(back[1])})
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time.",
            "Write one such as '2026-11-21 12:00', in UTC, or how long before the end, such as 90m, 2h or 1d.",
        ) from None


def window(ticks: Sequence[Tick], since: Moment | None = None, until: Moment | None = None) -> tuple[Tick, ...]:
    """Return what was from a moment to another; at both ends there is a tick, with what held then.

    :param ticks: as ``reader.held`` returns them, at least one.
    :raises UsageError: when nothing of the journal is within.
    """
    first, last = ticks[0].at, ticks[-1].at
    begin, end = (_resolved(since, last) or first), (_resolved(until, last) or last)
    if begin > last or end < first or (begin >= end and (since, until) != (None, None)):
        first_asked = "" if since is None else f" from {_told(begin)} on"
        last_asked = "" if until is None else f" until {_told(end)}"
        raise UsageError(
            f"The journal has nothing{first_asked}{last_asked}.",
            f"It goes from {_told(first)} to {_told(last)}.",
            begin=first,
            end=last,
        )
    begin, end = max(begin, first), min(end, last)
    inside = (one for one in ticks if begin < one.at < end)
    return (_at(ticks, begin), *inside, *([_at(ticks, end)] if begin < end else []))


def _at(ticks: Sequence[Tick], moment: datetime) -> Tick:
    """Return the tick of a moment; between two, the former without what it did, and with what was spent since."""
    one = ticks[bisect_right(ticks, moment, key=lambda tick: tick.at) - 1]
    elapsed_s = (moment - one.at).total_seconds()
    if not elapsed_s:
        return one
    return replace(
        one, at=moment, seconds=max(0.0, one.seconds - elapsed_s), usd=one.usd + one.usd_per_hour * elapsed_s / HOUR_S,
        actions=(), results=(), interruptions=(),
    )  # fmt: skip


def _resolved(moment: Moment | None, last: datetime) -> datetime | None:
    try:
        return last - moment if isinstance(moment, timedelta) else moment
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
