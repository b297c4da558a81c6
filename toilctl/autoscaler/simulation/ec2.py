"""EC2's stand-in in simulated time: which offering a launch gets, what it refuses, and when it takes a node away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from toilctl.autoscaler.memory.refusals import Refusals
from toilctl.autoscaler.model.plan import ScaleOut
from toilctl.autoscaler.model.playbook_events import LaunchRefusal
from toilctl.autoscaler.model.snapshot import Offer, Offering, SetAside
from toilctl.autoscaler.simulation.hazards import Hazards, Shortages
from toilctl.autoscaler.simulation.node import at, seconds
from toilctl.values.aws_errors import NO_CAPACITY
from toilctl.values.node_types import NodeType


class SimulatedEC2:
    """What may be launched, with its hazards."""

    def __init__(
        self, offers: Mapping[NodeType, Offer], zones: tuple[str, ...], boot_s: float, hazards: Hazards
    ) -> None:
        self.offers, self.boot_s = offers, boot_s
        self.refused = 0
        """How often an offering that was asked for had no capacity."""
        self._zones, self._hazards = zones, hazards
        self._shortages = Shortages(hazards)
        self._refusals = Refusals()
        self._launched: Counter[Offering] = Counter()

    def offering(self, launch: ScaleOut, now_s: float) -> Offering | None:
        """Return the first offering with capacity: by the node type's order, then the zones'; None when none has any.

        What is short until then is refused, and set aside as after a real launch.
        """
        for offering in self._asked(launch):
            if not self._shortages.short(offering, now_s):
                self._refusals.answered(launch.node_type, at(now_s), launched=True)
                return offering
            self.refused += 1
            refusal = LaunchRefusal(NO_CAPACITY, "", offering.instance_type, offering.zone)
            self._refusals.add(launch.node_type, [refusal], self._zones, at(now_s))
        self._refusals.answered(launch.node_type, at(now_s), launched=False)
        return None

    def short_since(self) -> dict[NodeType, datetime]:
        """Return since when nothing could be had of which node types."""
        return self._refusals.short_since()

    def _asked(self, launch: ScaleOut) -> Iterator[Offering]:
        for instance_type in launch.node_type.instance_types:
            for zone in self._zones:
                offering = Offering(instance_type, zone, launch.node_type.preemptible)
                if offering not in launch.without:
                    yield offering

    def lifetime_s(self, offering: Offering) -> float:
        """Launch one more node of an offering; return after how many seconds it is taken away."""
        self._launched[offering] += 1
        return self._hazards.lifetime_s(offering, self._launched[offering])

    def refuses(self, node_type: NodeType, now_s: float) -> bool:
        """Tell whether nothing of a node type is asked for now, as all its offerings are set aside."""
        aside = {one.offering for one in self.set_aside(now_s)}
        return aside.issuperset(self._asked(ScaleOut(node_type, 1)))

    def set_aside(self, now_s: float) -> tuple[SetAside, ...]:
        """Return what is not asked for now."""
        return self._refusals.active(at(now_s))

    def retries_s(self, now_s: float) -> Iterator[float]:
        """Return when what is set aside now may be asked for again."""
        return (seconds(one.until) for one in self.set_aside(now_s))
