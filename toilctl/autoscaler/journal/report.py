"""What one tick of the autoscaler tells people: the leader keeps the last one, and its journal has a line for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Self

from toilctl.autoscaler.journal import strict
from toilctl.autoscaler.model.advice import Advice, Remedy
from toilctl.autoscaler.model.plan import Infeasible, Lack, Money, Waiting
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.autoscaler.model.snapshot import SpotRecord
from toilctl.values.errors import ToilctlError
from toilctl.values.node_types import NodeType

if TYPE_CHECKING:
    from cattrs import Converter

STATE_DIR: Final = "/var/lib/toilctl/autoscaler"
"""On the leader; the root user's."""
LAST_REPORT: Final = f"{STATE_DIR}/last.json"
JOURNAL: Final = f"{STATE_DIR}/journal.jsonl"


@dataclass(frozen=True)
class NodeReport:
    """A node, and why it is kept or going."""

    instance_id: str
    node_type: str
    instance_type: str
    zone: str
    phase: str
    """A ``phases.Phase``."""
    verdict: str
    """kept, going, set-up or undrained."""
    reason: str
    """A ``KeepReason``, or an ``EndReason`` of one that is going."""
    detail: str
    jobs: int
    usd_per_hour: float | None


@dataclass(frozen=True)
class ActionReport:
    """Something that was begun."""

    action: str
    """launch, drain, evacuate, undrain, scale-in, replace or set-up."""
    reason: str
    node_type: str = ""
    count: int = 0
    instance_ids: tuple[str, ...] = ()

    def text(self) -> str:
        """Say it in a few words."""
        what = f"{self.count} {self.node_type}" if self.node_type else ", ".join(self.instance_ids)
        return f"{self.action} {what} ({self.reason})"


@dataclass(frozen=True)
class ResultReport:
    """How something ended that an earlier tick, or this one, began."""

    at: str
    action: str
    ok: bool
    message: str
    seconds: float = 0.0
    codes: tuple[str, ...] = ()
    """EC2's, of a launch that it refused, such as InsufficientInstanceCapacity; each once."""


@dataclass(frozen=True)
class SetAsideReport:
    """What is not asked for until then: an offering, or a node type whose nodes fail to join."""

    what: str
    until: str
    why: str


@dataclass(frozen=True)
class InterruptionReport:
    """A spot node that EC2 takes, took or may take away."""

    instance_id: str
    node_type: str
    instance_type: str
    zone: str
    kind: str
    """A ``snapshot.NoticeKind``."""
    at: str
    """When this process heard of it."""
    takes_at: str = ""
    """When EC2 takes it; empty of a recommendation, and where there was no notice."""


@dataclass(frozen=True)
class CostReport:
    """What the nodes of one type cost now, and have cost since the journal's first line."""

    role: str
    """leader or worker."""
    node_type: str
    market: str
    """spot or on-demand."""
    nodes: int = 0
    usd_per_hour: float = 0.0
    """Of those with a known price, together; spot at the market's price, or at the bid where that is not known."""
    unpriced: int = 0
    """How many have no known price."""
    node_hours: float = 0.0
    unpriced_hours: float = 0.0
    usd: float = 0.0


