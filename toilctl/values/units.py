"""Lengths of time, in seconds, each once; and numbers as text."""

from typing import Final

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S

_WHOLE_BELOW: Final = 1e15
"""Whole numbers below it are written with all their digits."""


def exact(number: float) -> str:
    """Write a number so that it reads back the same: ``1800``, ``1234567``, ``0.3333333``."""
    whole = float(number).is_integer() and abs(number) < _WHOLE_BELOW
    return str(int(number)) if whole else repr(float(number))


def usd(number: float) -> str:
    """Write an amount of US dollars, such as ``$12.50``; with more digits where it has them."""
    short = f"{number:.2f}"
    return f"${short if float(short) == number else exact(number)}"
