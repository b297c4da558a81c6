"""Job stores: what became of a workflow, how far it is, and who uses its job store.

The same program serves on a leader, and beside toilctl on a machine with Toil, where there are no runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records import message_bus as bus
from ..records import progress
from ..records.progress import Jobs
from . import jobs as store_jobs
from . import store as store_found
from . import users as store_users
from .store import Found
from .users import LeaderProcess

if TYPE_CHECKING:
    from .jobs import Left

RUNNING, FINISHED, FAILED, STOPPED, UNKNOWN = "running", "finished", "failed", "stopped", "unknown"
SHOWN = 100
"""How many failed jobs are described, at most."""


def users(request: dict[str, Any]) -> dict[str, Any]:
    """Tell what is there under a locator, without loading jobs, and who uses it.

    :param request: ``{"job_store": …, "runs": whether toilctl starts workflows here, "existing": whether it must be
        there and readable}``.
    :raises RefusedError: when it is not, or cannot be looked for.
    """
    return _looked_up(request)[2]


def status(request: dict[str, Any]) -> dict[str, Any]:
    """Tell what ``users`` tells, and of the jobs that are left.

    :raises RefusedError: when there is no job store, or none that can be read.
    """
    found, leader, told = _looked_up(request)
    store = found.readable()
    its_bus = _bus(store.config.write_messages) if leader and leader.here else None
    left = store_jobs.left_in(found, [job.decode() for job in its_bus.issued] if its_bus else ())
    if told["state"] == STOPPED and left.failed:
        told["state"] = FAILED
    return told | {
        "batch_system": store.config.batchSystem,
        "begun": left.begun,
        "jobs": _numbers(left, its_bus, leader, store.config.batchSystem),
        "failed": [store_jobs.describe(one, store) for one in left.failed[:SHOWN]],
        "tried_again": [store_jobs.describe(one, store) for one in left.tried_again[:SHOWN]],
    }


def _looked_up(request: dict[str, Any]) -> tuple[Found, LeaderProcess | None, dict[str, Any]]:
    found = store_found.find(request["job_store"])
    if request.get("existing"):
        found.readable()
    naming = store_users.naming(found.locator)
    leader = store_users.leader_of(found, naming) if found.store else None
    store = found.store
    return found, leader, {
        "job_store": found.locator,
        "exists": found.exists,
        "broken": found.broken,
        "foreign": found.is_foreign,
        "state": _state(found, leader) if store else None,
        "leader": leader.document() if leader else None,
        "stats": bool(store.config.stats) if store else None,
        "kill_asked": bool(store and leader and leader.alive and store.read_kill_flag()),
        "processes": store_users.programs(naming),
        "runs": store_users.runs_of(found.locator) if request.get("runs") else [],
    }  # fmt: skip


def _state(found: Found, leader: LeaderProcess | None) -> str:
    """Tell what became of a workflow, as far as it is known without its jobs."""
    if leader and leader.alive:
        return RUNNING
    root = store_jobs.root_id(found.readable())
    if root and not found.readable().job_exists(root):
        return FINISHED
    if leader and leader.failed:
        return FAILED
    return UNKNOWN if leader and leader.alive is None else STOPPED


def _bus(path: str | None) -> Jobs | None:
    """Return what a workflow told of its jobs since its last start; None when that is not here."""
    if not path or not Path(path).is_file():
        return None
    jobs = Jobs()
    progress.read(path, jobs)
    return jobs


def _numbers(left: Left, its_bus: Jobs | None, leader: LeaderProcess | None, batch_system: str) -> dict[str, Any]:
    """Count the jobs; what nobody tells is None."""
    failed = {job_id for job_id, job in left.jobs.items() if job.remainingTryCount == 0}
    told = its_bus.told() if its_bus else bus.Told()
    issued = set(told.issued) - failed if leader and leader.alive else set()
    running = bus.running(told, leader.pid, batch_system) if leader and issued else set()
    succeeded = {job.decode() for job, good in its_bus.ended.items() if good} if its_bus else set()
    return {
        "succeeded": len(succeeded - set(left.jobs)) if its_bus else None,
        "issued": len(issued),
        "running": None if running is None else len(running & issued),
        "queued": None if running is None else len(issued - running),
        "waiting": len(set(left.jobs) - issued - failed),
        "failed": len(failed),
        "complete": left.complete,
    }


VERBS = {"status": status, "users": users}
