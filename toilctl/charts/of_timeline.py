"""A timeline as a picture, like that of a simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from toilctl.autoscaler.journal.reader import JobsSeen, Tick
from toilctl.autoscaler.journal.timeline import Timeline
from toilctl.autoscaler.model.snapshot import NoticeKind
from toilctl.charts.picture import INTERRUPTION, Mark, Picture, Span, Steps, sampled, stepped, thinned

LAUNCH_FAILED: Final = "launch failed"
FAILED: Final = "another failure"
RECOMMENDATION: Final = "rebalance recommendation"


def picture_of(ticks: Sequence[Tick], told: Timeline, title: str) -> Picture:
    """Draw up what a journal tells.

    :param ticks: those that ``told`` was made of.
    """
    began = ticks[0].at
    times_s = [_seconds(began, tick.at) for tick in ticks]

    def steps(value: Callable[[Tick], float]) -> Steps:
        return thinned(stepped(zip(times_s, map(value, ticks), strict=True)))

    return Picture(
        title=title,
        waiting=steps(lambda tick: (tick.jobs or JobsSeen()).waiting),
        running=steps(lambda tick: (tick.jobs or JobsSeen()).running),
        nodes={
            use.node_type: steps(lambda tick, kind=use.node_type: (tick.nodes or {}).get(kind, 0))  # type: ignore[misc]
            for use in told.node_types
        },
        usd=sampled(Steps(tuple(times_s), tuple(tick.usd - ticks[0].usd for tick in ticks))),
        marks=tuple(_marks(ticks, told)),
        spans=tuple(Span(_since(began, one.begin), _since(began, one.end), one.kind) for one in told.stretches),
        began_at=began,
    )


def _marks(ticks: Sequence[Tick], told: Timeline) -> Iterator[Mark]:
    """Yield interruptions first, which so have the first colour, and then what failed."""
    began = ticks[0].at
    for one in sorted(told.interruptions, key=lambda one: _mark_text(one.kind) != INTERRUPTION):
        yield Mark(min(max(0.0, _since(began, one.at)), told.seconds), _mark_text(one.kind))
    failed = [(_seconds(began, tick.at), one.action) for tick in ticks for one in tick.results if not one.ok]
    yield from (Mark(at_s, LAUNCH_FAILED) for at_s, action in failed if action == "launch")
    yield from (Mark(at_s, FAILED) for at_s, action in failed if action != "launch")


def _mark_text(kind: str) -> str:
    """Name a kind of notice."""
    return RECOMMENDATION if kind == NoticeKind.REBALANCE else INTERRUPTION


def _seconds(began: datetime, at: datetime) -> float:
    return (at - began).total_seconds()


def _since(began: datetime, at: str) -> float:
    return _seconds(began, datetime.fromisoformat(at))
