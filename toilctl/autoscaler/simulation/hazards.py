"""What goes wrong in a simulation: EC2 takes spot nodes away, and for spells has none of an offering.

Everything follows from the seed: two policies that are compared meet the same shortages, and the n-th node of an
offering lives equally long under both.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from random import Random
from typing import Final

from toilctl.autoscaler.model.snapshot import Offering
from toilctl.values.errors import UsageError
from toilctl.values.units import HOUR_S
from toilctl.values.wording import bought, market

SHORTAGE_S: Final = 1800.0
"""How long a shortage lasts on average: a guess, for EC2 does not tell."""


@dataclass(frozen=True)
class Hazards:
    """How often what goes wrong; by default nothing does.

    :raises UsageError: for a rate or a share that cannot be.
    """

    interruptions_per_hour: float = 0.0
    """Of each spot node; how long one lives is distributed exponentially, from its launch on."""
    short_share: float = 0.0
    """The share of the time for which an offering has no capacity; each on its own."""
    seed: int = 0

    def __post_init__(self) -> None:
        rate, share = self.interruptions_per_hour, self.short_share
        if not (math.isfinite(rate) and rate >= 0):
            raise UsageError(
                f"A spot node cannot be interrupted {rate:g} times an hour.",
                "Give a number that is not negative, such as 0.05.", interruptions_per_hour=rate,
            )  # fmt: skip
        if not 0 <= share < 1:
            raise UsageError(
                f"An offering cannot be short for a share of {share:g} of the time.",
                "Give a share from 0 to below 1, such as 0.2.", short_share=share,
            )  # fmt: skip

    def lifetime_s(self, offering: Offering, number: int) -> float:
        """Return after how many seconds EC2 takes an offering's n-th node away; infinite when it never does."""
        if not (offering.spot and self.interruptions_per_hour):
            return math.inf
        return _random(self.seed, offering, f"node {number}").expovariate(1.0) / self.interruptions_per_hour * HOUR_S


NONE: Final = Hazards()
"""Nothing goes wrong."""


class Shortages:
    """When which offering has no capacity. What is asked, and in which order, changes no answer."""

    def __init__(self, hazards: Hazards) -> None:
        self._hazards = hazards
        self._spells: dict[Offering, _Spells] = {}

    def short(self, offering: Offering, at_s: float) -> bool:
        """Tell whether an offering has no capacity at a time: seconds since the beginning, not negative."""
        if not self._hazards.short_share:
            return False
        if offering not in self._spells:
            random = _random(self._hazards.seed, offering, "shortages")
            self._spells[offering] = _Spells(random, self._hazards.short_share)
        return self._spells[offering].short(at_s)


class _Spells:
    """One offering's spells, by turns with capacity and without: an alternating renewal process in equilibrium.

    Exponential spells have no memory, so it begins as if it had always gone on: without capacity with a probability of
    the share.
    """

    def __init__(self, random: Random, share: float) -> None:
        self._random = random
        self._begins_short = random.random() < share
        self._means_s = {True: SHORTAGE_S, False: SHORTAGE_S * (1 - share) / share}
        self._ends_s = [self._spell_s(short=self._begins_short)]

    def short(self, at_s: float) -> bool:
        while self._ends_s[-1] <= at_s:
            self._ends_s.append(self._ends_s[-1] + self._spell_s(short=self._short(len(self._ends_s))))
        return self._short(bisect_right(self._ends_s, at_s))

    def _short(self, spell: int) -> bool:
        return self._begins_short != (spell % 2 == 1)

    def _spell_s(self, *, short: bool) -> float:
        return self._random.expovariate(1.0) * self._means_s[short]


def _random(seed: int, offering: Offering, what: str) -> Random:
    how = bought(market(offering.spot))
    return Random(f"{seed} {offering.instance_type} {offering.zone} {how} {what}")  # noqa: S311 - no secret
