"""The playbooks under way, and what must be remembered of them until EC2's listing shows what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from toilctl.autoscaler.model.playbook_events import Ended, Event, LaunchAnswered, LaunchingOver
from toilctl.values.cluster import Node
from toilctl.values.node_types import NodeType

OWN_INTENT: Final = "auto-"
"""How the intents of the autoscaler's own scale-outs begin."""
UNANSWERED_S: Final = 15.0
"""How long after a request without an answer EC2's listing may lack what the request made; its lag is about 1 s."""
UNLISTED_S: Final = 60.0
"""How long an instance may be missing from the listing before it counts as gone."""
SETTLING_S: Final = 60.0
"""How long a node that was just set up may take to join before that is tried again."""
MAX_SCALE_OUTS: Final = 3


class PlaybookKind(StrEnum):
    """What a playbook does."""

    LAUNCH = "launch"
    SET_UP = "set-up"
    SCALE_IN = "scale-in"


@dataclass
class PlaybookRun:
    """A playbook that runs, or ended a moment ago."""

    name: str
    """Unique; of a scale-out its intent."""
    kind: PlaybookKind
    begun_at: datetime
    launches: Mapping[NodeType, int] = field(default_factory=dict)
    instance_ids: frozenset[str] = frozenset()
    launching: bool = False
    answered: dict[NodeType, tuple[frozenset[str] | None, datetime]] = field(default_factory=dict)
    ended_at: datetime | None = None
    terminated: frozenset[str] = frozenset()

    @property
    def launched(self) -> frozenset[str]:
        """The nodes that EC2 has answered with."""
        return frozenset[str]().union(*(launched or () for launched, _ in self.answered.values()))

    def text(self) -> str:
        """Say it in a few words."""
        what = ", ".join(f"{count} {node_type}" for node_type, count in self.launches.items())
        return f"{self.kind} {what or ', '.join(sorted(self.instance_ids))} since {self.begun_at:%H:%M:%S} UTC"


class UnderWay:
    """All of this process's playbooks."""

    def __init__(self) -> None:
        self._runs: list[PlaybookRun] = []
        self._gone: set[str] = set()
        """Of what they launched, what EC2 has ended since."""

    @property
    def now(self) -> tuple[PlaybookRun, ...]:
        """Those that have not ended."""
        return tuple(run for run in self._runs if run.ended_at is None)

    @property
    def may_launch(self) -> bool:
        """Whether another scale-out may begin: EC2 is asked by one at a time, for they share a ledger."""
        return self.may_set_up and not any(run.launching for run in self.now)

    @property
    def may_set_up(self) -> bool:
        """Whether there are few enough scale-outs for one more."""
        return sum(run.kind is not PlaybookKind.SCALE_IN for run in self.now) < MAX_SCALE_OUTS

    @property
    def may_scale_in(self) -> bool:
        """Whether no node is being drained."""
        return not any(run.kind is PlaybookKind.SCALE_IN for run in self.now)

    def begin(self, run: PlaybookRun) -> None:
        """Remember a playbook that begins."""
        self._runs.append(run)

    def absorb(self, event: Event, now: datetime) -> PlaybookRun | None:
        """Take in what a playbook told; return which it was, None for one that is long over."""
        run = next((one for one in reversed(self._runs) if one.name == event.run and one.ended_at is None), None)
        if run is None:
            return None
        match event:
            case LaunchAnswered():
                run.answered[event.node_type] = event.launched, now
                run.launching = bool(run.launches.keys() - run.answered.keys())
            case LaunchingOver():
                run.launching = False
            case Ended():
                run.launching, run.ended_at, run.terminated = False, now, event.terminated
        return run

    def ended(self, instance_ids: Iterable[str]) -> None:
        """Take note of nodes that EC2 has ended, such as spot nodes: they are not to come any more."""
        self._gone |= set(instance_ids) & {known for run in self._runs for known in run.launched}

    def requested(self, nodes: Iterable[Node], now: datetime) -> dict[NodeType, int]:
        """Return how many nodes were asked for and are not among the listed ones yet."""
        nodes = tuple(nodes)
        listed = {node.instance_id for node in nodes}
        # What was told to go was listed once; it is not to come any more, however long its launch still waits for it.
        listed |= {
            instance_id for run in self._runs if run.kind is PlaybookKind.SCALE_IN for instance_id in run.instance_ids
        }
        listed |= self._gone
        by_intent = Counter((node.intent, node.node_type) for node in nodes)
        wanted = Counter[NodeType]()
        for run in self._runs:
            for node_type, count in run.launches.items():
                known = by_intent[run.name, node_type]
                wanted[node_type] += _unlisted(run, node_type, count - known, listed, now)
        return {node_type: count for node_type, count in wanted.items() if count > 0}

    def setting_up(self, node: Node, now: datetime) -> str:
        """Return the intent of the playbook that sets a node up, or did so a moment ago; else an empty string."""
        for run in self._runs:
            if (
                run.name == node.intent
                and run.kind is not PlaybookKind.SCALE_IN
                and _within(run.ended_at, SETTLING_S, now)
            ):
                return run.name
        return ""

    def leaving(self, instance_id: str, now: datetime) -> bool:
        """Whether a node is being drained or terminated, or was a moment ago."""
        runs = [run for run in self._runs if run.kind is PlaybookKind.SCALE_IN and instance_id in run.instance_ids]
        return any(
            run.ended_at is None or (instance_id in run.terminated and _within(run.ended_at, UNLISTED_S, now))
            for run in runs
        )

    def forget(self, now: datetime) -> None:
        """Drop what nothing depends on any more."""
        lasts = max(UNANSWERED_S, UNLISTED_S, SETTLING_S)
        self._runs = [run for run in self._runs if _within(run.ended_at, lasts, now)]
        self._gone &= {known for run in self._runs for known in run.launched}


def _unlisted(run: PlaybookRun, node_type: NodeType, missing: int, listed: set[str], now: datetime) -> int:
    launched, at = run.answered.get(node_type, (None, run.ended_at))
    if launched is not None:
        return len(launched - listed) if _within(at, UNLISTED_S, now) else 0
    return max(0, missing) if _within(at, UNANSWERED_S, now) else 0


def _within(since: datetime | None, seconds: float, now: datetime) -> bool:
    """Whether a moment is still to come, or that recent."""
    return since is None or now - since < timedelta(seconds=seconds)
