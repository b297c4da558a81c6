"""EC2's notices about spot nodes as they reach the leader: from the nodes themselves, else from their spot requests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from toilctl.autoscaler.model.snapshot import NOTICE_S, NoticeKind, SpotNotice
from toilctl.engines.client import UNREADABLE
from toilctl.system import aws, files
from toilctl.values.cluster import Node

DIRECTORY: Final = "/var/lib/toilctl/notices"
"""Where role watch's service on the leader puts what workers tell: a file for each, by its private address."""
REQUESTS_S: Final = 5.0
"""Between two looks at the spot requests, as between two looks of a worker at its metadata."""
SLACK_S: Final = 60.0
"""What the clocks of EC2 and the leader may differ by; the leader's service has the same."""
_MOST_BYTES: Final = 65536
WITHDRAWN_S: Final = 600.0
"""A node that is still there so long after its end stays: EC2 does not say when it changes its mind."""
_MARKED: Final = {
    "marked-for-termination": NoticeKind.TERMINATE,
    "marked-for-stop": NoticeKind.STOP,
    "instance-terminated-by-price": NoticeKind.TERMINATE,
    "instance-terminated-no-capacity": NoticeKind.TERMINATE,
    "instance-terminated-capacity-oversubscribed": NoticeKind.TERMINATE,
}
"""Status codes of spot requests whose instances EC2 takes away (EC2 user guide, "Spot request status codes").

A request is called terminated as soon as EC2 gives notice, while its instance still runs.
"""


@dataclass
class SpotNotices:
    """What this process knows of interruptions to come; all of it is told again after a start."""

    directory: Path = Path(DIRECTORY)
    _files: frozenset[tuple[str, int]] = frozenset()
    _marked: dict[str, SpotNotice] = field(default_factory=dict)
    _asked_at: datetime | None = None
    _ends: dict[str, datetime] = field(default_factory=dict)
    """When each node was to end by its own first word: none may put that off, and so be interrupted for ever."""

    def news(self, region: str, spot_ids: frozenset[str], now: datetime) -> bool:
        """Look whether there is a notice that was not there before.

        EC2 is asked only where there are spot nodes, and never while a node's own word waits to be heeded.
        """
        listed = self._listed()
        told, self._files = listed - self._files, listed
        known = set(self._marked)
        if told:
            return True
        if spot_ids and (self._asked_at is None or now - self._asked_at >= timedelta(seconds=REQUESTS_S)):
            self._asked_at = now
            self._ask(region, spot_ids, now)
        return bool(self._marked.keys() - known)

    def of(self, nodes: Iterable[Node], now: datetime) -> dict[str, SpotNotice]:
        """Return the notices about nodes, by instance id; an end counts before a recommendation."""
        found: dict[str, SpotNotice] = {}
        nodes = tuple(nodes)
        self._ends = {
            node.instance_id: self._ends[node.instance_id] for node in nodes if node.instance_id in self._ends
        }
        for node in nodes:
            told, marked = self._told(node), self._marked.get(node.instance_id)
            said = [one for one in (told, marked) if one and not _withdrawn(one, now)]
            if said:
                found[node.instance_id] = next((one for one in said if one.takes_at), said[0])
        return found

    def _listed(self) -> frozenset[tuple[str, int]]:
        try:
            return frozenset((one.name, one.stat().st_mtime_ns) for one in self.directory.glob("*.json"))
        except OSError:  # It goes while it is looked at.
            return frozenset()

    def _told(self, node: Node) -> SpotNotice | None:
        if not (node.spot and node.private_address):
            return None
        try:
            said = json.loads(files.read_regular(self.directory / f"{node.private_address}.json", _MOST_BYTES))
            # Whoever runs on another node cannot speak for this one, nor for the one before at its address.
            if said["address"] != node.private_address or said["instance_id"] != node.instance_id:
                return None
            notice = _notice(said)
        except (OSError, *UNREADABLE):
            return None
        if notice.takes_at is None:
            return notice
        return replace(notice, takes_at=self._ends.setdefault(node.instance_id, notice.takes_at))

    def _ask(self, region: str, spot_ids: frozenset[str], now: datetime) -> None:
        wanted = [{"Name": "status-code", "Values": sorted(_MARKED)}]
        try:
            # Hasty, since a throttled EC2 would keep the nodes' own words waiting.
            found = list(aws.pages("ec2", region, "describe_spot_instance_requests", "SpotInstanceRequests",
                                   hasty=True, Filters=wanted))  # fmt: skip
        except Exception:  # The nodes themselves tell, too; and what else is wrong with EC2, a tick says.
            return
        marked = {one["InstanceId"]: one for one in found if one.get("InstanceId") in spot_ids}
        self._marked = {known: self._marked.get(known) or _request(one, now) for known, one in marked.items()}


def _notice(said: Mapping[str, Any]) -> SpotNotice:
    """Read a node's word.

    :raises Exception: one of ``UNREADABLE`` when it is none, or of a time that EC2 cannot have announced.
    """
    kind, takes_at = NoticeKind(said["kind"]), said["takes_at"]
    if (takes_at is None) != (kind is NoticeKind.REBALANCE):
        raise ValueError(said)
    heard = _moment(said["heard_at"])
    if takes_at is None:
        return SpotNotice(kind, heard)
    takes = _moment(takes_at)
    if not -SLACK_S <= (takes - heard).total_seconds() <= NOTICE_S + SLACK_S:
        raise ValueError(said)
    return SpotNotice(kind, heard, takes)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _request(request: Mapping[str, Any], now: datetime) -> SpotNotice:
    since = request["Status"].get("UpdateTime") or now
    return SpotNotice(_MARKED[request["Status"]["Code"]], now, since + timedelta(seconds=NOTICE_S))


def _withdrawn(notice: SpotNotice, now: datetime) -> bool:
    return notice.takes_at is not None and now > notice.takes_at + timedelta(seconds=WITHDRAWN_S)
