"""The processes of a run, by the ``TOILCTL_RUN`` in their environment, and how they are asked to end."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from toilctl_plugin.processes import PROC, started
from toilctl_plugin.publication.run import RUN

from . import attempts
from .attempts import Attempt
from .files import RunFiles


def of(run: RunFiles, attempt: Attempt) -> set[int]:
    """Return the command and everything that it started and that lives, in whatever session; not the supervisor."""
    mark = b"\0" + os.fsencode(f"{RUN}={run.directory}") + b"\0"
    # A command may have cleared its environment; a number of one that is gone may be another's by now.
    group = attempt.pid if attempts.lives(attempt) else None
    pids = (int(entry) for entry in os.listdir(PROC) if entry.isdigit())  # noqa: PTH208
    return {
        pid for pid in pids
        if (mark in b"\0" + _read(PROC / str(pid) / "environ") or group_of(pid) == group) and started(pid)
    }  # fmt: skip


def interrupt(pids: Iterable[int]) -> None:
    """Ask processes to end, as Ctrl-C does; those that do not hear that are asked as ``kill`` does.

    In every Toil, Ctrl-C shuts the batch system down, so that the job store can be used for a restart. A shell that
    waits for a program leaves it to that one to end first; by SIGTERM, it would be gone before.
    """
    for pid in pids:
        send(pid, signal.SIGTERM if _ignores(pid, signal.SIGINT) else signal.SIGINT)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal, unless the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def group_of(pid: int) -> int:
    """Return the number of a process's group; 0 when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


def _ignores(pid: int, number: signal.Signals) -> bool:
    for line in _read(PROC / str(pid) / "status").splitlines():
        if line.startswith(b"SigIgn:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
