"""What became of a cluster, by its autoscaler's journal: who waited, which nodes ran, what went wrong, what it cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from toilctl.autoscaler.journal.reader import JobsSeen, Tick
from toilctl.autoscaler.journal.report import InterruptionReport, moment
from toilctl.autoscaler.model.plan import Infeasible, Waiting
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType, stacking_order
from toilctl.values.units import HOUR_S

GAP_INTERVALS: Final = 3
"""The autoscaler did not run when there is no line for more than so many intervals."""
PAUSED: Final = "paused"
PROBLEM: Final = "problem"
GAP: Final = "autoscaler off"
_NEIGHBOURS: Final = 5
_NAMES: Final = 5


@dataclass(frozen=True)
class TypeUse:
    """The nodes of one node type."""

    node_type: NodeType
    most_at_once: int
    node_hours: float
    asked_for: int
    """How many the autoscaler set out to launch; EC2 may have refused some."""


@dataclass(frozen=True)
class ShapeWait:
    """Jobs of one shape that waited."""

    cores: float
    memory_mib: int
    disk_mib: int
    preemptible: bool
    names: tuple[str, ...]
    most_at_once: int
    job_hours: float
    """Of all of them together."""
    longest_s: float
    """For how long at a stretch some waited: no job waited longer."""
    reason: str
    """The one of most of the time: a ``WaitReason``, or what nodes lack."""
    never: bool
    """Whether, then, no node type could run them."""


@dataclass(frozen=True)
class Stretch:
    """A while in which something held: a pause, a problem, or no autoscaler. Times are ISO 8601, UTC."""

    kind: str
    begin: str
    end: str
    seconds: float
    why: str = ""


@dataclass(frozen=True)
class RepeatedFailure:
    """What went wrong, once or several times with the same words."""

    action: str
    message: str
    times: int
    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What became of a cluster from a moment to another. Times are ISO 8601, UTC."""

    begin: str
    end: str
    seconds: float
    ticks: int
    usd: float
    """What the workers with a known price cost in this time."""
    usd_in_all: float
    """What they cost until its end, as far back as the journal counts."""
    node_types: tuple[TypeUse, ...]
    node_hours: float
    most_nodes: int
    running_job_hours: float
    most_running: int
    waiting_job_hours: float
    most_waiting: int
    waits: tuple[ShapeWait, ...]
    """Those that waited most first."""
    told_to_go: Mapping[str, int] = field(default_factory=dict)
    """How many nodes, by ``EndReason``; without those that were needed again."""
    interruptions: tuple[InterruptionReport, ...] = ()
    failures: tuple[RepeatedFailure, ...] = ()
    stretches: tuple[Stretch, ...] = ()


def tell(ticks: Sequence[Tick], interval_s: float) -> Timeline:
    """Sum up what a journal tells; between two ticks, what the former saw holds.

    :param ticks: as ``reader.held`` returns them, at least one.
    :param interval_s: how far apart ticks usually are, where their own distances tell of no longer one.
    """
    jobs = [(_jobs(tick), seconds) for tick, seconds in _lasting(ticks)]
    uses = tuple(_uses(ticks))
    return Timeline(
        begin=moment(ticks[0].at),
        end=moment(ticks[-1].at),
        seconds=(ticks[-1].at - ticks[0].at).total_seconds(),
        ticks=len(ticks),
        usd=round(ticks[-1].usd - ticks[0].usd, 4),
        usd_in_all=round(ticks[-1].usd, 4),
        node_types=uses,
        node_hours=round(sum(use.node_hours for use in uses), 3),
        most_nodes=max(sum((tick.nodes or {}).values()) for tick in ticks),
        running_job_hours=_hours((one.running, seconds) for one, seconds in jobs),
        most_running=max(one.running for one, _ in jobs),
        waiting_job_hours=_hours((one.waiting, seconds) for one, seconds in jobs),
        most_waiting=max(one.waiting for one, _ in jobs),
        waits=_shape_waits(ticks),
        told_to_go=_told_to_go(ticks),
        interruptions=_interruptions(ticks),
        failures=_failures(ticks),
        stretches=tuple(sorted(_stretches(ticks, interval_s), key=lambda one: one.begin)),
    )


def _lasting(ticks: Sequence[Tick]) -> Iterator[tuple[Tick, float]]:
    """Yield ticks with how long what they saw holds, in seconds; the last one's, for none."""
    for tick, following in pairwise(ticks):
        yield tick, (following.at - tick.at).total_seconds()
    yield ticks[-1], 0.0


def _jobs(tick: Tick) -> JobsSeen:
    return tick.jobs or JobsSeen()


def _hours(counts: Iterable[tuple[int, float]]) -> float:
    return round(sum(count * seconds for count, seconds in counts) / HOUR_S, 3)


def _uses(ticks: Sequence[Tick]) -> Iterator[TypeUse]:
    lasting = list(_lasting(ticks))
    asked = Counter[NodeType]()
    for tick in ticks:
        for one in tick.actions:
            if one.action == "launch" and one.node_type:
                asked[NodeType.parse(one.node_type)] += one.count
    for kind in sorted({*asked, *(kind for tick in ticks for kind in tick.nodes or {})}, key=stacking_order):
        counts = [((tick.nodes or {}).get(kind, 0), seconds) for tick, seconds in lasting]
        yield TypeUse(kind, max(count for count, _ in counts), _hours(counts), asked[kind])


