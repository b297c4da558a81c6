"""A workflow's jobs, written to a file that the autoscaler follows.

The file is one JSON document per line, and only grows, so that a hundred thousand queued jobs cost a line each and a
reader reads what is new. The first line is an object::

    {"toilctl": 1, "workflow": "6f1c…", "framework": "0ce7…-0000", "started": 1795226732.9,
     "limits": ["c3.large=0..10"], "tuning": "target_time_s=600", "storage": "c3.large=300", "name": "sort.py",
     "pid": 87, "generation": 1}

It is another line each time that the file is written anew. The others are arrays, by their first element (times are
seconds since the epoch, sizes are bytes, and names are those of job_names.py):

======  =================================================================================================
``q``   id, name, cores, memory, disk, preemptible, service, since, job store id: a job waits
``r``   id, node, since: it runs; the node is its private address, or empty where nobody knows
``e``   id, exit status, wall time in seconds or null, at: it has ended, one way or another
``t``   name, seconds: a job of that name once took so long; only after the file was written anew
======  =================================================================================================

On Slurm, which tells of jobs itself, ``r`` comes together with ``e``: what is published there serves traces only.

Its writer holds an exclusive lock (flock) on it as long as it lives: a file that can be locked is a dead workflow's.
A run of toilctl's keeps all lines; trace.py says where.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from .never_run import NeverRun
from .trace import Trace

logger = logging.getLogger(f"toil.{__name__}")

DIRECTORY = "/var/lib/toilctl/demand"
DIRECTORY_VARIABLE = "TOILCTL_DEMAND_DIR"
SUFFIX = ".jsonl"
FORMAT = 1
FLUSH_S = 0.5
"""How long a line may wait to be written."""
KEPT_S = 86400.0
"""How long a dead workflow's file stays: its run times serve later ones."""
RUN_TIMES_KEPT = 50
LONGEST = 1000
"""Characters of a job's name, which may be of any length; readers heed fewer."""
SPARE_LINES = 20_000
"""How many lines of ended jobs the file may have, beside one for each job that is there, before it is written anew."""

_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False).encode


def directory() -> Path:
    """Return the directory of all files; it exists on a leader of toilctl's."""
    return Path(os.environ.get(DIRECTORY_VARIABLE, DIRECTORY))


