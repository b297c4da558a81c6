"""Who works on a job store: the leader that it names, other programs that name it, and runs of toilctl's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toilctl_plugin.locators import canonical
from toilctl_plugin.processes import PROC, Process, Processes, started
from toilctl_plugin.watcher import bus

from ..records import attempts
from .store import Found

if TYPE_CHECKING:
    from toil.jobStores.abstractJobStore import AbstractJobStore

PID, SUCCEEDED, FAILED = "pid.log", "succeeded.log", "failed.log"
"""What a leader writes into its job store: at its start, and at its end."""
OURS = ("toil", "toilctl")
LSTART = 24
"""How long ps writes when a process began, such as Mon Nov 30 09:05:03 2026."""
OUR_MODULES = "toilctl."
"""Programs that are given job stores to look at."""


@dataclass(frozen=True)
class LeaderProcess:
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


def leader_of(found: Found, naming: list[Process]) -> LeaderProcess | None:
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
    return LeaderProcess(
        pid, name, here, alive, attempts.iso(began) if began else None, bool(failed and failed in ends)
    )


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


def programs(naming: list[Process]) -> list[dict[str, Any]]:
    """Return number and name of each program, as JSON has them.

    A program that starts another one is there twice for a moment, under its own line; its child is left out.
    """
    lines = {one.pid: one.words for one in naming}
    return [{"pid": one.pid, "name": one.name} for one in naming if lines.get(_parent(one.pid)) != one.words]


def runs_of(locator: str) -> list[dict[str, str]]:
    """Return name and state of toilctl's runs that use a job store, or did, in the order in which they are told."""
    from ..__main__ import verb_named

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
        return _is_python(pid, written_at(store, PID))
    if any(one.pid == pid for one in naming):
        return True
    return bool(started(pid)) and bus.held_by(pid, store.config.write_messages) is not None


def _is_python(pid: int, before: float | None) -> bool:
    """Tell whether a process is a Python program that began before a time: all that can be told where /proc is not."""
    asked = subprocess.run(
        ["ps", "-ww", "-p", str(pid), "-o", "lstart=", "-o", "command="], env=os.environ | {"LC_ALL": "C"},
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    began, command = asked.stdout.strip()[:LSTART], asked.stdout.strip()[LSTART:]
    if before is None or "python" not in command.lower():
        return False
    try:
        return datetime.strptime(began, "%a %b %d %H:%M:%S %Y").astimezone().timestamp() <= before + 1
    except ValueError:
        return False


def _ancestors() -> Iterator[int]:
    pid = os.getppid()
    while pid > 1:
        yield pid
        pid = _parent(pid)


def _parent(pid: int) -> int:
    """Return the number of a process's parent; 0 when the process is gone."""
    try:
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _stores(run: dict[str, Any]) -> list[str]:
    stores = run.get("job_store") or ()
    return [stores] if isinstance(stores, str) else list(stores)
