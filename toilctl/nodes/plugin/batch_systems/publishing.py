"""Batch systems that publish their jobs: any batch system of Toil's, extended by a file that the autoscaler follows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import job_names
from ..autoscaling import handed_over
from ..publication.publication import Publication

if TYPE_CHECKING:
    from toil.batchSystems.abstractBatchSystem import AbstractBatchSystem, UpdatedBatchJobInfo

LOOK_S = 0.5
"""How often the batch system is asked which jobs run."""
KILLED = 137

USED_PARAMETERS: dict[str, set[str]] = {
    "issueBatchJob": {"command"},
    "getUpdatedBatchJob": {"maxWait"},
    "killBatchJobs": set(),
    "getRunningBatchJobIDs": set(),
    "shutdown": set(),
}
"""What ``publishing`` overrides or calls of a batch system, with the parameters that it uses by name."""


def publishing(builtin: type[AbstractBatchSystem]) -> type[AbstractBatchSystem]:
    """Return a subclass that does the same, and publishes each job that is issued, runs, and ends.

    Jobs that run on the leader itself are left out: no node is launched for them.
    """
    from toil.job import JobDescription, ServiceJobDescription

    class Publishing(builtin):  # type: ignore[misc]
        _looked = 0.0
        _local_id: object = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            wish = handed_over.asked()
            self.publication = Publication(
                self.framework(), wish.limits, Path(sys.argv[0]).name, tuning=wish.tuning, storage=wish.storage
            )

        def framework(self) -> str:
            """Return the engine's id of this workflow; ids of jobs are unique within it."""
            return ""

        def node_of(self, _job_id: Any) -> str:
            """Return the private address of the node where a job runs; empty where nobody knows."""
            return ""

        def handleLocalJob(self, *args: Any, **kwargs: Any) -> Any:
            self._local_id = super().handleLocalJob(*args, **kwargs)
            return self._local_id

        def issueBatchJob(self, *args: Any, **kwargs: Any) -> Any:
            self._local_id = None
            job_id = super().issueBatchJob(*args, **kwargs)
            if self._local_id is None:
                job = next(one for one in (*args, *kwargs.values()) if isinstance(one, JobDescription))
                self.publication.queued(
                    job_id, job_names.of(job), job.cores, job.memory, job.disk, bool(job.preemptible),
                    isinstance(job, ServiceJobDescription), str(job.jobStoreID),
                )  # fmt: skip
            return job_id

        def getUpdatedBatchJob(self, maxWait: int) -> UpdatedBatchJobInfo | None:
            self.publish_running()
            update = super().getUpdatedBatchJob(maxWait)
            if update is not None:
                self.publish_end(update)
            return update

        def killBatchJobs(self, jobIDs: Iterable[Any]) -> None:
            jobs = list(jobIDs)
            super().killBatchJobs(jobs)
            for job_id in jobs:
                self.publication.ended(job_id, KILLED, None)

        def shutdown(self) -> None:
            try:
                super().shutdown()
            finally:
                self.publication.close()

        def publish_end(self, update: UpdatedBatchJobInfo) -> None:
            """Publish that a job has ended."""
            self.publication.ended(update.jobID, update.exitStatus, update.wallTime)

        def publish_running(self) -> None:
            """Publish which jobs run; Toil asks for updates all the time, and jobs start between two looks."""
            if time.monotonic() - self._looked < LOOK_S:
                return
            self._looked = time.monotonic()
            known = self.publication.running()
            for job_id, seconds in self.getRunningBatchJobIDs().items():
                if str(job_id) not in known:
                    self.publication.runs(job_id, self.node_of(job_id), time.time() - seconds)

    return Publishing
