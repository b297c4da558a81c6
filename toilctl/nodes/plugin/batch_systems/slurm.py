"""Slurm: workers get the user's script, and Slurm learns what Toil does not tell it.

That is whether a job may run on a spot node, how much disk it needs, and whether it is a service. And each job is
published as it is issued and ends, for the run's trace.

One thing is lost: the signal by which ``--slurmTime`` warns a job ends it at once.
"""

from __future__ import annotations

import functools
import inspect
import shlex
from typing import TYPE_CHECKING, Any

from .. import job_names, known_toil
from . import user_scripts
from .publishing import USED_PARAMETERS, publishing
from .slurm_history import History

if TYPE_CHECKING:
    from toil.batchSystems.abstractBatchSystem import UpdatedBatchJobInfo
    from toil.batchSystems.slurm import SlurmBatchSystem
    from toil.job import JobDescription
    from toil.resource import Resource

NONPREEMPTIBLE = "nonpreemptible"
"""The Slurm feature of nodes that EC2 does not take away."""

SERVICE_COMMENT = "toilctl-service"
"""The Slurm comment of a job that runs until others, which wait for it, are done."""

OPTIONS_MARK = "TOILCTL_SBATCH_OPTIONS"
"""Carries sbatch's options from a job's description to its submission, in the job's own environment."""

NAME_MARK = "TOILCTL_JOB_NAME"
"""Carries the name that Slurm shall have of a job, likewise."""

_USED_PARAMETERS = USED_PARAMETERS | {
    "issueBatchJob": {"command", "job_desc", "job_environment"},
    "handleLocalJob": set[str](),
    "GridEngineThread.prepareSubmission": {"jobID", "command", "jobName", "job_environment"},
    "GridEngineThread.submitJob": {"subLine"},
    "supportsAutoDeployment": set[str](),
    "setUserScript": set[str](),
}
"""What this module overrides or calls of Toil's class, with the parameters that it uses by name."""

CONSEQUENCE = "on Slurm, workflow scripts must be at the same path on every worker"


@functools.cache
def slurm_batch_system() -> type[SlurmBatchSystem]:
    """Return the class that ``--batchSystem slurm`` shall mean."""
    from toil.batchSystems.slurm import SlurmBatchSystem

    missing = known_toil.missing(SlurmBatchSystem, _USED_PARAMETERS)
    try:
        from toil.job import ServiceJobDescription
    except ImportError as error:
        missing.append(str(error))
    if missing:
        known_toil.warn(missing, CONSEQUENCE)
        found: type[Any] = SlurmBatchSystem
        return found
    user_scripts.pack_sources()
    return _deploying(SlurmBatchSystem, ServiceJobDescription)


def _deploying(builtin: type[SlurmBatchSystem], service: type[JobDescription]) -> type[SlurmBatchSystem]:
    """Make the subclass, whose jobs fetch the user's script before they start."""
    prepare = inspect.signature(builtin.GridEngineThread.prepareSubmission)

    class ToilctlSlurmBatchSystem(publishing(builtin)):  # type: ignore[misc]
        user_script: Resource | None = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.history = History()
            self.slurm_ids: dict[int, str] = {}
            super().__init__(*args, **kwargs)

        def publish_running(self) -> None:
            """Publish nothing: squeue would list all jobs each time, and the autoscaler asks it itself."""

        def publish_end(self, update: UpdatedBatchJobInfo) -> None:
            ran = self.history.take(self.slurm_ids.pop(update.jobID, ""))
            if ran is None:
                super().publish_end(update)
                return
            self.publication.runs(update.jobID, "", ran.started)
            self.publication.ended(update.jobID, update.exitStatus, ran.ended - ran.started, ran.ended)

        class GridEngineThread(builtin.GridEngineThread):  # type: ignore[misc, name-defined]
            submitting: int

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                # A workflow that fails before Toil shuts its batch system down must end all the same.
                self.daemon = True

            def prepareSubmission(self, *args: Any, **kwargs: Any) -> list[str]:
                bound = prepare.bind(self, *args, **kwargs)
                bound.apply_defaults()
                environment = dict(bound.arguments["job_environment"] or {})
                chosen = shlex.split(environment.pop(OPTIONS_MARK, f"--constraint={NONPREEMPTIBLE}"))
                # Else Slurm had the name of this very job, by which the autoscaler could learn nothing.
                bound.arguments["jobName"] = environment.pop(NAME_MARK, bound.arguments["jobName"])
                bound.arguments["job_environment"] = environment
                bound.arguments["command"] = self.boss.packed(bound.arguments["command"])
                sbatch, *options = super().prepareSubmission(*bound.args[1:], **bound.kwargs)
                self.submitting = bound.arguments["jobID"]
                # First, so that options of the user's own win.
                return [sbatch, *chosen, *options]

            def submitJob(self, subLine: list[str]) -> int:
                slurm_id = int(super().submitJob(subLine))
                self.boss.slurm_ids[self.submitting] = str(slurm_id)
                return slurm_id

        @classmethod
        def supportsAutoDeployment(cls) -> bool:
            return True

        def setUserScript(self, userScript: Resource) -> None:
            self.user_script = userScript

        def issueBatchJob(
            self, command: str, job_desc: JobDescription, job_environment: dict[str, str] | None = None
        ) -> int:
            # Jobs for the leader ignore this environment; only those for workers come to prepareSubmission.
            options = sbatch_options(job_desc, is_service=isinstance(job_desc, service))
            environment = {
                **(job_environment or {}), OPTIONS_MARK: shlex.join(options), NAME_MARK: job_names.of(job_desc),
            }  # fmt: skip
            return int(super().issueBatchJob(command, job_desc, environment))

        def packed(self, command: str) -> str:
            """Return a command that fetches the user's script first, if there is one."""
            return user_scripts.fetching(command, self.user_script) if self.user_script else command

    return ToilctlSlurmBatchSystem


def sbatch_options(job_desc: JobDescription, *, is_service: bool) -> list[str]:
    """Return what to tell sbatch of a job beyond its cores and memory."""
    disk_mib = -(-int(job_desc.disk) // 2**20)
    return [
        *([] if job_desc.preemptible else [f"--constraint={NONPREEMPTIBLE}"]),
        *([f"--tmp={disk_mib}M"] if disk_mib else []),
        *([f"--comment={SERVICE_COMMENT}"] if is_service else []),
    ]
