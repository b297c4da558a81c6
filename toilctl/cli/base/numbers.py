"""Numbers per node type, as options take them: with commas between."""

from __future__ import annotations

from typing import Final, Self

from toilctl.values.errors import UsageError
from toilctl.values.outside import brief
from toilctl.values.units import whole

_A_RANGE: Final = "Write one per node type, such as 3 or 3,2, or a range, such as 0-2."


class Counts(tuple[int, ...]):
    """Numbers of workers, one per node type."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``3,2``."""
        return cls(_numbers(text, "a number of workers", "Write one per node type, such as 3 or 3,2."))


class Workers(tuple[tuple[int, int], ...]):
    """The least and the most of workers, per node type."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``3,2``, and ``0-2,5`` as Toil has it: a range in either order."""
        ranges = (part.partition("-") for part in text.split(","))
        pairs = [(whole(low), whole(high if dash else low)) for low, dash, high in ranges]
        known = [(low, high) for low, high in pairs if low is not None and high is not None]
        if len(known) < len(pairs):
            raise UsageError(f"{brief(text)!r} is not a number of workers.", _A_RANGE)
        return cls((min(pair), max(pair)) for pair in known)

    @property
    def ranges(self) -> bool:
        """Whether there is a range among them: then the number of workers follows the demand."""
        return any(least != most for least, most in self)


class Sizes(tuple[int, ...]):
    """Volumes in GB, one for all node types or one per node type."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``50`` or ``50,100``."""
        return cls(_numbers(text, "a size", "Write GB, such as 50, or one per node type, such as 50,100."))


def _numbers(text: str, what: str, next_step: str) -> list[int]:
    """Read whole numbers with commas between.

    :raises UsageError: saying that the text is not ``what``.
    """
    numbers = [whole(word) for word in text.split(",")]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        raise UsageError(f"{brief(text)!r} is not {what}.", next_step)
    return known
