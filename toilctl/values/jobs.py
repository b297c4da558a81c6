"""What waits and runs on a cluster: jobs, what they need of a node, and all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, order=True)
class Shape:
    """What a job needs of a node: resources only."""

    cores: float
    memory_mib: int
    disk_mib: int
    preemptible: bool
    """Whether it may run on a node that EC2 can take away."""


@dataclass(frozen=True)
class Job:
    """A queued or running job, as its engine or Toil's plugin tells."""

    job_id: str
    name: str
    """Its kind, as ``job_names`` has it: what run times are estimated by."""
    shape: Shape
    node: str | None = None
    """The instance id where it runs; None while it waits."""
    since: datetime | None = None
    """Since when it runs, or waits."""
    service: bool = False
    """Whether it runs until others, which wait for it, are done."""
    held: str = ""
    """Why its engine would not run it even on an empty node, such as a user's hold; then no node is launched for it."""


@dataclass(frozen=True)
class Demand:
    """All queued and running jobs, and how long jobs of each name took; the same for Mesos and Slurm."""

    jobs: tuple[Job, ...] = ()
    run_times_s: Mapping[str, float] = field(default_factory=dict)
    """Estimates by job name; a name that is missing counts as long."""
    counted: tuple[tuple[Job, int], ...] = ()
    """More jobs that wait, one of those alike and how many: a simulation counts 100,000 as they come and go."""

    problems: tuple[str, ...] = ()
    """What of the engine's answer could not be read, a sentence each; the rest counts."""

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return sum(job.node is None for job in self.jobs) + sum(count for _, count in self.counted)
