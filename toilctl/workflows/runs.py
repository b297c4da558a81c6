"""Runs: workflows that a leader started and keeps account of, as it tells of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from toilctl.values.errors import UsageError

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Variable(NamedTuple):
    """A variable of a run's environment."""

    name: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME=VALUE``, or ``NAME`` with the value that it has here: no secret need be typed.

        :raises UsageError: for what is no name, and for one without a value.
        """
        name, given, value = text.partition("=")
        if not _VARIABLE.fullmatch(name):
            raise UsageError(f"{name!r} is no variable's name.", "Write NAME=VALUE, or NAME for the value it has here.")
        here = os.environ.get(name)
        if not given and here is None:
            raise UsageError(f"{name} is not set here.", f"Write {name}=VALUE, or export {name} first.", name=name)
        return cls(name, value if given else str(here))


class RunState(StrEnum):
    """What became of a run."""

    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    """By ``toilctl stop``."""
    LOST = "lost"
    """It ended without a word: its leader was rebooted, or its process killed."""

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self in (RunState.STARTING, RunState.RUNNING)


@dataclass(frozen=True)
class Progress:
    """Numbers of a workflow's jobs."""

    done: int = 0
    running: int | None = 0
    """None where nobody knows; they are among the queued ones then."""
    queued: int = 0
    failed: int = 0
    """For good, with no try left."""
    issued: int = 0

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read what the leader tells; numbers that another version does not tell count as none."""
        known: dict[str, Any] = {one.name: document[one.name] for one in fields(cls) if one.name in document}
        return cls(**known)


@dataclass(frozen=True)
class RunAttempt:
    """One start of a run: the first one, or a restart. Times are ISO 8601, UTC."""

    started_at: str
    ended_at: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True)
class Run:
    """A run, as the leader knows it. Times are ISO 8601, UTC."""

    name: str
    state: RunState
    command: tuple[str, ...]
    deployment: str | None
    job_stores: tuple[str, ...]
    """As locators; those of the workflows that the run began, else the one that its command names."""
    started_at: str
    ended_at: str | None
    seconds: float
    """How long it took so far, without the time between its attempts."""
    exit_code: int | None
    attempts: tuple[RunAttempt, ...]
    progress: Progress | None
    """None as long as no workflow of it has begun."""
    log: str
    """A path on the leader, on its host and in its container."""
    reason: str = ""
    """Why it is lost."""
    usd: float | None = None
    """What the cluster cost while it ran; None where nobody knows."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read what the leader tells; what another version tells beyond that is passed over."""
        stores = document.get("job_store") or ()
        progress = document.get("progress")
        return cls(
            name=str(document["name"]),
            state=RunState(document["state"]),
            command=tuple(map(str, document.get("command") or ())),
            deployment=document.get("deployment") or None,
            job_stores=(stores,) if isinstance(stores, str) else tuple(map(str, stores)),
            started_at=str(document["started_at"]),
            ended_at=document.get("ended_at") or None,
            seconds=float(document.get("seconds") or 0),
            exit_code=document.get("exit_code"),
            attempts=tuple(map(_attempt, document.get("attempts") or ())),
            progress=Progress.of(progress) if progress else None,
            log=str(document.get("log") or ""),
            reason=str(document.get("reason") or ""),
        )

    @property
    def spans(self) -> tuple[tuple[datetime, datetime | None], ...]:
        """From when to when it ran; None is now."""
        return tuple((_time(one.started_at), _time(one.ended_at) if one.ended_at else None) for one in self.attempts)


def _attempt(document: Mapping[str, Any]) -> RunAttempt:
    return RunAttempt(str(document["started_at"]), document.get("ended_at") or None, document.get("exit_code"))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
