"""What a person sees while a command works: calm lines on stderr, with times for whatever takes long.

No line costs a command its work: where stderr cannot be written, there are none.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO

from toilctl.values import outside

SHOW_AFTER_S: Final = 2.0
"""Steps shorter than this leave no line: reading it would take longer."""

_state: dict[str, Any] = {"debug": False, "terminal": None, "open": False}


def set_debug(on: bool) -> None:
    """Show, or do not show, what ``debug`` is given."""
    _state["debug"] = on


def debugging() -> bool:
    """Return whether --debug was given."""
    return bool(_state["debug"])


def note(text: str) -> None:
    """Say something worth a line."""
    clear()
    _say(text)


def debug(text: str) -> None:
    """Say something that only helps to find a fault."""
    if debugging():
        note(text)


def begin(text: str) -> None:
    """Show on a terminal what is going on, until ``done`` or the next line replaces it."""
    clear()
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return
    from rich.text import Text

    terminal = _terminal(sys.stderr)
    # What fills a line to its last column would begin the next one, and stay.
    line = Text("       …    " + outside.one_line(" ".join(text.split())))
    line.truncate(max(1, terminal.width - 1), overflow="ellipsis")
    with suppress(OSError):
        terminal.print(line, end="", no_wrap=True)
        sys.stderr.flush()
        _state["open"] = True


def done(text: str, seconds: float) -> None:
    """Say what is done and how long it took, when that was long."""
    clear()
    if seconds >= SHOW_AFTER_S:
        _say(f"{seconds:8.1f} s  {text}")


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
    clear()
    yield


def clear() -> None:
    """Erase the line that ``begin`` left open."""
    if not _state["open"]:
        return
    from rich.control import Control
    from rich.segment import ControlType

    _state["open"] = False
    with suppress(OSError):
        _terminal(sys.stderr).control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        sys.stderr.flush()


def _say(text: str) -> None:
    with suppress(OSError):
        print(outside.plain(text), file=sys.stderr, flush=True)


def _terminal(stream: TextIO) -> Any:
    """Return rich's console of a terminal, which knows its width and its codes."""
    from rich.console import Console

    if _state["terminal"] is None or _state["terminal"].file is not stream:
        _state["terminal"] = Console(file=stream, force_terminal=True, color_system=None, highlight=False)
    return _state["terminal"]
