"""When Slurm's jobs ran, from what its controller writes as they end (jobcomp/filetxt): no command is run for it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import NamedTuple

from ..regular_files import LONGEST_LINE, open_regular

LOG = "/var/log/slurm/jobcomp.log"
"""Where role slurm has it written, in the container that workflows run in, too."""
MOST_BYTES = 2**24
"""How much of the log is read at once."""

# A job's name may be any text, a newline and pieces of such lines in it, too: only the last end of a line is one.
_ENDED = re.compile(
    rb"^JobId=(?P<id>\d+) UserId=(?:(?!^JobId=).)*? JobState=\w+ Partition=\S+ TimeLimit=\S+ "
    rb"StartTime=(?P<start>\S+) EndTime=(?P<end>\S+) NodeList=(?:(?! JobState=)[^\n])* ExitCode=\d+:\d+ ?\n"
    rb"(?=JobId=|\Z)",
    re.DOTALL | re.MULTILINE,
)
_BEGINS = b"\nJobId="


class Ran(NamedTuple):
    """When a job started and ended, in seconds since the epoch; Slurm tells whole ones."""

    started: float
    ended: float


class History:
    """The jobs that end from now on. Nothing is raised: a log that is not there, or is another's, has none."""

    def __init__(self, log: Path = Path(LOG)) -> None:
        self._log = log
        self._ran: dict[str, Ran] = {}
        self._part = b""
        """The beginning of a job that is not written whole yet."""
        self._lost = False
        """Whether what was read last is no job's, for too long: the next beginning of one counts."""
        self._at = _size(log)

    def take(self, slurm_id: str) -> Ran | None:
        """Return when a job ran last, once; None when Slurm has told of no end."""
        # Always: a job that is known was put into the queue again, perhaps, and has ended once more.
        self._read()
        return self._ran.pop(slurm_id, None)

    def _read(self) -> None:
        try:
            with open_regular(self._log, follow=True) as opened:
                if _size(self._log) < self._at:
                    # It was rotated, and is another file now.
                    self._at, self._part, self._lost = 0, b"", False
                opened.seek(self._at)
                new = opened.read(MOST_BYTES)
        except OSError:
            return
        self._at += len(new)
        told, end = self._part + new, 0
        if self._lost and (begins := told.find(_BEGINS)) >= 0:
            told, self._lost = told[begins + 1 :], False
        for job in _ENDED.finditer(told):
            # What comes after half a line may be in the name that this one has.
            follows, end = job.start() == end, job.end()
            if not follows:
                continue
            started, ended = _seconds(job["start"]), _seconds(job["end"])
            if started is not None and ended is not None and started <= ended:
                self._ran[job["id"].decode()] = Ran(started, ended)
        self._part = told[max(end, told.rfind(_BEGINS, end)) :]
        if self._lost or len(self._part) > LONGEST_LINE:
            self._part, self._lost = self._part[-len(_BEGINS) :], True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _seconds(local: bytes) -> float | None:
    """Return a time of Slurm's, which is local; None for ``Unknown``."""
    try:
        return time.mktime(time.strptime(local.decode(), "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return None
