"""The name by which a job's run time is learned; ``toilctl/values/job_names.py`` leaves its numbers out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toil.job import JobDescription

RUNNERS = ("CWL", "WDL")
"""How the classes begin by which Toil calls all jobs of a language's runner."""


def of(job: JobDescription) -> str:
    """Return the name of a job's tool, function or class.

    Toil calls each job of a language's runner by one class, ``CWLJob``; what it runs is its unit's name. Elsewhere a
    unit's name is one of this very job, which no other job has.
    """
    name = str(job.jobName)
    return str(getattr(job, "unitName", "") or name) if name.startswith(RUNNERS) else name
