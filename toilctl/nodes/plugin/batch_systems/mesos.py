"""Mesos, with each job published: its master knows no job before it runs. And workflows outlive a restart of it."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import known_toil
from . import user_scripts
from .publishing import USED_PARAMETERS, publishing

if TYPE_CHECKING:
    from toil.batchSystems.mesos.batchSystem import MesosBatchSystem

WALL_TIME = "wallTime"
_ENDS = frozenset({"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR"})
"""What Toil takes for a job's end."""
_USED_PARAMETERS = {"handleLocalJob": set[str](), "statusUpdate": {"driver", "update"}}
CONSEQUENCE = "the autoscaler learns of its Mesos jobs by other ways, and later"


@functools.cache
def mesos_batch_system() -> type[MesosBatchSystem]:
    """Return the class that ``--batchSystem mesos`` shall mean.

    :raises ImportError: without pymesos, as Toil's own.
    """
    from toil.batchSystems.mesos.batchSystem import MesosBatchSystem

    missing = known_toil.missing(MesosBatchSystem, USED_PARAMETERS | _USED_PARAMETERS)
    if missing or not known_toil.has_jobs(missing):
        known_toil.warn(missing, CONSEQUENCE)
        found: type[Any] = MesosBatchSystem
        return found
    user_scripts.pack_sources()
    return _published(MesosBatchSystem)


def _published(builtin: type[MesosBatchSystem]) -> type[MesosBatchSystem]:
    class ToilctlMesosBatchSystem(publishing(builtin)):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # Before the driver starts, which tells of tasks in a thread of its own.
            self.ended: set[int] = set()
            super().__init__(*args, **kwargs)

        def framework(self) -> str:
            return str(self.frameworkId or "")

        def node_of(self, job_id: Any) -> str:
            task = self.runningJobMap.get(job_id)
            return str(task.agentIP) if task else ""

        def statusUpdate(self, driver: Any, update: Any) -> None:
            job_id = int(update.task_id.value)
            if update.state in _ENDS:
                # Mesos tells of an end until its answer has come through, and of a node that it gave up once more when
                # that is back. To Toil a second end is one of a job that never ran, of which it warns.
                if job_id in self.ended:
                    return
                self.ended.add(job_id)
            if update.state == "TASK_FINISHED":
                task = self.runningJobMap.get(job_id)
                update.labels.labels = with_wall_time(update.labels.labels, task.startTime if task else time.time())
            super().statusUpdate(driver, update)

    return ToilctlMesosBatchSystem


def with_wall_time(labels: Iterable[dict[str, str]], started: float) -> list[dict[str, str]]:
    """Return the labels with the one that Toil insists on; a master that restarted tells of ended tasks without."""
    given = list(labels or ())
    if any(label["key"] == WALL_TIME for label in given):
        return given
    return [*given, {"key": WALL_TIME, "value": str(time.time() - started)}]
