"""What a person sees while a command works: calm lines on stderr, with times for whatever takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SHOW_AFTER_S: Final = 2.0
"""Steps shorter than this leave no line: reading it would take longer."""

_state = {"debug": False, "open": ""}


def set_debug(on: bool) -> None:
    """Show, or do not show, what ``debug`` is given."""
    _state["debug"] = on


def debugging() -> bool:
    """Return whether --debug was given."""
    return bool(_state["debug"])


def note(text: str) -> None:
    """Say something worth a line."""
    _close()
    print(text, file=sys.stderr, flush=True)


def debug(text: str) -> None:
    """Say something that only helps to find a fault."""
    if debugging():
        note(text)


def begin(text: str) -> None:
    """Show on a terminal what is going on, until ``done`` or the next line replaces it."""
    _close()
    if sys.stderr.isatty():
        _state["open"] = f"       …    {text}"
        print(_state["open"], end="", file=sys.stderr, flush=True)


def done(text: str, seconds: float) -> None:
    """Say what is done and how long it took, when that was long."""
    _close()
    if seconds >= SHOW_AFTER_S:
        print(f"{seconds:8.1f} s  {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Time a step and show it."""
    start = time.monotonic()
    begin(text)
    try:
        yield
    finally:
        done(text, time.monotonic() - start)


@contextmanager
def set_aside() -> Iterator[None]:
    """Leave the terminal to somebody who asks there."""
    _close()
    yield


def _close() -> None:
    """Erase the line that ``begin`` left open."""
    if _state["open"]:
        print("\r" + " " * len(str(_state["open"])) + "\r", end="", file=sys.stderr, flush=True)
        _state["open"] = ""