class _Waited:
    """What jobs of one shape waited so far."""

    def __init__(self) -> None:
        self.most, self.job_s, self.longest_s = 0, 0.0, 0.0
        self.reasons: defaultdict[tuple[str, bool], float] = defaultdict(float)
        self.names: dict[str, None] = {}
        self._began: datetime | None = None
        self._until: datetime | None = None

    def add(self, waits: Sequence[Waiting | Infeasible], begin: datetime, end: datetime) -> None:
        """Add what a tick saw, and until when it held."""
        count, seconds = sum(one.count for one in waits), (end - begin).total_seconds()
        self.most, self.job_s = max(self.most, count), self.job_s + count * seconds
        began = self._began if self._began and self._until == begin else begin
        self._began, self._until = began, end
        self.longest_s = max(self.longest_s, (end - began).total_seconds())
        for one in waits:
            reason, never = (one.lacking, True) if isinstance(one, Infeasible) else (str(one.reason), False)
            self.reasons[reason, never] += one.count * seconds
            self.names.update(dict.fromkeys(one.names if len(self.names) < _NAMES else ()))

    def told(self, shape: Shape) -> ShapeWait:
        reason, never = max(self.reasons, key=self.reasons.__getitem__)
        return ShapeWait(
            shape.cores, shape.memory_mib, shape.disk_mib, shape.preemptible, tuple(self.names)[:_NAMES], self.most,
            round(self.job_s / HOUR_S, 3), round(self.longest_s, 1), reason, never,
        )  # fmt: skip


def _shape_waits(ticks: Sequence[Tick]) -> tuple[ShapeWait, ...]:
    found: defaultdict[Shape, _Waited] = defaultdict(_Waited)
    for tick, following in pairwise((*ticks, ticks[-1])):
        by_shape: defaultdict[Shape, list[Waiting | Infeasible]] = defaultdict(list)
        for one in _jobs(tick).waits:
            by_shape[one.shape].append(one)
        for shape, waits in by_shape.items():
            found[shape].add(waits, tick.at, following.at)
    told = (waited.told(shape) for shape, waited in sorted(found.items()))
    return tuple(sorted(told, key=lambda one: one.job_hours, reverse=True))


def _told_to_go(ticks: Iterable[Tick]) -> dict[str, int]:
    going: dict[str, str] = {}
    for one in (action for tick in ticks for action in tick.actions):
        for instance_id in one.instance_ids:
            if one.action in ("scale-in", "replace"):
                going[instance_id] = one.reason
            elif one.action == "undrain":
                going.pop(instance_id, None)
    return dict(sorted(Counter(going.values()).items()))


def _interruptions(ticks: Iterable[Tick]) -> tuple[InterruptionReport, ...]:
    """Return each once: a notice may stand in several lines."""
    found: dict[tuple[str, str], InterruptionReport] = {}
    for one in (one for tick in ticks for one in tick.interruptions):
        found.setdefault((one.instance_id, one.kind), one)
    return tuple(sorted(found.values(), key=lambda one: one.at))


def _failures(ticks: Iterable[Tick]) -> tuple[RepeatedFailure, ...]:
    found: dict[tuple[str, str], list[str]] = {}
    for tick in ticks:
        for one in tick.results:
            if not one.ok:
                found.setdefault((one.action, one.message), []).append(moment(tick.at))
    return tuple(RepeatedFailure(*key, len(times), times[0], times[-1]) for key, times in found.items())


def _stretches(ticks: Sequence[Tick], interval_s: float) -> Iterator[Stretch]:
    yield from _while(ticks, PAUSED, lambda tick: PAUSED if tick.paused else "")
    yield from _while(ticks, PROBLEM, lambda tick: tick.problem)
    yield from _gaps(ticks, interval_s)


def _while(ticks: Sequence[Tick], kind: str, why: Callable[[Tick], str]) -> Iterator[Stretch]:
    groups = [(text, next(group).at) for text, group in groupby(ticks, key=why)]
    for (text, begin), (_, end) in pairwise([*groups, ("", ticks[-1].at)]):
        if text:
            yield _stretch(kind, begin, end, text if text != kind else "")


def _gaps(ticks: Sequence[Tick], interval_s: float) -> Iterator[Stretch]:
    """Yield when no tick was; how far apart they are told to be may change, so those around a gap say what is usual."""
    pairs = list(pairwise(ticks))
    apart = [(after.at - before.at).total_seconds() for before, after in pairs]
    for place, (before, after) in enumerate(pairs):
        around = apart[max(0, place - _NEIGHBOURS) : place] + apart[place + 1 : place + 1 + _NEIGHBOURS]
        usual_s = max(interval_s, median(around or [0.0]))
        if apart[place] - before.seconds > GAP_INTERVALS * usual_s:
            yield _stretch(GAP, before.at, after.at)


def _stretch(kind: str, begin: datetime, end: datetime, why: str = "") -> Stretch:
    return Stretch(kind, moment(begin), moment(end), (end - begin).total_seconds(), why)
