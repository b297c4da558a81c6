#!/usr/bin/env python3
"""The project of Toil's chapter Auto-Deployment: a job of one package that calls another one."""

from __future__ import annotations

from typing import Any

from toil.common import Toil
from toil.job import Job
from util.sort.quick import sort


def sorted_by_job(job: Any, numbers: list[int]) -> list[int]:
    """Sort on a worker."""
    return sort(numbers)


def begin(job: Any) -> Any:
    """Let another job sort, so that two jobs need the packages."""
    return job.addChildJobFn(sorted_by_job, [3, 1, 2], cores=0.1, memory="100Mi", disk="10Mi").rv()


if __name__ == "__main__":
    options = Job.Runner.getDefaultArgumentParser().parse_args()
    with Toil(options) as toil:
        print(toil.start(Job.wrapJobFn(begin, cores=0.1, memory="100Mi", disk="10Mi")))
