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
from toilctl.workflows import told

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
        """Read what the leader tells; numbers that another version does not tell count as none.

        :raises ValueError: for what is no such number.
        """
        said = told.mapping(document)
        known: dict[str, Any] = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        if known.get("running", 0) is None:
            return cls(running=None, **{name: told.count(value) for name, value in known.items() if name != "running"})
        return cls(**{name: told.count(value) for name, value in known.items()})


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
        """Read what the leader tells; what another version tells beyond that is passed over.

        :raises ValueError: for what is no run.
        :raises KeyError: when its name, state or beginning is missing.
        """
        said = told.mapping(document)
        stores = said.get("job_store") or ()
        progress, deployment, ended_at = (said.get(name) for name in ("progress", "deployment", "ended_at"))
        return cls(
            name=told.name(said["name"]),
            state=RunState(told.text(said["state"])),
            command=told.texts(said.get("command") or ()),
            deployment=told.name(deployment) if deployment else None,
            job_stores=(told.text(stores),) if isinstance(stores, str) else told.texts(stores),
            started_at=told.moment(said["started_at"]),
            ended_at=told.moment(ended_at) if ended_at else None,
            seconds=float(told.number(said.get("seconds") or 0)),
            exit_code=told.exit_code(said.get("exit_code")),
            attempts=tuple(map(_attempt, told.items(said.get("attempts") or ()))),
            progress=Progress.of(progress) if progress else None,
            log=told.text(said.get("log") or ""),
            reason=told.text(said.get("reason") or ""),
        )

    @property
    def spans(self) -> tuple[tuple[datetime, datetime | None], ...]:
        """From when to when it ran; None is now."""
        return tuple(
            (told.when(one.started_at), told.when(one.ended_at) if one.ended_at else None) for one in self.attempts
        )


def _attempt(document: Any) -> RunAttempt:
    said = told.mapping(document)
    ended_at = said.get("ended_at")
    return RunAttempt(
        told.moment(said["started_at"]), told.moment(ended_at) if ended_at else None,
        told.exit_code(said.get("exit_code")),
    )  # fmt: skip
