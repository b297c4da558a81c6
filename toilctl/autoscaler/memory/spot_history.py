"""What became of spot nodes: which offerings EC2 empties, and what interruptions cost. The journal keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from toilctl.autoscaler.model.snapshot import NodeView, NoticeKind, Offering, SetAside, SpotRecord
from toilctl.values.jobs import Job
from toilctl.values.units import HOUR_S

TAKEN_CODE: Final = "Server.SpotInstanceTermination"
"""EC2's state reason of a spot instance that it took away (API reference, StateReason)."""
EMPTIED_S: Final = 900.0
"""How long an offering is avoided after EC2 took, or may take, a node of it."""
_CODES: Final = {NoticeKind.REBALANCE: "RebalanceRecommendation"}
_INTERRUPTION: Final = "SpotInterruption"
_AVOIDED: Final = "asked for only where a node type has no other"
_EVIDENCE_H: Final = 100.0
_EVIDENCE_INTERRUPTIONS: Final = 0.5
_EVIDENCE_LOST_H: Final = 0.5
"""What is held for true before there is a record: half an interruption in 100 node-hours, each losing half an hour."""
_REPLACEMENT_H: Final = 0.07
"""What a successor costs while it boots, some four minutes."""


@dataclass(frozen=True)
class Interruption:
    """A spot node that EC2 takes, took or may take."""

    instance_id: str
    node_type: str
    offering: Offering
    kind: NoticeKind
    at: datetime
    takes_at: datetime | None
    """None of a recommendation, and of a node that was gone without notice."""


class SpotHistory:
    """The records, and the interruptions of which this process has heard."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], SpotRecord] = {}
        self._heard: dict[str, Interruption] = {}
        self._emptied: dict[Offering, SetAside] = {}
        self._at_stake: dict[str, tuple[NodeView, float]] = {}
        """Spot nodes as they were last seen, and the node-hours of work that are lost with each."""
        self._seen_at: datetime | None = None
        self._new: list[Interruption] = []

    @property
    def records(self) -> tuple[SpotRecord, ...]:
        """The records, sorted."""
        return tuple(self._records[key] for key in sorted(self._records))

    def restore(self, records: Iterable[SpotRecord]) -> None:
        """Go on from the records of a process before."""
        self._records = {(one.instance_type, one.zone): one for one in records}

    def see(self, nodes: Iterable[NodeView], jobs: Iterable[Job], now: datetime) -> None:
        """Take in the spot nodes as they are now, with their notices, and what runs there."""
        elapsed_h = max(0.0, (now - self._seen_at).total_seconds() / HOUR_S) if self._seen_at else 0.0
        self._seen_at = now
        spot = {node.instance_id: node for node in nodes if node.node_type.preemptible}
        lost_h = _at_stake(spot, jobs, now) if spot else {}
        for known, node in spot.items():
            self._add(node, node_hours=elapsed_h)
            if node.notice and self._is_news(known, node.notice.kind):
                self._hear(node, node.notice.kind, now, node.notice.takes_at, lost_h[known])
        self._at_stake = {known: (node, lost_h[known]) for known, node in spot.items()}
        recent = now - timedelta(seconds=EMPTIED_S)
        self._heard = {known: one for known, one in self._heard.items() if known in spot or one.at > recent}

    def taken(self, instance_ids: Iterable[str], now: datetime) -> None:
        """Note nodes that EC2 has taken away; those with an earlier notice are known."""
        for known in instance_ids:
            if known in self._at_stake and self._is_news(known, NoticeKind.TERMINATE):
                node, lost_h = self._at_stake[known]
                self._hear(node, NoticeKind.TERMINATE, now, None, lost_h)

    def new(self) -> tuple[Interruption, ...]:
        """Return the interruptions heard of since the last call."""
        found, self._new = tuple(self._new), []
        return found

    def emptied(self, now: datetime) -> tuple[SetAside, ...]:
        """Return the offerings that are avoided now."""
        self._emptied = {offering: one for offering, one in self._emptied.items() if one.until > now}
        return tuple(self._emptied[offering] for offering in sorted(self._emptied))

    def loss_factor(self, instance_type: str) -> float:
        """Return by how much dearer than its price a spot node is, since work is lost with it: 1 is not at all."""
        own = [one for one in self._records.values() if one.instance_type == instance_type]
        if not own:
            return 1.0
        interruptions = sum(one.interruptions for one in own) + _EVIDENCE_INTERRUPTIONS
        per_hour = interruptions / (sum(one.node_hours for one in own) + _EVIDENCE_H)
        lost_h = sum(one.lost_node_hours for one in own) + _EVIDENCE_INTERRUPTIONS * _EVIDENCE_LOST_H
        return 1 + per_hour * (lost_h / interruptions + _REPLACEMENT_H)

    def _is_news(self, instance_id: str, kind: NoticeKind) -> bool:
        """Whether a notice tells more than is known: an end counts once, whatever was recommended before."""
        heard = self._heard.get(instance_id)
        return heard is None or (heard.kind is NoticeKind.REBALANCE and kind is not NoticeKind.REBALANCE)

    def _hear(self, node: NodeView, kind: NoticeKind, now: datetime, takes_at: datetime | None, lost_h: float) -> None:
        offering = Offering(node.instance_type, node.zone, spot=True)
        interruption = Interruption(node.instance_id, str(node.node_type), offering, kind, now, takes_at)
        self._heard[node.instance_id] = interruption
        self._new.append(interruption)
        until = now + timedelta(seconds=EMPTIED_S)
        self._emptied[offering] = SetAside(offering, until, _CODES.get(kind, _INTERRUPTION), _AVOIDED)
        if kind is not NoticeKind.REBALANCE:
            self._add(node, interruptions=1, lost_node_hours=lost_h)

    def _add(self, node: NodeView, **more: float) -> None:
        key = node.instance_type, node.zone
        record = self._records.get(key) or SpotRecord(*key)
        sums = {name: getattr(record, name) + value for name, value in more.items()}
        self._records[key] = replace(record, **sums)


def _at_stake(nodes: Mapping[str, NodeView], jobs: Iterable[Job], now: datetime) -> dict[str, float]:
    """Return the node-hours of work that would be lost with each node now."""
    lost = dict.fromkeys(nodes, 0.0)
    for job in jobs:
        node = nodes.get(job.node or "")
        if node is not None and job.since is not None and node.resources is not None and node.resources.cores:
            ran_h = max(0.0, (now - job.since).total_seconds() / HOUR_S)
            lost[node.instance_id] += ran_h * min(1.0, job.shape.cores / node.resources.cores)
    return lost
