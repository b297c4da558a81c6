"""Lengths of time, in seconds, each once; and numbers as text."""

from typing import Final

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S

_WHOLE_BELOW: Final = 1e15
"""Whole numbers below it are written with all their digits."""
_MOST_DIGITS: Final = 9
"""Of a count, a size or a time: no cluster has more, and Python reads no text of thousands of digits."""


def whole(text: str) -> int | None:
    """Return a whole number as people and tags write one; None for what is none, or has too many digits."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS else None


def exact(number: float) -> str:
    """Write a number so that it reads back the same: ``1800``, ``1234567``, ``0.3333333``."""
    whole = float(number).is_integer() and abs(number) < _WHOLE_BELOW
    return str(int(number)) if whole else repr(float(number))


def usd(number: float) -> str:
    """Write an amount of US dollars, such as ``$12.50``; with more digits where it has them."""
    short = f"{number:.2f}"
    return f"${short if float(short) == number else exact(number)}"
