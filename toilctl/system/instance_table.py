"""Sizes and prices of EC2's instance types as they are shipped: what is known without asking AWS.

``python -m docs.generate.instance_types`` makes the table, and says how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from toilctl.values.capacity import InstanceType

_TABLE: Final = Path(__file__).with_name("data") / "instance_types.json"


@dataclass(frozen=True)
class InstanceTable:
    """All instance types that are known, and where they are from."""

    source: str
    """Whose tables these are, and of which version."""
    prices_as_of: str
    """Such as ``March 2025``."""
    types: Mapping[str, InstanceType]
    _usd: Mapping[str, float | None]
    """Per hour in the US, Linux, on demand, shared tenancy."""
    _regions: Mapping[str, Mapping[str, float]]
    """How many times as much each family costs in each region that has it."""

    def usd_per_hour(self, region: str, name: str) -> float | None:
        """Return an instance type's price on demand; None when it is not known."""
        usd, times = self._usd.get(name), self._regions.get(name.partition(".")[0], {}).get(region)
        return None if usd is None or times is None else round(usd * times, 4)

    @property
    def text(self) -> str:
        """Say in a few words whose numbers these are."""
        return f"the table that comes with toilctl ({self.source}, {self.prices_as_of})"


@cache
def shipped() -> InstanceTable:
    """Return the table."""
    kept = json.loads(_TABLE.read_text())
    types = {name: InstanceType(name, vcpus, mib, gb) for name, (vcpus, mib, gb, _) in kept["types"].items()}
    usd = {name: usd for name, (*_, usd) in kept["types"].items()}
    return InstanceTable(kept["source"], kept["prices_as_of"], types, usd, kept["regions"])
