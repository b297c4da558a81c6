"""Ends a run so that it can be restarted."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from toilctl_leader import places, run_attempts, run_processes
from toilctl_leader.refused import RefusedError
from toilctl_leader.run_attempts import Attempt
from toilctl_leader.run_files import RunFiles

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
    attempt = run_attempts.last(run)
    goes_on = run_attempts.ending(run, attempt).goes_on
    if not goes_on and not (force and run_processes.of(run, attempt)):
        return False
    if goes_on:
        attempt = _begun(run)
        run_attempts.tell(run, attempt.number, stop_asked_at=run_attempts.now(), stopped_by=BY_STOP)
    if not _asked(run, attempt, patience_s):
        if not force:
            raise _still_there(run, patience_s)
        for pid in run_processes.of(run, attempt):
            run_processes.send(pid, signal.SIGKILL)
        _until(lambda: not run_processes.of(run, attempt), KILLED_S)
    _tell_end(run)
    return True


def _begun(run: RunFiles) -> Attempt:
    """Wait for the command's start, which takes a moment.

    :raises RefusedError: when it takes too long.
    """
    if _until(lambda: run_attempts.last(run).pid or run_attempts.last(run).ended_at, BEGIN_S):
        return run_attempts.last(run)
    raise RefusedError("conflict", f"Run {run.name!r} has not begun yet.", "Try again in a moment.", run=run.name)


def _asked(run: RunFiles, attempt: Attempt, patience_s: float) -> bool:
    """Ask the command's process group to end, later also what it left behind; tell whether all have ended."""
    until = time.monotonic() + patience_s
    there = run_processes.of(run, attempt)
    run_processes.interrupt(pid for pid in there if run_processes.group_of(pid) == attempt.pid)
    if _until(lambda: not run_processes.of(run, attempt), patience_s / 2):
        return True
    if not run_attempts.lives(attempt):
        for pid in run_processes.of(run, attempt):
            run_processes.send(pid, signal.SIGTERM)
    return _until(lambda: not run_processes.of(run, attempt), until - time.monotonic())


def _tell_end(run: RunFiles) -> None:
    """Say that it is over where the supervisor does not: it may have been killed before."""
    patience_s = SAID_S if run_attempts.is_supervised(run_attempts.last(run)) else 0.0
    if not _until(lambda: run_attempts.last(run).ended_at, patience_s):
        run_attempts.tell(run, run_attempts.last(run).number, ended_at=run_attempts.now(), exit_code=None)


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
