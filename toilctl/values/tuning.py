"""The settings of the autoscaler: the one table of them, and their values as one text; and the orphan timeout of nodes.

A new one is a field of ``Tuning`` here, its default in inventory/group_vars/all.yml, and the rule that follows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, Final, Self, get_type_hints

from toilctl.values.errors import UsageError
from toilctl.values.units import exact, usd


class Unit(Enum):
    """What a setting counts."""

    SECONDS = "seconds", "a number of seconds"
    WHOLE_SECONDS = "seconds", "a whole number of seconds"
    USD = "US dollars", "an amount in US dollars"
    SHARE = "a number", "a number"
    SWITCH = "0 or 1", "0 or 1"

    def __init__(self, plural: str, noun: str) -> None:
        self.plural, self.noun = plural, noun


@dataclass(frozen=True)
class Setting:
    """What is known of a setting beside its value. Its default stands in inventory/group_vars/all.yml."""

    flag: str
    unit: Unit
    about: str
    """A sentence without its full stop."""
    least: float = 0
    """With a meaning of 0, that may be beside it."""
    most: float = math.inf
    example: str = ""
    toil: str = ""
    """Toil's option, whose range it has; empty where Toil has none."""
    zero: str = ""
    """What 0 means, where that is more than the number."""

    @property
    def metavar(self) -> str:
        """What stands for a value in help: SECONDS, USD or 0…1."""
        if self.unit is Unit.SWITCH:
            return "0|1"
        if self.unit is Unit.SHARE:
            return f"{exact(self.least)}…{exact(self.most)}"
        return "USD" if self.unit is Unit.USD else "SECONDS"

    @property
    def label(self) -> str:
        """What people read before the value, such as ``target time``."""
        return self.flag.removeprefix("--").replace("-", " ")

    @property
    def help(self) -> str:
        """The sentence, and what 0 means."""
        return f"{self.about}; 0: {self.zero}." if self.zero else f"{self.about}."

    @property
    def values(self) -> str:
        """Say what it can be, such as ``seconds, at least 1``."""
        return f"{self.unit.plural}{self._range}"

    @property
    def _range(self) -> str:
        if math.isfinite(self.most) and self.unit is not Unit.SWITCH:
            return f" from {exact(self.least)} to {exact(self.most)}"
        return f", at least {exact(self.least)}" if self.least else ""

    @property
    def described(self) -> str:
        """What it can be, and the sentence, for those who write variables."""
        return f"{self.values[:1].upper()}{self.values[1:]}. {self.help}"

    def read(self, value: Any) -> float:
        """Return a value as a number.

        :raises UsageError: when it is none, or out of range.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        such = f", such as {self.example}" if self.example else ""
        next_step = f"Write {self.unit.noun}{self._range}{such}{f'; 0: {self.zero}' if self.zero else ''}."
        broken = self.unit in (Unit.WHOLE_SECONDS, Unit.SWITCH) and not number.is_integer()
        if not math.isfinite(number) or isinstance(value, bool) or broken:
            raise UsageError(f"{value!r} is not {self.unit.noun}.", next_step, value=value)
        if self.zero and not number:
            return number
        if number > self.most or number < self.least:
            bound = f"above {exact(self.most)}" if number > self.most else f"below {exact(self.least)}"
            raise UsageError(f"{value!r} is {bound}.", next_step, value=value)
        return number

    def said(self, value: float) -> str:
        """Return a value as people read it, such as ``1800 s``, ``$12.50`` or ``no bound``."""
        if self.zero and not value:
            return self.zero
        words = {Unit.USD: usd(value), Unit.SHARE: exact(value), Unit.SWITCH: "yes" if value else "no"}
        return words.get(self.unit, f"{exact(value)} s")


@dataclass(frozen=True)
class Tuning:
    """How eager scaling is. The string form, for a tag and the leader's settings, is ``name=value``, blanks between."""

    target_time_s: Annotated[float, Setting(
        "--target-time", Unit.SECONDS, "Within this time all waiting jobs shall have run; shorter launches more "
        "workers", least=1, example="1800", toil="--targetTime",
    )]  # fmt: skip
    beta_inertia: Annotated[float, Setting(
        "--beta-inertia", Unit.SHARE, "How slowly the number of workers follows demand; 0 at once", most=0.9,
        toil="--betaInertia",
    )]  # fmt: skip
    scale_interval_s: Annotated[float, Setting(
        "--scale-interval", Unit.SECONDS, "The time between two decisions", least=1, most=3600, toil="--scaleInterval",
    )]  # fmt: skip
    preemptible_compensation: Annotated[float, Setting(
        "--preemptible-compensation", Unit.SHARE, "For this share of spot workers that cannot be had, on-demand ones "
        "are launched", most=1, toil="--preemptibleCompensation",
    )]  # fmt: skip
    idle_timeout_s: Annotated[float, Setting(
        "--idle-timeout", Unit.SECONDS, "How long a worker runs nothing before it goes", example="300",
    )]  # fmt: skip
    join_deadline_s: Annotated[float, Setting(
        "--join-deadline", Unit.SECONDS, "How long a new worker may take to join before it is replaced", least=1,
        example="900",
    )]  # fmt: skip
    spot_fallback_after_s: Annotated[float, Setting(
        "--spot-fallback-after", Unit.SECONDS, "How long spot workers may be lacking before on-demand ones take their "
        "place, until there are spot ones again", example="600", zero="never",
    )]  # fmt: skip
    max_usd_per_hour: Annotated[float, Setting(
        "--max-cost-per-hour", Unit.USD, "What the cluster may cost per hour, with its leader, volumes and public "
        "addresses, and spot at its bid: no worker is launched beyond that", example="12.50", zero="no bound",
    )]  # fmt: skip
    budget_usd: Annotated[float, Setting(
        "--budget", Unit.USD, "What the cluster may cost in all, with its leader, volumes and public addresses: "
        "then nothing more is launched, and what runs goes on",
        example="500", zero="no bound",
    )]  # fmt: skip
    keep_limits: Annotated[float, Setting(
        "--keep-limits", Unit.SWITCH, "With 1, the cluster's own limits are the only ones: workflows that ask for "
        "other node types, more workers or larger volumes do not get them", most=1,
    )]  # fmt: skip

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Take the values from a mapping that may have more, as the shared variables do.

        :raises UsageError: naming the first that is missing, no number, or out of its range.
        """
        return cls(**{name: _read(name, values.get(name)) for name in SETTINGS})

    @classmethod
    def parse(cls, text: str, otherwise: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read the string form.

        :param otherwise: the values of settings that the text does not name: an older release does not know them all.
        :raises UsageError: as ``of``.
        """
        return cls.of({**otherwise, **dict(word.partition("=")[::2] for word in text.split())})

    def __str__(self) -> str:
        return " ".join(f"{name}={exact(value)}" for name, value in self.values.items())

    @property
    def values(self) -> Mapping[str, float]:
        """The values by name, in the table's order."""
        return {name: getattr(self, name) for name in SETTINGS}

    def said(self, name: str) -> str:
        """Return a setting's value as people read it."""
        return SETTINGS[name].said(self.values[name])


SETTINGS: Final[Mapping[str, Setting]] = {
    name: next(one for one in hint.__metadata__ if isinstance(one, Setting))
    for name, hint in get_type_hints(Tuning, include_extras=True).items()
}
"""All settings by name: the name of the variable, and of the field."""
ORPHAN_TIMEOUT: Final = Setting(
    "--orphan-timeout", Unit.WHOLE_SECONDS, "A worker that has not heard the leader for so long shuts down and ends",
    least=60, example="1800", zero="never",
)  # fmt: skip
"""Of the nodes, not of the autoscaler: the variable ``orphan_timeout_s``. A leader may restart within the least."""


def _read(name: str, value: Any) -> float:
    try:
        return SETTINGS[name].read(value)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", error.next_step, name=name, value=value) from None
