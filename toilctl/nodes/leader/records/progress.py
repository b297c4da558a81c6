"""How far a run's Toil workflows are, from their message buses.

Counted are jobs, by their ids in the job store, of all attempts of the run; a job that is tried three times is one.

===========  =======================================================================================================
``issued``   jobs that were handed to the batch system at least once, without those of an earlier attempt that neither
             succeeded nor were issued again since. Toil runs a chain of jobs within the first one of it: they are one
``done``     those whose last try ended with 0, also when they are to be continued by successors that fail later
``failed``   those that Toil has given up: no try is left, and the last one did not end with 0. A parent that Toil calls
             failed because of its children is not one of them
``running``  those that run now; null where nobody can tell, and then ``queued`` has them, too
``queued``   all others: they wait for a node, for their next try after a failed one, or run on the leader itself
===========  =======================================================================================================
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toilctl_plugin.processes import started
from toilctl_plugin.regular_files import lines, open_regular

from . import attempts, files
from . import message_bus as store_bus
from .attempts import Attempt
from .files import RunFiles

BUFFER = 1 << 20
MOST_WORKFLOWS = 10_000
"""Of one run: the bus of each is read."""


@dataclass(frozen=True)
class Workflow:
    """A Toil workflow of a run, as it told of itself."""

    pid: int
    job_store: str
    batch_system: str
    bus: str
    at: float


@dataclass
class Jobs:
    """What became of the jobs of one job store, by their ids there."""

    issued: dict[bytes, bytes] = field(default_factory=dict)
    """Batch ids of the jobs that are issued now."""
    ended: dict[bytes, bool] = field(default_factory=dict)
    """Whether the last try ended with 0."""
    failed: set[bytes] = field(default_factory=set)
    handed_on: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    """By batch id: the id that another system gave, and Toil's name for that system."""

    def begin(self) -> None:
        """Begin another workflow on the same job store: what has not succeeded is tried again, if it is needed."""
        self.issued, self.failed, self.handed_on = {}, set(), {}
        self.ended = {job: True for job, good in self.ended.items() if good}

    def take(self, line: bytes) -> None:
        """Take in a message; what is not known is passed over."""
        topic, *fields = line.rstrip(b"\n").split(b"\t")
        kind = topic.rpartition(b".")[2]
        if kind == b"JobIssuedMessage":
            self.issued[fields[1]] = fields[2]
            self.ended.pop(fields[1], None)
            self.failed.discard(fields[1])
        elif kind == b"JobCompletedMessage":
            self._end(fields[1], good=fields[2] == b"0")
        elif kind == b"JobUpdatedMessage" and fields[1] != b"0":
            # Of a job that was killed, nothing else is told.
            self._end(fields[0], good=False)
        elif kind == b"JobFailedMessage" and self.ended.get(fields[1]) is False:
            self.failed.add(fields[1])
        elif kind == b"ExternalBatchIdMessage":
            self.handed_on[fields[0]] = (fields[1], fields[2])

    @property
    def done(self) -> int:
        """How many succeeded."""
        return sum(self.ended.values())

    @property
    def known(self) -> int:
        """How many there are."""
        return len(self.issued) + len(self.ended)

    def told(self) -> store_bus.Told:
        """Return those that are issued, for those who know which run."""
        handed_on = {batch: self.handed_on[batch] for batch in self.issued.values() if batch in self.handed_on}
        return store_bus.Told(
            issued={_text(job): _text(batch) for job, batch in self.issued.items()},
            handed_on={_text(batch): (_text(one), _text(by)) for batch, (one, by) in handed_on.items()},
        )

    def _end(self, job: bytes, *, good: bool) -> None:
        if self.issued.pop(job, None) is not None or job in self.ended:
            self.ended[job] = good


def of(run: RunFiles, attempt: Attempt, *, goes_on: bool) -> dict[str, int | None] | None:
    """Return the numbers of jobs, as JSON has them; None when no workflow has begun."""
    workflows = workflows_of(run)
    if not workflows:
        return None
    if goes_on:
        stores = _counted(workflows)
        return _numbers(stores, _running(workflows, stores, attempt))
    seen = [_identity(one.bus) for one in workflows]
    before = files.read(run.progress)
    if isinstance(before, dict) and before.get("buses") == seen and isinstance(before.get("jobs"), dict):
        found: dict[str, int | None] = before["jobs"]
        return found
    numbers = {**_numbers(_counted(workflows), 0), "queued": 0}
    # Without it, they are counted again the next time.
    with contextlib.suppress(OSError):
        files.write(run.progress, {"buses": seen, "jobs": numbers})
    return numbers


def workflows_of(run: RunFiles) -> list[Workflow]:
    """Return the Toil workflows that a run has had, in the order in which they began; the last ones of very many."""
    return [one for one in map(_workflow, files.lines_of(run.workflows)) if one][-MOST_WORKFLOWS:]


def job_stores(run: RunFiles) -> list[str]:
    """Return the job stores of a run's workflows, in the order in which they were used first."""
    return list(dict.fromkeys(one.job_store for one in workflows_of(run)))


def read(path: str, jobs: Jobs) -> None:
    """Take in a bus; one that is not there has nothing to tell."""
    try:
        with open_regular(path, follow=True, buffering=BUFFER) as opened:
            for line in lines(opened, store_bus.MOST_BYTES):
                _take(jobs, line)
    except OSError:
        return


def _take(jobs: Jobs, line: bytes) -> None:
    # There is one for each job, and it says nothing about any.
    if line.startswith(b"toil.bus.QueueSize") or not line.endswith(b"\n"):
        return
    try:
        jobs.take(line)
    except IndexError:
        return


def _workflow(line: dict[str, Any]) -> Workflow | None:
    try:
        at = float(line["at"])
        # What is no time cannot be compared with others.
        attempts.iso(at)
        return Workflow(int(line["pid"]), str(line["job_store"]), str(line["batch_system"]), str(line["bus"] or ""), at)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _counted(workflows: list[Workflow]) -> dict[str, Jobs]:
    stores: dict[str, Jobs] = {}
    for one in workflows:
        jobs = stores.setdefault(one.job_store, Jobs())
        jobs.begin()
        read(one.bus, jobs)
    return stores


def _numbers(stores: dict[str, Jobs], running: int | None) -> dict[str, int | None]:
    done = sum(jobs.done for jobs in stores.values())
    failed = sum(len(jobs.failed) for jobs in stores.values())
    issued = sum(jobs.known for jobs in stores.values())
    waiting = issued - done - failed - (running or 0)
    return {"done": done, "running": running, "queued": waiting, "failed": failed, "issued": issued}


def _running(workflows: list[Workflow], stores: dict[str, Jobs], attempt: Attempt) -> int | None:
    """Return how many jobs run, of the workflows that live; None when that is not to be known of one of them."""
    latest = {one.job_store: one for one in workflows if attempts.iso(one.at) >= attempt.started_at}
    count = 0
    for one in latest.values():
        jobs = stores[one.job_store]
        if jobs.issued and started(one.pid):
            found = store_bus.running(jobs.told(), one.pid, one.batch_system)
            if found is None:
                return None
            count += len(found)
    return count


def _identity(path: str) -> list[Any]:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return [path]
    return [path, found.st_size, found.st_mtime_ns]


def _text(field: bytes) -> str:
    return field.decode(errors="replace")
