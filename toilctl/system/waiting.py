"""Waiting until something is as it should be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(ask: Callable[[], T], good: Callable[[T], object], timeout_s: float, every_s: float) -> T:
    """Ask at once, and again every ``every_s`` seconds, until the answer is good; return the last answer.

    After ``timeout_s`` seconds that is one which is not good.
    """
    end = time.monotonic() + timeout_s
    while not good(answer := ask()) and time.monotonic() < end:
        time.sleep(every_s)
    return answer
