"""A workflow's job store, opened beside its leader, and only read."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from . import known_toil
from .regular_files import open_regular

if TYPE_CHECKING:
    from toil.job import JobDescription
    from toil.jobStores.abstractJobStore import AbstractJobStore

USED: dict[str, set[str]] = {"resume": set(), "read_leader_pid": set(), "load_job": {"job_id"}}
ERRORS = ("NoSuchFileException", "NoSuchJobException", "NoSuchJobStoreException")


class NotFollowedError(Exception):
    """A locator that means no job store of the process's, or one whose jobs the autoscaler learns in other ways."""


def lacking() -> list[str]:
    """Return what the installed Toil lacks of what is used here."""
    try:
        from toil.common import Toil
        from toil.jobStores import abstractJobStore
        from toil.jobStores.fileJobStore import FileJobStore
    except ImportError as error:
        return [str(error)]
    missing = known_toil.missing(Toil, {"getJobStore": {"locator"}})
    missing += known_toil.missing(abstractJobStore.AbstractJobStore, USED)
    missing += known_toil.missing(FileJobStore, {"_get_job_file_name": set()})
    missing += [name for name in ERRORS if not hasattr(abstractJobStore, name)]
    known_toil.has_jobs(missing)
    return missing


def of_leader(locator: str, pid: int, batch_system: str) -> AbstractJobStore | None:
    """Return the job store, None when the process is not its leader so far.

    :raises NotFollowedError: it never will be one to follow.
    """
    from toil.jobStores.abstractJobStore import NoSuchFileException, NoSuchJobStoreException

    try:
        if _resumed(locator).read_leader_pid() != pid:
            return None
        # Once more: a restart writes its configuration, and then its pid.
        store = _resumed(locator)
    except (NoSuchJobStoreException, NoSuchFileException, FileNotFoundError, EOFError):
        return None
    if store.config.batchSystem != batch_system:
        raise NotFollowedError(f"{locator} is of a workflow on {store.config.batchSystem}")
    return store


def load(store: AbstractJobStore, job_id: str) -> JobDescription | None:
    """Return a job's description, None when it is gone."""
    from toil.jobStores.abstractJobStore import NoSuchJobException
    from toil.jobStores.fileJobStore import FileJobStore

    try:
        if not isinstance(store, FileJobStore):
            return store.load_job(job_id)
        # Its load_job() removes what a worker is just writing, which then fails.
        with open_regular(store._get_job_file_name(job_id), follow=True) as opened:
            job: JobDescription = pickle.load(opened)  # noqa: S301
    except (NoSuchJobException, FileNotFoundError):
        return None
    job.assignConfig(store.config)
    return job


def _resumed(locator: str) -> AbstractJobStore:
    from toil.common import Toil

    try:
        store = Toil.getJobStore(locator)
    except (ValueError, ImportError) as error:
        raise NotFollowedError(f"{locator} cannot be opened: {error}") from error
    store.resume()
    return store
