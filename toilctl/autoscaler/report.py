"""What one tick of the autoscaler tells people: the leader keeps the last one, and its journal has a line for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

STATE_DIR: Final = "/var/lib/toilctl/autoscaler"
"""On the leader; the root user's."""
LAST_REPORT: Final = f"{STATE_DIR}/last.json"
JOURNAL: Final = f"{STATE_DIR}/journal.jsonl"


@dataclass(frozen=True)
class JobsReport:
    """Waiting jobs of one shape."""

    cores: float
    memory_mib: int
    disk_mib: int
    preemptible: bool
    count: int
    names: tuple[str, ...]
    reason: str
    """A ``plan.Reason``; of infeasible jobs, what is lacking: cores, memory, disk or preemptible."""
    next_step: str


@dataclass(frozen=True)
class NodeReport:
    """A node, and why it is kept or going."""

    instance_id: str
    node_type: str
    instance_type: str
    zone: str
    phase: str
    """A ``lifecycle.Phase``."""
    verdict: str
    """kept, going, set-up or undrained."""
    reason: str
    """A ``plan.Reason``."""
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
    """A ``model.NoticeKind``."""
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
class BudgetReport:
    """What the cluster may cost, its leader among it; 0 is no bound."""

    max_usd_per_hour: float
    most_usd_per_hour: float
    """What the nodes that there are, and were asked for, cost at the most: spot at its bid."""
    budget_usd: float
    spent_usd: float


@dataclass(frozen=True)
class SpotRecord:
    """What is known of an instance type in a zone, bought as spot, since the journal's first line."""

    instance_type: str
    zone: str
    node_hours: float = 0.0
    interruptions: int = 0
    lost_node_hours: float = 0.0
    """Work that was lost with interruptions: of each job the time that it had run, by its share of the node's cores."""


@dataclass(frozen=True)
class Report:
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
    waiting: tuple[JobsReport, ...] = ()
    infeasible: tuple[JobsReport, ...] = ()
    set_aside: tuple[SetAsideReport, ...] = ()
    interruptions: tuple[InterruptionReport, ...] = ()
    """Heard of since the tick before."""
    spot_records: tuple[SpotRecord, ...] = ()
    notes: tuple[str, ...] = ()
    usd_per_hour: float = 0.0
    """Of the workers whose price is known."""
    usd: float = 0.0
    """What the workers cost since the journal's first line, reckoned so."""
    seconds: float = 0.0
    """How long the tick took."""
    costs: tuple[CostReport, ...] = ()
    """The leader's, and that of workers by their node type."""
    budget: BudgetReport | None = None
    """None where the cluster may cost what it does."""
    nodes: tuple[NodeReport, ...] = ()
    """In the last report only; a journal with a thousand nodes in each line would fill the disk."""
    errors: tuple[ResultReport, ...] = ()
    """The last ones, newest first; in the last report only."""

    def document(self, *, full: bool) -> dict[str, Any]:
        """Return it as JSON knows it; ``full`` with nodes and errors."""
        document = asdict(self)
        if not full:
            del document["nodes"], document["errors"]
        return document

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read ``document`` back; fields of another version are passed over."""
        known = {one.name for one in fields(cls)}
        parts: dict[str, type[Any]] = {
            "actions": ActionReport, "results": ResultReport, "waiting": JobsReport, "infeasible": JobsReport,
            "set_aside": SetAsideReport, "nodes": NodeReport, "errors": ResultReport,
            "interruptions": InterruptionReport, "spot_records": SpotRecord,
            "costs": CostReport,
        }  # fmt: skip
        values = {name: value for name, value in document.items() if name in known}
        for name, kind in parts.items():
            values[name] = tuple(_part(kind, one) for one in values.get(name, ()))
        budget = values.get("budget")
        values["budget"] = None if budget is None else _part(BudgetReport, budget)
        for name in ("under_way", "notes"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


def _part(kind: type[Any], document: Mapping[str, Any]) -> Any:
    known = {one.name for one in fields(kind)}
    values = {name: value for name, value in document.items() if name in known}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
