"""Ends a run so that it can be restarted."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from .. import places
from ..records import attempts, processes
from ..records.attempts import Attempt
from ..records.files import RunFiles
from ..refused import RefusedError

LOOK_S = 0.2
BEGIN_S = 5.0
KILLED_S = 10.0
SAID_S = 5.0
"""How long the supervisor has to say that it is over."""
BY_STOP = "toilctl stop"


def stop(run: RunFiles, patience_s: float, *, force: bool) -> bool:
    """Ask a run's processes to end, and wait; return whether there was anything to end.

    :raises RefusedError: when it has not ended within the patience, and may not be killed.
    """
    attempt = attempts.last(run)
    goes_on = attempts.ending(run, attempt).goes_on
    if not goes_on and not (force and processes.of(run, attempt)):
        return False
    if goes_on:
        attempt = _begun(run)
        attempts.tell(run, attempt.number, stop_asked_at=attempts.now(), stopped_by=BY_STOP)
    if not _asked(run, attempt, patience_s):
        if not force:
            raise _still_there(run, patience_s)
        for pid in processes.of(run, attempt):
            processes.send(pid, signal.SIGKILL)
        _until(lambda: not processes.of(run, attempt), KILLED_S)
    _tell_end(run)
    return True


def _begun(run: RunFiles) -> Attempt:
    """Wait for the command's start, which takes a moment.

    :raises RefusedError: when it takes too long.
    """
    if _until(lambda: attempts.last(run).pid or attempts.last(run).ended_at, BEGIN_S):
        return attempts.last(run)
    raise RefusedError("conflict", f"Run {run.name!r} has not begun yet.", "Try again in a moment.", run=run.name)


def _asked(run: RunFiles, attempt: Attempt, patience_s: float) -> bool:
    """Ask the command's process group to end, later also what it left behind; tell whether all have ended."""
    until = time.monotonic() + patience_s
    there = processes.of(run, attempt)
    processes.interrupt(pid for pid in there if processes.group_of(pid) == attempt.pid)
    if _until(lambda: not processes.of(run, attempt), patience_s / 2):
        return True
    if not attempts.lives(attempt):
        for pid in processes.of(run, attempt):
            processes.send(pid, signal.SIGTERM)
    return _until(lambda: not processes.of(run, attempt), until - time.monotonic())


def _tell_end(run: RunFiles) -> None:
    """Say that it is over where the supervisor does not: it may have been killed before."""
    patience_s = SAID_S if attempts.is_supervised(attempts.last(run)) else 0.0
    if not _until(lambda: attempts.last(run).ended_at, patience_s):
        attempts.tell(run, attempts.last(run).number, ended_at=attempts.now(), exit_code=None)


def _still_there(run: RunFiles, patience_s: float) -> RefusedError:
    cluster = places.cluster()
    return RefusedError(
        "conflict", f"Run {run.name!r} was asked to end and has not within {patience_s:g} s.",
        f"Give it more time: toilctl runs {cluster} tells when it has ended. Or kill it, which may cost jobs their "
        f"work: toilctl stop {cluster} {run.name} --force",
        run=run.name,
    )  # fmt: skip


def _until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until a condition is met; tell whether it was in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_S)
    return True
