"""What a Mesos cluster has to do: the jobs that workflows publish and the tasks that the master knows, as one.

A workflow knows all its jobs, the master only those that run. Whoever publishes nothing is known by its tasks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from toilctl.engines.mesos_tasks import Task
from toilctl.engines.published_lines import PublishedWorkflow
from toilctl.values import job_names
from toilctl.values.jobs import Demand, Job, Shape

_VERSION: Final = re.compile(r"(?P<words>.*)v\d+", re.DOTALL)
"""How the name of a task of Toil's ends.

How Toil names its tasks: ``'sort' kind-sort/instance-x1 v1``: a job's name, its id in the job store, a version.

Between the first two some have a name of their own: ``'CWLJob' align.17.bwa kind-CWLJob/instance-x2 v1``.
"""


def demand(workflows: Iterable[PublishedWorkflow], tasks: Iterable[Task], run_times_s: Mapping[str, float]) -> Demand:
    """Return all jobs, each once; what the master says of where a job runs counts more than what its workflow says.

    A job that runs by its workflow's word alone still runs: a master that just restarted lists nothing.
    """
    running = {(task.framework, task.task_id): task for task in tasks}
    jobs: list[Job] = []
    for workflow in workflows:
        there = _by_store_id(workflow, running.values()) if workflow.store_ids else {}
        for job_id, job in workflow.jobs.items():
            task = running.pop((workflow.framework, job_id), None) or running.pop(there.get(job_id, ("", "")), None)
            jobs.append(replace(job, node=task.agent_id, since=task.started or job.since) if task else job)
    return Demand((*jobs, *map(_of_task, running.values())), run_times_s)


def _by_store_id(workflow: PublishedWorkflow, tasks: Iterable[Task]) -> dict[str, tuple[str, str]]:
    """Find the tasks of a workflow whose framework nobody told: by their ids and their names in the job store."""
    by_task_id = defaultdict[str, list[Task]](list)
    for task in tasks:
        by_task_id[task.task_id].append(task)
    return dict(_matches(workflow, by_task_id))


def _matches(
    workflow: PublishedWorkflow, by_task_id: Mapping[str, list[Task]]
) -> Iterator[tuple[str, tuple[str, str]]]:
    for job_id, store_id in workflow.store_ids.items():
        for task in by_task_id.get(job_id, ()):
            name = _of_toil(task.name)
            if name and store_id in name[1].split():
                yield job_id, (task.framework, task.task_id)


def _of_task(task: Task) -> Job:
    needed = task.resources
    # It runs where it may run; whether it could run elsewhere is not known.
    shape = Shape(needed.cores, needed.memory_mib, needed.disk_mib, preemptible=True)
    return Job(task.job_id, _kind(task.name), shape, task.agent_id, task.started)


def _kind(task: str) -> str:
    name = _of_toil(task)
    if name is None:
        return job_names.kind(task)
    unit, _, _store_id = name[1].strip().rpartition(" ")
    return job_names.of_toil(name[0], unit)


def _of_toil(task: str) -> tuple[str, str] | None:
    """Return the job's name, and the words after it; None when Toil has not named the task."""
    # One expression for all of it would take a long name apart in ever more ways.
    before, quote, rest = task.rpartition("' ")
    version = _VERSION.fullmatch(rest)
    return (before[1:], version["words"]) if quote and before.startswith("'") and version else None
