"""The jobs that are left in a job store, found from its root job on, and where those that failed have their logs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toilctl_plugin import job_store

from . import store as store_found
from .store import Found

if TYPE_CHECKING:
    from toil.job import JobDescription
    from toil.jobStores.abstractJobStore import AbstractJobStore

ROOT = "rootJobStoreID"
PATIENCE_S = 60.0
"""How long jobs are loaded, at most: there may be a hundred thousand."""
THREADS = 16
"""How many jobs are loaded at once from a bucket, which takes most of a time by waiting."""
CHUNK = 256
LONGEST_LOG = 2**20
"""Characters of a log that are looked at."""
REFUSED = re.compile(
    r"not authorized to perform: s3:(?:Put|Delete|Abort|Create)\w+ on resource: \"?arn:[a-z-]+:s3:::([^\s\"]{1,1000})"
)
"""How S3 refuses what a role's policies do not allow ("Access denied error message examples")."""

Load = Callable[["list[str]"], "Iterable[JobDescription | None]"]


@dataclass
class Left:
    """The jobs of a job store."""

    begun: bool
    """Whether there ever was a root job."""
    jobs: dict[str, JobDescription] = field(default_factory=dict)
    """Without those that have succeeded, with all that they began."""
    complete: bool = True
    """Whether there was time for all."""

    @property
    def failed(self) -> list[JobDescription]:
        """Jobs without a try left."""
        return [job for job in self.jobs.values() if job.remainingTryCount == 0]

    @property
    def tried_again(self) -> list[JobDescription]:
        """Jobs that failed, and have tries left."""
        return [job for job in self.jobs.values() if job.remainingTryCount > 0 and job.logJobStoreFileID]


def root_id(store: AbstractJobStore) -> str | None:
    """Return the root job's id, None when there never was one."""
    from toil.jobStores.abstractJobStore import NoSuchFileException

    try:
        with store.read_shared_file_stream(ROOT) as stream:
            return str(stream.read().decode())
    except NoSuchFileException:
        return None


def left_in(found: Found, first: Iterable[str] = (), patience_s: float = PATIENCE_S) -> Left:
    """Load the jobs that are left.

    :param first: job store ids to begin with, in case that there is no time for all.
    """
    root = root_id(found.readable())
    left = Left(begun=root is not None)
    waiting = list(dict.fromkeys([*first, *([root] if root else [])]))
    seen, until = set(waiting), time.monotonic() + patience_s
    with _loading(found) as load:
        while waiting:
            if time.monotonic() > until:
                left.complete = False
                break
            chunk, waiting = waiting[:CHUNK], waiting[CHUNK:]
            for job_id, job in zip(chunk, load(chunk)):  # noqa: B905 - Python 3.9 has no strict
                if job:
                    left.jobs[job_id] = job
                    behind = dict.fromkeys(map(str, (*job.allSuccessors(), *job.services)))
                    new = [one for one in behind if one not in seen]
                    seen.update(new)
                    waiting += new
    return left


def describe(job: JobDescription, store: AbstractJobStore) -> dict[str, Any]:
    """Return what is to be told of a job that failed."""
    return {
        "name": job.unitName or job.jobName or job.displayName,
        "id": str(job.jobStoreID),
        "tries_left": job.remainingTryCount,
        "log": where_log_is(job, store),
        "s3_refused": refused_by_s3(job, store),
    }


def refused_by_s3(job: JobDescription, store: AbstractJobStore) -> str | None:
    """Return where in S3 a job's last failure may not write, as BUCKET/KEY, if its log says so."""
    from toil.jobStores.abstractJobStore import NoSuchFileException

    if not job.logJobStoreFileID:
        return None
    try:
        with store.read_file_stream(job.logJobStoreFileID, encoding="utf-8", errors="replace") as stream:
            found = REFUSED.search(stream.read(LONGEST_LOG))
    except (NoSuchFileException, OSError, ValueError):
        return None
    return found[1] if found else None


def where_log_is(job: JobDescription, store: AbstractJobStore) -> str | None:
    """Return the path or URL of the log that a job's last failure left; None when its worker had no time for one."""
    from toil.jobStores.abstractJobStore import NoSuchFileException

    log = job.logJobStoreFileID
    if not log:
        return None
    try:
        if type(store).__name__ == "FileJobStore":
            return str(store.get_public_url(log)).partition(":")[2]
        if type(store).__name__ == "AWSJobStore":
            # Its URLs are signed: whoever has one can read.
            return f"s3://{store.bucket_name}/{store.find_s3_key_from_file_id(log)}"
    except (NoSuchFileException, AttributeError):
        return None
    return None


@contextmanager
def _loading(found: Found) -> Iterator[Load]:
    """Give a function that loads jobs, in their order; those that are gone are None."""
    from toil.jobStores.fileJobStore import FileJobStore

    store = found.readable()
    if isinstance(store, FileJobStore):
        yield lambda ids: [job_store.load(store, one) for one in ids]
        return
    own = threading.local()

    def load(job_id: str) -> JobDescription | None:
        # Clients of clouds may not be shared between threads.
        if not hasattr(own, "store"):
            own.store = store_found.find(found.locator).readable()
        return job_store.load(own.store, job_id)

    with ThreadPoolExecutor(THREADS) as pool:
        yield lambda ids: list(pool.map(load, ids))
