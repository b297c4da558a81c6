"""What is to be launched, and where the slots of waiting jobs go: filled in step by step while a tick is decided."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from toilctl.autoscaler.decide.demand import Queue
from toilctl.autoscaler.decide.eligibility import Choice
from toilctl.autoscaler.decide.supply import Supplies
from toilctl.autoscaler.model.plan import ScaleOut
from toilctl.autoscaler.model.reasons import LaunchReason
from toilctl.autoscaler.packing.pack import Group
from toilctl.values.node_types import NodeType


@dataclass
class Placing:
    """Where the slots of one queue go; what is not counted anywhere finds no place."""

    queue: Queue
    slots: int
    choice: Choice
    reused: int = 0
    """Jobs, not slots, that running short jobs make place for."""
    at_once: int = 0
    """Jobs that joined nodes have room for now."""
    joined: int = 0
    booting: int = 0
    undrained: int = 0
    launched: int = 0
    later: int = 0
    """Slots on nodes that smoothing puts off."""

    @property
    def left(self) -> int:
        """How many slots have no place."""
        return self.slots - self.joined - self.booting - self.undrained - self.launched - self.later

    def group(self, slots: int | None = None) -> Group:
        """Return it as the packer knows it, with what is left or so many slots."""
        return Group(
            self.queue.shape, self.left if slots is None else slots, self.choice.allowed, self.queue.service
        )  # fmt: skip


@dataclass
class LaunchDraft:
    """What is to be launched, by node type and reason, and what that rests on."""

    placings: tuple[Placing, ...] = ()
    needed: frozenset[str] = frozenset()
    """Joined nodes on which waiting jobs find room."""
    undrain: tuple[str, ...] = ()
    minimum: Counter[NodeType] = field(default_factory=Counter)
    demand: Counter[NodeType] = field(default_factory=Counter)
    compensation: Counter[NodeType] = field(default_factory=Counter)
    fallen_back: bool = False
    """Whether nodes compensate since spot nodes were lacking for too long."""
    delayed: Counter[NodeType] = field(default_factory=Counter)
    """Nodes that later ticks launch."""
    smoothed: dict[NodeType, float] = field(default_factory=dict)

    def launched(self) -> Counter[NodeType]:
        """Return all new nodes."""
        return self.minimum + self.demand + self.compensation

    def launches(self, supplies: Supplies) -> tuple[ScaleOut, ...]:
        """Return one launch per node type, in the policy's order."""
        counts = self.launched()
        return tuple(
            ScaleOut(node_type, counts[node_type], self._reason(node_type), supply.without)
            for node_type, supply in supplies.by_type.items()
            if counts[node_type]
        )

    def _reason(self, node_type: NodeType) -> LaunchReason:
        if self.demand[node_type]:
            return LaunchReason.DEMAND
        if self.compensation[node_type]:
            return LaunchReason.SPOT_FALLBACK if self.fallen_back else LaunchReason.COMPENSATION
        return LaunchReason.MINIMUM
