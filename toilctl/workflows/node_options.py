"""Toil's options of its autoscaler on a command line, in all their spellings, and the limits that they ask for."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from toilctl.nodes.plugin.autoscaling import scaler_options
from toilctl.nodes.plugin.autoscaling.scaler_options import DEFAULT_MAX, DEFAULT_MIN
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.outside import brief
from toilctl.values.scaling_policy import Limits, zip_limits
from toilctl.values.units import whole
from toilctl.workflows.arguments import SHELL_ONLY, Argument
from toilctl.workflows.spellings import Rewritten

_TYPES: Final = (scaler_options.NODE_TYPES, "--nodeType")
_SPOT_TYPE: Final = scaler_options.SPOT_TYPE
_MIN, _MAX = scaler_options.MIN, scaler_options.MAX
_SPOT_MIN, _SPOT_MAX = scaler_options.SPOT_MIN, scaler_options.SPOT_MAX
_OLDER: Final = frozenset({_SPOT_TYPE, _SPOT_MIN, _SPOT_MAX})
_ALL: Final = frozenset({*_TYPES, _MIN, _MAX, *_OLDER})
_WHY_OLDER: Final = scaler_options.MERGED
_WHY_REPEATED: Final = "Toil takes each list of numbers once only"


@dataclass(frozen=True)
class NodeOptions:
    """The options of a command that speak of nodes, each in the order in which it was given."""

    arguments: tuple[Argument, ...]

    @classmethod
    def of(cls, arguments: Iterable[Argument]) -> Self:
        """Pick them out of all arguments; those without a value are left to Toil."""
        return cls(tuple(one for one in arguments if one.option in _ALL and one.value is not None))

    def limits(self) -> Limits:
        """Return how many nodes of each type are asked for, filled up with the first number.

        There are none without node types, nor where only a shell knows some of the values.

        :raises UsageError: for a bad node type, bid or number, naming the option.
        """
        if any(one.value == SHELL_ONLY for one in self.arguments):
            return Limits()
        types = self._types()
        least = self._counts(types, _MIN, _SPOT_MIN, DEFAULT_MIN)
        most = self._counts(types, _MAX, _SPOT_MAX, DEFAULT_MAX)
        try:
            return zip_limits(types, least, most)
        except UsageError as error:
            raise UsageError(f"{_MIN} and {_MAX}: {error.message}", error.next_step, **error.facts) from None

    @property
    def outdated(self) -> str:
        """Why today's Toil does not take them as they are; nothing when it does."""
        given = [one.option for one in self.arguments]
        if _OLDER.intersection(given):
            return _WHY_OLDER
        return _WHY_REPEATED if any(given.count(option) > 1 for option in (_MIN, _MAX)) else ""

    def modern(self) -> Rewritten:
        """Return them as today's Toil takes them, together.

        :raises UsageError: as ``limits``.
        """
        self.limits()
        given = [(_TYPES[0] if one in _TYPES else one, value) for one, value in self._values(*_ALL)]
        new = scaler_options.together(given)
        return Rewritten(
            shlex.join(word for one in self.arguments for word in one.words), shlex.join(new), self.outdated
        )

    def _values(self, *options: str) -> list[tuple[str, str]]:
        """Return the options among these, with their values, as given."""
        return [(one.option, one.value) for one in self.arguments if one.option in options and one.value]

    def _types(self) -> NodeTypes:
        found = NodeTypes()
        for option, text in (*self._values(*_TYPES), *self._values(_SPOT_TYPE)):
            try:
                types = NodeTypes.parse(text)
                found = NodeTypes.parse(",".join(map(str, (*found, *types))))
            except UsageError as error:
                raise UsageError(f"{option}: {error.message}", error.next_step, **error.facts) from None
            if option == _SPOT_TYPE and not all(one.preemptible for one in types):
                raise UsageError(f"{option} {text} has no bid.", f"Write {text}:BID, in USD per hour.", node_type=text)
        return found

    def _counts(self, types: Sequence[NodeType], option: str, of_spot: str, missing: int) -> list[int]:
        """Return a number for each node type: the older option's is that of all types with a bid.

        Of an option that was repeated the last one counts, unless the node types were repeated with it.
        """
        texts = [text for _, text in self._values(option)][0 if len(self._values(*_TYPES)) > 1 else -1 :]
        own = [_count(option, part) for text in texts for part in text.split(",")]
        spot = [_count(of_spot, text) for _, text in self._values(of_spot)]
        if spot and spot[-1] and not any(one.preemptible for one in types):
            raise UsageError(f"{of_spot} needs a node type with a bid.", f"Add it to {_TYPES[0]}, as in c3.large:0.1.")
        return scaler_options.filled([one.preemptible for one in types], own, spot[-1] if spot else None, missing)


def _count(option: str, text: str) -> int:
    number = whole(text)
    if number is None:
        raise UsageError(
            f"{option}: {brief(text)!r} is not a number of nodes.",
            "Write one number per node type, such as 0,2.",
            value=text,
        )
    return number
