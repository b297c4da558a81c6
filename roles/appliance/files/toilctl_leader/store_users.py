"""Who works on a job store: the leader that it names, other programs that name it, and runs of toilctl's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toilctl_plugin import bus
from toilctl_plugin.locators import canonical
from toilctl_plugin.processes import PROC, Process, Processes, started

from toilctl_leader import run_attempts
from toilctl_leader.store_found import Found

if TYPE_CHECKING:
    from toil.jobStores.abstractJobStore import AbstractJobStore

PID, SUCCEEDED, FAILED = "pid.log", "succeeded.log", "failed.log"
"""What a leader writes into its job store: at its start, and at its end."""
OURS = ("toil", "toilctl")
OUR_MODULES = "toilctl."
"""Programs that are given job stores to look at."""


@dataclass(frozen=True)
class Leader:
    """The process that wrote last that it works on a job store."""

    pid: int
    name: str
    """The program's; empty when it does not run here."""
    here: bool
    """Whether it belongs to this machine, since the last boot; in a container it may be any process's number."""
    alive: bool | None
    """None when it is not from here and did not say that it ended."""
    since: str | None
    """When it began, as ISO 8601 in UTC."""
    failed: bool
    """Whether it said that jobs failed."""

    def document(self) -> dict[str, Any]:
        """Return what JSON has."""
        return vars(self)


def leader_of(found: Found, naming: list[Process]) -> Leader | None:
    """Return the leader, None when none has begun to work on it.

    :param naming: the programs that name the job store.
    """
    from toil.common import getNodeID
    from toil.jobStores.abstractJobStore import NoSuchFileException

    store = found.readable()
    try:
        pid, here = store.read_leader_pid(), store.read_leader_node_id() == getNodeID()
    except (NoSuchFileException, ValueError):
        return None
    began, failed = written_at(store, PID), written_at(store, FAILED)
    ends = [at for at in (failed, written_at(store, SUCCEEDED)) if at and began and at >= began]
    # Its end is told before it has exported the results, and the job store is deleted.
    alive = _works(pid, store, naming) if here else False if ends else None
    name = next((one.name for one in naming if one.pid == pid), "")
    return Leader(pid, name, here, alive, run_attempts.iso(began) if began else None, bool(failed and failed in ends))


def naming(locator: str) -> list[Process]:
    """Return the Python programs here that have a job store on their command lines, whoever looks at it left out."""
    if not PROC.is_dir():
        return []
    asking = set(_ancestors())
    return [
        one for one in Processes().look()
        if locator in one.locators() and one.name not in OURS and not one.name.startswith(OUR_MODULES)
        and one.pid not in asking
    ]  # fmt: skip


def runs_of(locator: str) -> list[dict[str, str]]:
    """Return name and state of toilctl's runs that use a job store, or did, in the order in which they are told."""
    from toilctl_leader.__main__ import verb_named

    told = verb_named("runs.list")({})["runs"]
    return [{"name": one["name"], "state": one["state"]} for one in told if locator in map(canonical, _stores(one))]


def written_at(store: AbstractJobStore, name: str) -> float | None:
    """Return when a shared file was written, in seconds since the epoch; None when it is not there."""
    kind = type(store).__name__
    if kind == "FileJobStore":
        path = Path(store.jobStoreDir, "shared", name)
        return path.stat().st_mtime if path.exists() else None
    if kind == "AWSJobStore":
        return _written_to_s3(store, name)
    blob = store.bucket.get_blob(name)
    return blob.updated.timestamp() if blob else None


def _written_to_s3(store: AbstractJobStore, name: str) -> float | None:
    try:
        head = store.s3_client.head_object(Bucket=store.bucket_name, Key=name)
    except store.s3_client.exceptions.ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            return None
        raise
    return float(head["LastModified"].timestamp())


def _works(pid: int, store: AbstractJobStore, naming: list[Process]) -> bool:
    """Tell whether a process is the job store's leader: a number alone may be another program's by now."""
    if not PROC.is_dir():
        return _is_there(pid)
    if any(one.pid == pid for one in naming):
        return True
    return bool(started(pid)) and bus.held_by(pid, store.config.write_messages) is not None


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _ancestors() -> Iterator[int]:
    pid = os.getppid()
    while pid > 1:
        yield pid
        try:
            pid = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return


def _stores(run: dict[str, Any]) -> list[str]:
    stores = run.get("job_store") or ()
    return [stores] if isinstance(stores, str) else list(stores)
