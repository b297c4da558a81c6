"""Which node types may be launched for a shape: preemptible ones for preemptible jobs, unless on demand is cheaper."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from toilctl.autoscaler.decide.demand import times
from toilctl.autoscaler.decide.supply import Supply
from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.packing.pack import fits
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType


@dataclass(frozen=True)
class Choice:
    """The node types of a policy that a shape fits, in the policy's order."""

    preemptible: tuple[NodeType, ...]
    on_demand: tuple[NodeType, ...]
    allowed: frozenset[NodeType]
    """Those that may be launched without compensation."""

    @classmethod
    def of(cls, shape: Shape, slots: int, supplies: Iterable[Supply]) -> Choice:
        """Choose for so many slots of a shape; what no node may be launched of, by the user's word, is no choice."""
        fitting = [
            one.offer
            for one in supplies
            if one.limits.max_nodes > 0 and one.offer is not None
            and (shape.preemptible or not one.node_type.preemptible) and fits(shape, one.offer.resources)
        ]  # fmt: skip
        preemptible = [one for one in fitting if one.node_type.preemptible]
        on_demand = [one for one in fitting if not one.node_type.preemptible]
        bid = min((_usd_per_hour(shape, slots, one) for one in preemptible), default=math.inf)
        cheaper = [one for one in on_demand if not preemptible or _usd_per_hour(shape, slots, one) < bid]
        return cls(_kinds(preemptible), _kinds(on_demand), frozenset(_kinds([*preemptible, *cheaper])))

    @property
    def any(self) -> tuple[NodeType, ...]:
        """All of them."""
        return self.preemptible + self.on_demand


def _kinds(offers: Iterable[Offer]) -> tuple[NodeType, ...]:
    return tuple(one.node_type for one in offers)


def _usd_per_hour(shape: Shape, slots: int, offer: Offer) -> float:
    """Return what nodes for all slots cost."""
    return offer.usd_per_hour * math.ceil(slots / max(1, times(shape, offer.resources)))
