"""The lines that a workflow publishes, read strictly: each is a value within its bounds, or none at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from toilctl.engines.client import UNREADABLE, moment
from toilctl.values.job_names import kind
from toilctl.values.jobs import Job, Shape

FORMAT: Final = 1
_MIB: Final = 2**20
_MOST_CORES: Final = 1e6
_MOST_BYTES: Final = 2**60
_MOST_SECONDS: Final = 1e9
"""Some 30 years, of a job's run time."""
_LONGEST: Final = 1000
"""Characters of an id, a name, an option."""
_MOST_LIMITS: Final = 200


@dataclass
class PublishedWorkflow:
    """A workflow that runs, and its jobs that wait or run."""

    framework: str = ""
    """The engine's id of it; empty where nobody knows."""
    name: str = ""
    limits: tuple[str, ...] = ()
    """What its user typed as Toil's own autoscaling options: ``NODE_TYPE=MIN..MAX``."""
    tuning: str = ""
    """How eager scaling is to be, as ``toilctl.values.tuning`` has it, without what was not typed."""
    storage: str = ""
    """Root volumes, as ``toilctl.values.worker_tags`` has them."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """By the id that Toil's batch system gave; a running job's node is a private address, or empty."""
    store_ids: dict[str, str] = field(default_factory=dict)
    """The jobs' names in the job store, by the same ids, where the framework is not known."""

    def gone(self) -> None:
        """Forget the jobs of a workflow that lives no more."""
        self.jobs.clear()
        self.store_ids.clear()


def header(line: bytes) -> PublishedWorkflow | None:
    """Return what a file's first line says of its workflow; None when it is of another form."""
    try:
        said = json.loads(line) if line.endswith(b"\n") else {}
        if said["toilctl"] != FORMAT:
            return None
        limits = [_text(one) for one in _list(said.get("limits", []))]
        framework, name, tuning, storage = (
            _text(said.get(one, "")) for one in ("framework", "name", "tuning", "storage")
        )
    except UNREADABLE:
        return None
    return PublishedWorkflow(framework, name, tuple(limits), tuning, storage)


def take(workflow: PublishedWorkflow, event: Any, room: int) -> tuple[str, float] | None:
    """Take an event in; return name and seconds of a job that ended well.

    :param room: how many jobs the workflow may have.
    :raises Exception: one of ``client.UNREADABLE`` for an event of another form; then nothing is changed.
    """
    what, key = event[0], _text(event[1])
    jobs = workflow.jobs
    if what == "q":
        _queue(workflow, key, event, room)
    elif what == "r" and key in jobs:
        job, node, since = jobs[key], _text(event[2]), _time(event[3])
        jobs[key] = Job(job.job_id, job.name, job.shape, node, since, job.service)
    elif what == "e" and key in jobs:
        status, taken_s = event[2], event[3]
        seconds = None if status != 0 or taken_s is None else _amount(taken_s, _MOST_SECONDS)
        job = jobs.pop(key)
        workflow.store_ids.pop(key, None)
        return None if seconds is None else (job.name, seconds)
    elif what == "t":
        return kind(key), _amount(event[2], _MOST_SECONDS)
    elif what not in ("r", "e"):
        raise ValueError(what)
    return None


def _queue(workflow: PublishedWorkflow, key: str, event: Any, room: int) -> None:
    _, _, name, cores, memory, disk, preemptible, service, since, store_id = event
    if len(workflow.jobs) >= room and key not in workflow.jobs:
        raise ValueError(room)
    shape = _shape(cores, memory, disk, preemptible)
    job = Job(f"{workflow.framework}/{key}", kind(_string(name)), shape, None, _time(since), service == 1)
    if not workflow.framework:
        workflow.store_ids[key] = _text(store_id)
    workflow.jobs[key] = job


@lru_cache(maxsize=4096)
def _shape(cores: float, memory: int, disk: int, preemptible: int) -> Shape:
    # Thousands of jobs have the same: kept once.
    memory_mib, disk_mib = (-(-int(_amount(one, _MOST_BYTES)) // _MIB) for one in (memory, disk))
    return Shape(float(_amount(cores, _MOST_CORES)), memory_mib, disk_mib, preemptible == 1)


@lru_cache(maxsize=4096)
def _time(seconds: float) -> datetime:
    return moment(seconds)


def _amount(value: Any, most: float) -> float:
    # Nor is it NaN.
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise ValueError(value)
    return float(value) if type(value) is float else value


def _text(value: Any) -> str:
    if len(_string(value)) > _LONGEST:
        raise ValueError(value[:_LONGEST])
    # Half a surrogate pair is no text that could be written anywhere.
    return str(value) if value.isascii() else value.encode("utf-8", "replace").decode()


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST_LIMITS:
        raise TypeError(value)
    return value
