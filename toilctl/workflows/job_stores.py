"""Job stores, as the program tells of them that looked where Toil is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any, Self, TypeVar

T = TypeVar("T")


class JobStoreState(StrEnum):
    """What became of the workflow of a job store."""

    RUNNING = "running"
    FINISHED = "finished"
    """No job is left."""
    FAILED = "failed"
    """It has ended, and jobs have no try left."""
    STOPPED = "stopped"
    """Its leader is gone, and jobs are left."""
    UNKNOWN = "unknown"
    """Its leader belongs to another machine, or to this one before its last boot, and did not say that it ended."""


class How(StrEnum):
    """What a kill did."""

    SIGNALLED = "signalled"
    """The leader runs where Toil is, and got a signal."""
    ASKED = "asked"
    """A note in the job store; a leader that runs elsewhere reads it."""
    NOBODY = "nobody"
    """There was no leader to kill."""


@dataclass(frozen=True)
class StoreLeader:
    """The process that began last to work on a job store."""

    pid: int
    name: str
    """The program's; empty when it is not known."""
    here: bool
    """Whether it belongs to where Toil looked."""
    alive: bool | None
    """None where nobody can tell."""
    since: str | None
    """When it began: ISO 8601, UTC."""


@dataclass(frozen=True)
class StoreProcess:
    """A program, where Toil looked, whose command line names a job store."""

    pid: int
    name: str


@dataclass(frozen=True)
class NamedRun:
    """A run of toilctl's that uses a job store, or did."""

    name: str
    state: str


@dataclass(frozen=True)
class Use:
    """What is there, and who uses it."""

    job_store: str
    """The locator; a path in it is absolute."""
    exists: bool
    broken: str
    """Why it cannot be read, when it is there and cannot."""
    foreign: bool
    """Whether it is certainly something else than a job store."""
    state: JobStoreState | None
    leader: StoreLeader | None
    stats: bool | None
    """Whether its workflow collects statistics."""
    kill_asked: bool
    """Whether its workflow was asked to end, and has not yet."""
    processes: tuple[StoreProcess, ...]
    runs: tuple[NamedRun, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read what the program tells; what another version tells beyond that is passed over."""
        return cls(**_use(document))

    @property
    def runs_going_on(self) -> tuple[str, ...]:
        """The names of runs that use it now."""
        return tuple(one.name for one in self.runs if one.state in ("starting", "running"))

    @property
    def users(self) -> tuple[str, ...]:
        """Who uses it now, as a sentence names them: runs, else programs."""
        if self.runs_going_on:
            return tuple(f"run {name!r}" for name in self.runs_going_on)
        return tuple(f"{name or 'a program'} (process {pid})" for pid, name in self._processes().items())

    def _processes(self) -> dict[int, str]:
        found = {one.pid: one.name for one in self.processes}
        if self.leader and self.leader.alive:
            found.setdefault(self.leader.pid, self.leader.name)
        return found


@dataclass(frozen=True)
class StoreJobs:
    """Numbers of jobs, since the workflow's last start; None is unknown."""

    succeeded: int | None
    issued: int
    """Queued and running ones together."""
    running: int | None
    queued: int | None
    waiting: int
    """For other jobs, or for a restart."""
    failed: int
    """Without a try left."""
    complete: bool
    """Whether there was time to look at all."""

    @property
    def left(self) -> int:
        """All that have not succeeded."""
        return self.issued + self.waiting + self.failed


@dataclass(frozen=True)
class FailedJob:
    """A job whose last try failed."""

    name: str
    id: str
    tries_left: int
    log: str | None
    """A path where Toil looked, or a URL; None when its worker left none, or where it is not known."""
    s3_refused: str | None = None
    """BUCKET/KEY in S3, where its last try was refused to write; None when its log says nothing of that."""


@dataclass(frozen=True)
class JobStoreStatus(Use):
    """How far a workflow is."""

    batch_system: str
    begun: bool
    """Whether it ever had a job."""
    jobs: StoreJobs
    failed: tuple[FailedJob, ...]
    tried_again: tuple[FailedJob, ...]
    """They failed, and have tries left."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read what the program tells."""
        return cls(
            **_use(document),
            batch_system=str(document["batch_system"]),
            begun=bool(document["begun"]),
            jobs=_known(StoreJobs, document["jobs"]),
            failed=tuple(_known(FailedJob, one) for one in document["failed"]),
            tried_again=tuple(_known(FailedJob, one) for one in document["tried_again"]),
        )


def _use(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: document[name] for name in ("job_store", "exists", "broken", "foreign", "stats", "kill_asked")},
        "state": JobStoreState(document["state"]) if document["state"] else None,
        "leader": _known(StoreLeader, document["leader"]) if document["leader"] else None,
        "processes": tuple(_known(StoreProcess, one) for one in document["processes"]),
        "runs": tuple(_known(NamedRun, one) for one in document["runs"]),
    }


def _known(kind: type[T], document: Mapping[str, Any]) -> T:
    told = (one.name for one in fields(kind) if one.name in document or one.default is MISSING)  # type: ignore[arg-type]
    return kind(**{name: document[name] for name in told})
