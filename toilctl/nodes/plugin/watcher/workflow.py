"""One workflow that does not publish its jobs: its bus and its job store are read, and it is done here."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from .. import job_names, job_store
from ..processes import Process
from ..publication.publication import Publication
from . import bus
from .publishers import Publishers

if TYPE_CHECKING:
    from toil.jobStores.abstractJobStore import AbstractJobStore

logger = logging.getLogger(__name__)

LONGEST_S = 10.0
"""How long to wait, at most, before looking again for a job store: a workflow may import files for hours first."""
LOAD_S = 1.0
"""How long jobs are loaded before the bus is read again: some of them may have ended."""
LOST_S = 60.0
"""How often, at most, jobs are looked for that ended without a word."""
LET_GO_S = 2.0


class Followed:
    """A process, and what its workflow publishes by this. A job store that does not answer holds up nobody else."""

    def __init__(self, process: Process, publishers: Publishers, batch_system: str, every_s: float) -> None:
        self._process, self._publishers = process, publishers
        self._batch_system, self._every_s = batch_system, every_s
        self._ended = threading.Event()
        self._refused: set[str] = set()
        self._said: set[str] = set()
        self._publication: Publication | None = None
        self._thread = threading.Thread(target=self._run, name=f"toilctl-{process.pid}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Close the publication, after what the bus still has to tell."""
        self._ended.set()
        self._thread.join(LET_GO_S)
        if self._publication:
            self._publication.close()

    def _run(self) -> None:
        """Look for the job store, and follow the workflow in it; perhaps there is another one after that."""
        wait_s = self._every_s
        while not self._ended.wait(wait_s):
            wait_s = min(1.5 * wait_s, LONGEST_S)
            for locator in self._process.locators():
                try:
                    self._try(locator)
                except job_store.NotFollowedError as error:
                    self._refused.add(locator)
                    logger.info("Process %d is left alone: %s", self._process.pid, error)
                except Exception as error:
                    self._say_once(locator, error)

    def _try(self, locator: str) -> None:
        if locator in self._refused:
            return
        pid = self._process.pid
        store = job_store.of_leader(locator, pid, self._batch_system)
        path = bus.held_by(pid, store.config.write_messages) if store else None
        if store and path:
            logger.info("Jobs of %s (process %d) are published; its job store is %s", self._process.name, pid, locator)
            self._follow(store, bus.Bus(path))

    def _follow(self, store: AbstractJobStore, its_bus: bus.Bus) -> None:
        jobs = _Jobs(store, its_bus)
        try:
            while self._step(jobs):
                self._ended.wait(0 if jobs.has_more() else self._every_s)
        finally:
            its_bus.close()
            if self._publication:
                self._publication.close()
            self._publication = None

    def _step(self, jobs: _Jobs) -> bool:
        """Publish what is new; tell whether there may be more."""
        # First: what is written last, before the end, must not be missed.
        goes_on = not self._ended.is_set() and jobs.bus.is_written()
        jobs.take_ended(self._publication)
        if not goes_on or (self._publication and not self._publication.is_open):
            return False
        if jobs.bus.new and self._publication is None:
            # Not earlier: a workflow that publishes by itself begins before it issues its first job.
            self._publication = self._publishers.publish(self._process.pid, self._process.name)
        if self._publication:
            try:
                jobs.load(self._publication, self._ended)
            except Exception as error:
                self._say_once("a job", error)
        return True

    def _say_once(self, what: str, error: Exception) -> None:
        line = f"{type(error).__name__}: {error}"
        if line not in self._said:
            self._said.add(line)
            logger.warning("%s of process %d cannot be read, and is tried again: %s", what, self._process.pid, line)


class _Jobs:
    """The jobs of one workflow, from its bus and its job store to a publication."""

    def __init__(self, store: AbstractJobStore, its_bus: bus.Bus) -> None:
        self.bus = its_bus
        self._store = store
        self._seen: dict[str, float] = {}
        """When jobs were issued, of those that were not there before."""
        self._live = False
        self._failed = False
        self._looked = 0.0

    def has_more(self) -> bool:
        """Tell whether jobs wait to be loaded that can be, as far as one knows."""
        return bool(self.bus.new) and not self._failed

    def take_ended(self, publication: Publication | None) -> None:
        """Read the bus, and publish which jobs ended."""
        now = time.time()
        for batch_id, status in self.bus.read():
            seen = self._seen.pop(batch_id, None)
            if publication:
                # With the time in the queue: an upper bound, and as long as nobody knows, jobs are taken to need more.
                publication.ended(batch_id, status, None if seen is None else round(now - seen, 1))

    def load(self, publication: Publication, ended: threading.Event) -> None:
        """Publish jobs that were issued, for a while; one that cannot be loaded is the last one next time."""
        until = time.monotonic() + LOAD_S
        new, self._failed = self.bus.new, True
        while new and time.monotonic() < until and not ended.is_set():
            batch_id = next(iter(new))
            store_id = new.pop(batch_id)
            try:
                self._publish(publication, batch_id, store_id)
            except Exception:
                new[batch_id] = store_id
                raise
        self._failed = False
        if not new:
            self._live = True
            self._drop_lost(publication)

    def _publish(self, publication: Publication, batch_id: str, store_id: str) -> None:
        from toil.job import ServiceJobDescription

        job = job_store.load(self._store, store_id)
        if job is None or job.local:
            return
        if self._live:
            self._seen[batch_id] = time.time()
        publication.queued(
            batch_id, job_names.of(job), job.cores, job.memory, job.disk, bool(job.preemptible),
            isinstance(job, ServiceJobDescription), store_id,
        )  # fmt: skip

    def _drop_lost(self, publication: Publication) -> None:
        """Let jobs go that are no longer in the job store, after the leader counted fewer than are issued here."""
        if self.bus.lost <= 0 or time.monotonic() - self._looked < LOST_S:
            return
        self._looked, self.bus.lost = time.monotonic(), 0
        for store_id, batch_id in self.bus.issued().items():
            if job_store.load(self._store, store_id) is None:
                self.bus.forget(store_id)
                publication.ended(batch_id, 1, None)
