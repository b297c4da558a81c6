"""Mesos, with each job published: its master knows no job before it runs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from toilctl_plugin import known, scripts
from toilctl_plugin.publishing import USED_PARAMETERS, publishing

if TYPE_CHECKING:
    from toil.batchSystems.mesos.batchSystem import MesosBatchSystem

CONSEQUENCE = "the autoscaler learns of its Mesos jobs by other ways, and later"


@functools.cache
def mesos_batch_system() -> type[MesosBatchSystem]:
    """Return the class that ``--batchSystem mesos`` shall mean.

    :raises ImportError: without pymesos, as Toil's own.
    """
    from toil.batchSystems.mesos.batchSystem import MesosBatchSystem

    missing = known.missing(MesosBatchSystem, {**USED_PARAMETERS, "handleLocalJob": set()})
    if missing or not known.has_jobs(missing):
        known.warn(missing, CONSEQUENCE)
        return MesosBatchSystem
    scripts.pack_everywhere()
    return _published(MesosBatchSystem)


def _published(builtin: type[MesosBatchSystem]) -> type[MesosBatchSystem]:
    class ToilctlMesosBatchSystem(publishing(builtin)):  # type: ignore[misc]
        def framework(self) -> str:
            return str(self.frameworkId or "")

        def node_of(self, job_id: Any) -> str:
            task = self.runningJobMap.get(job_id)
            return str(task.agentIP) if task else ""

    return ToilctlMesosBatchSystem
