"""What this process saw of each node before; a start without it only makes some decisions later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from toilctl.engines.client import EngineNode
from toilctl.values.cluster import Node, NodeState
from toilctl.values.node_types import NodeType


@dataclass
class Acquaintance:
    """Since when nodes are missing or idle, and which have joined."""

    joined: set[str] = field(default_factory=set)
    missing_since: dict[str, datetime] = field(default_factory=dict)
    idle_since: dict[str, datetime] = field(default_factory=dict)
    booting: dict[str, NodeType] = field(default_factory=dict)
    """Nodes that have not joined."""

    def see(
        self, nodes: Iterable[Node], members: Mapping[str, EngineNode], now: datetime, *, engine_answers: bool
    ) -> Changes:
        """Take in what EC2 and the engine say now; return which nodes have joined since, and which ended too early."""
        nodes = tuple(nodes)
        new = {node.instance_id for node in nodes if node.instance_id in members} - self.joined
        listed = {node.instance_id for node in nodes}
        ended = {known: kind for known, kind in self.booting.items() if known not in listed}
        gone = (self.joined | self.booting.keys()) - listed
        self._time(listed, members, now, engine_answers=engine_answers)
        self.joined = (self.joined | new) & listed
        self.booting = {node.instance_id: node.node_type for node in nodes if node.instance_id not in self.joined}
        return Changes(frozenset(node.node_type for node in nodes if node.instance_id in new), ended, frozenset(gone))

    def _time(
        self, listed: set[str], members: Mapping[str, EngineNode], now: datetime, *, engine_answers: bool
    ) -> None:
        if not engine_answers:
            # Nobody can join an engine that does not answer, and what ran meanwhile is not known: all times begin anew.
            self.missing_since.clear()
            self.idle_since.clear()
            return
        present = {known for known, member in members.items() if member.state is not NodeState.DOWN}
        idle = {known for known in present if members[known].idle}
        self.missing_since = {known: self.missing_since.get(known, now) for known in listed - present}
        self.idle_since = {known: self.idle_since.get(known, now) for known in idle & listed}


@dataclass(frozen=True)
class Changes:
    """What happened between two looks."""

    joined: frozenset[NodeType]
    """Node types of which a node has joined."""
    ended: Mapping[str, NodeType]
    """Nodes that are gone and never joined."""
    gone: frozenset[str]
    """All nodes that were there before and are not any more."""
