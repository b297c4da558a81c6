"""The attempts of a run: starts and restarts, what happened to each, and what became of it.

Each line of ``attempts.jsonl`` adds facts to the attempt whose number it has:

==================  ================================================================================================
``started_at``      with ``argv``, ``cwd``, ``deployment``, ``job_store``, ``boot`` and ``container``: it was asked for
``terminal``        which program shows it: ``tmux``, ``screen`` or none
``began_at``        with ``pid``, ``pid_started`` and ``supervisor``: its command was started
``stop_asked_at``   somebody wants its end; ``stopped_by`` says how
``ended_at``        with ``exit_code``, which is null when nobody knows it, and then perhaps with a ``reason``
==================  ================================================================================================

Times are ISO 8601 in UTC, processes' starts are in the kernel's ticks.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any

from toilctl_plugin.processes import PROC, started

from . import files
from .files import RunFiles

STARTING, RUNNING, SUCCEEDED, FAILED = "starting", "running", "succeeded", "failed"
STOPPED, LOST = "stopped", "lost"
GO_ON = (STARTING, RUNNING)
NUMBERS = ("pid", "supervisor", "exit_code")
MOMENTS = ("started_at", "began_at", "stop_asked_at", "ended_at")
BEGIN_S = 30.0
"""How long after it was asked for an attempt may not have begun."""


@dataclass(frozen=True)
class Here:
    """Since when everything that runs here can run."""

    boot: str
    """The kernel's id of this boot."""
    container: str
    """When the first process of this container was started, in the kernel's ticks."""

    @classmethod
    def now(cls) -> Here:
        """Return what is now."""
        return cls((PROC / "sys/kernel/random/boot_id").read_text().strip(), started(1))


@dataclass(frozen=True)
class Attempt:
    """A start or a restart."""

    number: int
    started_at: str
    argv: tuple[str, ...] = ()
    cwd: str = ""
    deployment: str | None = None
    job_store: str | None = None
    boot: str = ""
    container: str = ""
    terminal: str | None = None
    began_at: str | None = None
    pid: int | None = None
    pid_started: str = ""
    supervisor: int | None = None
    supervisor_started: str = ""
    stop_asked_at: str | None = None
    stopped_by: str = ""
    ended_at: str | None = None
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Ending:
    """What became of an attempt."""

    state: str
    reason: str = ""
    """Why it is lost, or who stopped it."""
    at: str | None = None
    """When it ended; of a lost one, when it last showed that it lived."""

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self.state in GO_ON


def of(run: RunFiles) -> list[Attempt]:
    """Return a run's attempts, the first one first; there is one at least."""
    told: dict[int, dict[str, Any]] = {}
    for line in files.lines_of(run.attempts):
        number = line.pop("attempt", None)
        if isinstance(number, int):
            told.setdefault(number, {}).update(line)
    return [_attempt(number, facts) for number, facts in sorted(told.items())] or [_attempt(1, {})]


def last(run: RunFiles) -> Attempt:
    """Return a run's newest attempt."""
    return of(run)[-1]


def tell(run: RunFiles, number: int, **facts: Any) -> None:
    """Add facts to an attempt."""
    files.append(run.attempts, {"attempt": number, **facts})


def ending(run: RunFiles, attempt: Attempt, *, is_last: bool = True) -> Ending:
    """Return what became of an attempt, or becomes of it now."""
    if attempt.ended_at:
        return _ended(run, attempt)
    if not is_last:
        return Ending(LOST, attempt.reason, attempt.started_at)
    reason = _lost(run, attempt)
    if reason is None:
        return Ending(RUNNING if attempt.pid else STARTING)
    sign = run.last_sign()
    at = max(iso(sign), attempt.started_at) if sign else attempt.started_at
    if attempt.stop_asked_at:
        return Ending(STOPPED, attempt.stopped_by, at)
    return Ending(LOST, reason, at)


def lives(attempt: Attempt) -> bool:
    """Tell whether an attempt's command is there, as far as it has been told of."""
    return _is_there(attempt.pid, attempt.pid_started)


def is_supervised(attempt: Attempt) -> bool:
    """Tell whether an attempt's supervisor is there."""
    return _is_there(attempt.supervisor, attempt.supervisor_started)


def iso(at: float, precision: str = "milliseconds") -> str:
    """Return a time in seconds since the epoch as it is told."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec=precision)  # noqa: UP017 - Python 3.9 has no UTC


def now() -> str:
    """Return the time as it is told."""
    return iso(time.time())


def seconds_between(begin: str, end: str) -> float:
    """Return how long it is between two times that were told."""
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())


def _attempt(number: int, facts: dict[str, Any]) -> Attempt:
    known = {one.name for one in fields(Attempt)} - {"number"}
    told = {name: value for name, value in facts.items() if name in known and _fits(name, value)}
    # On a disk that was full, the first line may be missing.
    begun = told.get("started_at") or iso(0)
    return Attempt(number, **{**told, "started_at": begun, "argv": tuple(told.get("argv") or ())})


def _fits(name: str, value: Any) -> bool:
    """Tell whether a fact is what it should be; a run may write into its own records."""
    if name == "argv":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if name in NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
    if not isinstance(value, str):
        return False
    try:
        return name not in MOMENTS or datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _ended(run: RunFiles, attempt: Attempt) -> Ending:
    # Toil never ends with 0 when it is stopped: then it was done before, or long after it was asked.
    if attempt.stop_asked_at and not (attempt.exit_code == 0 and run.workflows.exists()):
        return Ending(STOPPED, attempt.stopped_by, attempt.ended_at)
    if attempt.exit_code is None:
        return Ending(LOST, attempt.reason, attempt.ended_at)
    return Ending(FAILED if attempt.exit_code else SUCCEEDED, attempt.reason, attempt.ended_at)


def _lost(run: RunFiles, attempt: Attempt) -> str | None:
    """Return why an attempt that was not told to have ended does not go on; None when it does."""
    here = Here.now()
    if attempt.boot != here.boot:
        return f"the leader restarted at {iso(_boot_time(), 'seconds')}"
    if attempt.container != here.container:
        return f"its container restarted at {_started_at(here.container)}"
    if attempt.pid is None:
        waited = seconds_between(attempt.started_at, now())
        return None if files.is_held(run.alive) or waited < BEGIN_S else "it was killed before it began"
    # What its command leaves behind when it ends may hold the lock still.
    if lives(attempt) or (is_supervised(attempt) and files.is_held(run.alive)):
        return None
    return "it was killed, or its supervisor was"


def _is_there(pid: int | None, since: str) -> bool:
    return pid is not None and bool(since) and started(pid) == since


def _started_at(ticks: str) -> str:
    return iso(_boot_time() + int(ticks or 0) / os.sysconf("SC_CLK_TCK"), "seconds")


def _boot_time() -> int:
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return 0
