"""What nodes cost, as AWS tells it, else as the shipped table has it; what neither knows has no price."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from toilctl.system import price_list, price_table
from toilctl.values.units import DAY_S, HOUR_S

_ON_DEMAND_S: Final = DAY_S
"""On-demand prices change rarely."""
_SPOT_S: Final = 300.0
"""Spot prices change gradually, by long-term supply and demand (EC2 user guide, "Spot Instances")."""
_UNREACHABLE_S: Final = HOUR_S
"""A network without a way to the Price List hardly gets one."""


class PricesKnown:
    """One region's prices, in USD per hour."""

    def __init__(self) -> None:
        self._on_demand: dict[str, float] = {}
        self._asked: dict[str, datetime] = {}
        self._ask_after: datetime | None = None
        self._spot: dict[tuple[str, str], float] = {}
        self._spot_asked: datetime | None = None
        self._spot_types: frozenset[str] = frozenset()

    def learn(self, region: str, instance_types: Iterable[str], spot_types: Iterable[str], now: datetime) -> None:
        """Ask AWS for what is not known yet, or too old; without an answer, what was known stays."""
        self._learn_on_demand(region, sorted(set(instance_types)), now)
        self._learn_spot(region, frozenset(spot_types), now)

    def on_demand(self, region: str, instance_type: str) -> float | None:
        """Return an instance type's on-demand price."""
        told = self._on_demand.get(instance_type)
        return price_table.on_demand(region, instance_type) if told is None else told

    def spot(self, instance_type: str, zone: str) -> float | None:
        """Return an instance type's spot price in a zone."""
        return self._spot.get((instance_type, zone))

    def _learn_on_demand(self, region: str, instance_types: Iterable[str], now: datetime) -> None:
        for name in instance_types:
            if self._ask_after is not None and now < self._ask_after:
                return
            if name in self._asked and now - self._asked[name] < timedelta(seconds=_ON_DEMAND_S):
                continue
            try:
                found = price_list.on_demand(region, name)
            except Exception:  # Without the permission, or a way there, the shipped table tells.
                self._ask_after = now + timedelta(seconds=_UNREACHABLE_S)
                return
            self._asked[name] = now
            if found is not None:
                self._on_demand[name] = found

    def _learn_spot(self, region: str, spot_types: frozenset[str], now: datetime) -> None:
        fresh = self._spot_asked is not None and now - self._spot_asked < timedelta(seconds=_SPOT_S)
        if not spot_types or (fresh and spot_types <= self._spot_types):
            return
        self._spot_asked, self._spot_types = now, spot_types
        try:
            self._spot = price_list.spot(region, spot_types, now)
        except Exception:  # A spot node costs its bid at most.
            return
