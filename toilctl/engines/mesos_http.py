"""How a Mesos master is asked: curl's command line, its answers, and what each refusal means."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from toilctl.engines.client import UNREADABLE, Run, ask, nonsense, unknown_node
from toilctl.values.errors import EngineError

NAME: Final = "Mesos"

# ASCII's record separator: no JSON has it unescaped, and a body may have any number of lines.
CUT: Final = "\x1e"
_CODE: Final = re.compile(r"[0-9]{3}")
_WRITE_OUT: Final = f"{CUT}%{{http_code}}{CUT}"
_PAGE: Final = "toilctl ssh-cluster -L 5050 NAME, then http://localhost:5050"
_LOG: Final = "look at its log in the leader's container: toilctl ssh-cluster NAME ls /var/lib/mesos"


def curl(timeout_s: float) -> tuple[str, ...]:
    """Return the words that come before one or more URLs; each may take this many seconds."""
    # Without fail-early, only the last URL's mishap would be told.
    options = ("--silent", "--show-error", "--fail-early", "--max-time", f"{timeout_s:g}", "--write-out", _WRITE_OUT)
    return ("curl", *options)


def posted(kind: str, agent: str, **arguments: Any) -> tuple[str, ...]:
    """Return the words that make curl call an operation of the operator API on an agent."""
    body = {"type": kind, kind.lower(): {"agent_id": {"value": agent}, **arguments}}
    return ("--header", "Content-Type: application/json", "--data", json.dumps(body))


def answer(run: Run, words: Sequence[str]) -> str:
    """Return what curl prints.

    :raises EngineError: when it cannot connect, or the master takes too long or ends in the middle.
    """
    return ask(run, words, NAME, f"It may be starting: try again in a moment; if it stays so, {_LOG}.")


def read(printed: str, expected: int, agent: str = "") -> list[Any]:
    """Return the bodies of so many answers as values; an empty one is None.

    :raises EngineError: when the master refuses one, or one is not JSON.
    """
    parts = printed.split(CUT)
    bodies, codes = parts[:-1:2], parts[1::2]
    if len(codes) != expected or parts[-1].strip() or not all(map(_CODE.fullmatch, codes)):
        raise nonsense(NAME, printed)
    for body, code in zip(bodies, codes, strict=True):
        if code != "200":
            raise _refused(int(code), body.strip(), agent)
    try:
        return [json.loads(body) if body.strip() else None for body in bodies]
    except UNREADABLE:
        raise nonsense(NAME, printed.replace(CUT, " ")) from None


def _refused(status: int, body: str, agent: str) -> EngineError:
    if agent and status in (400, 404) and (status == 404 or "Unknown agent" in body):
        return unknown_node(agent)
    if status in (401, 403):
        return EngineError(
            f"The Mesos master wants credentials ({status}), and toilctl has none for it.",
            "toilctl starts it without authentication: see who set another way with MESOS_AUTHENTICATE_… in the "
            f"leader's container, or what else answers: {_PAGE}.",
            engine=NAME, status=status,
        )  # fmt: skip
    if status in (307, 503):
        return EngineError(
            f"The Mesos master does not lead yet ({status}): it elects, or it was just started.",
            f"Try again in a moment; if it stays so, {_LOG}.",
            engine=NAME, status=status,
        )  # fmt: skip
    # A page of HTML would hide the rest.
    said = " ".join(body.split())[:200] or "no message"
    return EngineError(
        f"Mesos refuses with {status}: {said}.", f"Look at its page: {_PAGE}.", engine=NAME, status=status
    )