class Publication:
    """One workflow's file. All methods may be called in any thread; none raises: a workflow goes on without it."""

    def __init__(  # noqa: PLR0913, PLR0917 - as many as the header has
        self, framework: str = "", limits: Iterable[str] = (), name: str = "", pid: int | None = None,
        tuning: str = "", storage: str = "",
    ) -> None:  # fmt: skip
        self.workflow = uuid.uuid4().hex
        self._header = {
            "toilctl": FORMAT, "workflow": self.workflow, "framework": framework, "started": time.time(),
            "limits": list(limits), "tuning": tuning, "storage": storage, "name": name, "pid": pid or os.getpid(),
        }  # fmt: skip
        self._lock = threading.RLock()
        self._jobs: dict[str, list[str]] = {}
        """The lines of each job that waits or runs."""
        self._names: dict[str, str] = {}
        self._run_times: dict[str, deque[float]] = {}
        self._new: list[str] = []
        self._generation = 0
        self._written = 0
        """How many lines the file has."""
        self._stopped = threading.Event()
        self._file: BinaryIO | None = None
        self._trace: Trace | None = None
        self._guarded(self._begin)
        if self._file:
            threading.Thread(target=self._flush_now_and_then, name="toilctl-publication", daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether it is written at all; not after an error or the end, nor where nobody follows."""
        return self._file is not None

    def queued(  # noqa: PLR0913, PLR0917 - as many as the line has
        self, job_id: object, name: str, cores: float, memory: int, disk: int, preemptible: bool, service: bool,
        store_id: str = "",
    ) -> None:  # fmt: skip
        """Tell of a job that waits from now on."""
        if self._file is None:
            return
        key, name = str(job_id), name[:LONGEST]
        line = _to_json(["q", key, name, cores, memory, disk, int(preemptible), int(service), _now(), store_id])
        with self._lock:
            self._jobs[key] = [line]
            self._names[key] = name
            self._new.append(line)

    def runs(self, job_id: object, node: str, since: float | None = None) -> None:
        """Tell that a job runs; nothing happens when it is known to, or is not known at all."""
        key = str(job_id)
        with self._lock:
            lines = self._jobs.get(key)
            if lines is None or len(lines) > 1:
                return
            lines.append(_to_json(["r", key, node, round(since, 1) if since else _now()]))
            self._new.append(lines[1])

    def running(self) -> set[str]:
        """Return the ids of the jobs that are known to run."""
        with self._lock:
            return {key for key, lines in self._jobs.items() if len(lines) > 1}

    def ended(self, job_id: object, status: int, wall_s: float | None, at: float | None = None) -> None:
        """Tell that a job is gone: it succeeded (status 0), failed or was killed; unknown ones are ignored."""
        key = str(job_id)
        with self._lock:
            if self._jobs.pop(key, None) is None:
                return
            name = self._names.pop(key)
            if status == 0 and wall_s is not None:
                self._run_times.setdefault(name, deque(maxlen=RUN_TIMES_KEPT)).append(wall_s)
            self._new.append(_to_json(["e", key, status, wall_s, round(at, 1) if at else _now()]))

    def flush(self) -> None:
        """Write what is new."""
        self._guarded(self._flush)

    def close(self) -> None:
        """Write what remains and let the file go; its jobs count as gone from now on."""
        self._stopped.set()
        with self._lock:
            if self._file:
                self._guarded(self._flush)
            if self._file:
                self._file.close()
                self._file = None
            if self._trace:
                self._trace.close()

    def _guarded(self, write: object) -> None:
        try:
            with self._lock:
                write()  # type: ignore[operator]
        except OSError as error:
            with self._lock:
                self._file, self._jobs, self._new = None, {}, []
            logger.warning("toilctl cannot tell its autoscaler of this workflow's jobs any more: %s", error)

    def _begin(self) -> None:
        where = directory()
        if not where.is_dir():
            logger.debug("%s is not there: nobody follows this workflow's jobs.", where)
            return
        prune(where)
        self._write_anew()
        self._trace = Trace(_to_json({**self._header, "generation": self._generation}))

    def _write_anew(self) -> None:
        """Write a file of what is there now, and put it in the place of the old one."""
        path = directory() / f"{self.workflow}{SUFFIX}"
        part = path.with_suffix(".part")
        self._generation += 1
        lines = [_to_json({**self._header, "generation": self._generation})]
        lines += [_to_json(["t", name, seconds]) for name, taken in self._run_times.items() for seconds in taken]
        lines += [line for of_job in self._jobs.values() for line in of_job]
        out = part.open("wb", buffering=0)
        # Locked before anybody can see it: it is never taken for a dead workflow's.
        fcntl.flock(out, fcntl.LOCK_EX)
        _write(out, lines)
        part.replace(path)
        if self._file:
            self._file.close()
        self._file, self._new, self._written = out, [], len(lines)

    def _flush(self) -> None:
        if self._file is None or not self._new:
            return
        new, self._new = self._new, []
        if self._trace:
            self._trace.add(new)
        self._written += len(new)
        # At most twice as many lines are ever written as there are events.
        if self._written > 2 * sum(map(len, self._jobs.values())) + SPARE_LINES:
            self._write_anew()
        else:
            _write(self._file, new)

    def _flush_now_and_then(self) -> None:
        never_run = NeverRun(directory())
        while not self._stopped.wait(FLUSH_S):
            self.flush()
            for sentence in never_run.news(self._waiting):
                logger.warning(sentence)

    def _waiting(self) -> list[str]:
        with self._lock:
            return [lines[0] for lines in self._jobs.values() if len(lines) == 1]


def prune(where: Path) -> None:
    """Remove the files of workflows that died a day ago, and what one of them left half written."""
    for path in where.iterdir():
        try:
            if time.time() - path.stat().st_mtime > KEPT_S and not is_held(path):
                path.unlink()
        except OSError:
            continue


def is_held(path: Path) -> bool:
    """Tell whether the workflow of a file lives."""
    # What is no file is waited for by nobody.
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


def _write(out: BinaryIO, lines: Iterable[str]) -> None:
    left = memoryview(("\n".join(lines) + "\n").encode())
    while left:
        left = left[out.write(left) :]


def _now() -> float:
    return round(time.time(), 1)