@dataclass(frozen=True)
class TickReport:
    """One tick. Times are ISO 8601, UTC."""

    at: str
    tick: int
    version: str
    cluster: str
    paused: bool
    problem: str = ""
    """Why nothing was decided, or only a part: broken settings, an engine or EC2 that does not answer."""
    jobs_known: bool = True
    """Whether the engine told its jobs; otherwise their numbers are 0 and mean nothing."""
    nodes_known: bool = True
    """Whether EC2 was asked at all; otherwise the numbers of nodes mean nothing."""
    running_jobs: int = 0
    waiting_jobs: int = 0
    node_counts: Mapping[str, int] = field(default_factory=dict)
    """By node type."""
    phases: Mapping[str, int] = field(default_factory=dict)
    desired: Mapping[str, int] = field(default_factory=dict)
    actions: tuple[ActionReport, ...] = ()
    results: tuple[ResultReport, ...] = ()
    under_way: tuple[str, ...] = ()
    """Playbooks that run."""
    waiting: tuple[Waiting, ...] = ()
    infeasible: tuple[Infeasible, ...] = ()
    set_aside: tuple[SetAsideReport, ...] = ()
    interruptions: tuple[InterruptionReport, ...] = ()
    """Heard of since the tick before."""
    spot_records: tuple[SpotRecord, ...] = ()
    notes: tuple[str, ...] = ()
    advice: Mapping[str, tuple[Advice, ...]] = field(default_factory=dict)
    """What helps where a note, or a sentence of the problem, says that something is wrong, by that."""
    usd_per_hour: float = 0.0
    """Of the workers whose price is known."""
    usd: float = 0.0
    """What the workers cost since the journal's first line, reckoned so."""
    seconds: float = 0.0
    """How long the tick took."""
    costs: tuple[CostReport, ...] = ()
    """The leader's, and that of workers by their node type."""
    budget: Money | None = None
    """None where the cluster may cost what it does."""
    nodes: tuple[NodeReport, ...] = ()
    """In the last report only; a journal with a thousand nodes in each line would fill the disk."""
    errors: tuple[ResultReport, ...] = ()
    """The last ones, newest first; in the last report only."""

    def document(self, *, full: bool = True) -> dict[str, Any]:
        """Return it as JSON knows it, as much of it as can be read back; ``full`` with nodes and errors."""
        document: dict[str, Any] = {name: strict.first(value) for name, value in _converter().unstructure(self).items()}
        if not full:
            del document["nodes"], document["errors"]
        return document

    @classmethod
    def of(cls, document: object) -> Self:
        """Read ``document`` back, of this version or another.

        :raises ValueError: when it is no report.
        """
        try:
            return _converter().structure(document, cls)
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            ArithmeticError,
            RecursionError,
            ToilctlError,
        ) as error:
            raise ValueError(f"no report: {type(error).__name__}: {error}") from error


def moment(at: datetime) -> str:
    """Return a moment as reports have it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def read_moment(text: str) -> datetime:
    """Read a report's moment; one that names no zone is in UTC.

    :raises ValueError: for what is none.
    """
    found = datetime.fromisoformat(text)
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None


@cache
def _converter() -> Converter:
    found = strict.converter()
    found.register_structure_hook(WaitReason, lambda value, _: WaitReason.read(found.structure(value, str)))
    found.register_structure_hook_func(lambda kind: kind == tuple[Advice, ...], _advice)
    node_type = _or_empty(lambda value: str(NodeType.parse(value)))
    strict.register(found, ActionReport, reads={"node_type": node_type})
    strict.register(found, InterruptionReport, reads={"at": _moment, "takes_at": _or_empty(_moment)})
    strict.register(found, Lack, reads={"node_type": node_type})
    strict.register(found, Remedy, reads={"advice": Advice, "node_type": node_type})
    found.register_structure_hook(Remedy | None, lambda value, _: _known(found, value))
    strict.register(found, Waiting, flat="shape")
    strict.register(found, Infeasible, flat="shape", names={"lacking": "reason"})
    strict.register(found, TickReport, reads={"at": _moment})
    return found


def _known(converter: Converter, value: Any) -> Remedy | None:
    """Read a remedy; other versions' is none here, as their advice is."""
    return converter.structure(value, Remedy) if value and value["advice"] in set(Advice) else None


def _or_empty(read: Callable[[str], str]) -> Callable[[str], str]:
    return lambda value: "" if value == "" else read(value)


def _moment(value: str) -> str:
    return moment(read_moment(value))


def _advice(value: Sequence[str], _: object) -> tuple[Advice, ...]:
    known = set(Advice)
    return tuple(dict.fromkeys(Advice(one) for one in value if one in known))
