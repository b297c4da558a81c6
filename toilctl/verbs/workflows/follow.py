"""logs, attach, run --wait: what a run writes, over connections that may break, and a terminal on it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from toilctl.system import progress, ssh
from toilctl.system.ssh.terminal import Shown
from toilctl.values import outside
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConflictError, ConnectError, UsageError
from toilctl.verbs.connect import ask_leader, let_in
from toilctl.verbs.connect import ssh_cluster as sessions
from toilctl.verbs.workflows import runs
from toilctl.workflows import told
from toilctl.workflows.runs import Run

PROGRAM: Final = ("python3", "-m", "toilctl_leader.follow")
ATTACH: Final = ("python3", "-m", "toilctl_leader.attach")
PATIENCE_S: Final = 900.0
"""How long a connection that broke is tried again; a leader reboots in far less."""
_PAUSE_S: Final = 5.0
_CHUNK: Final = 65536


def logs(cluster: Cluster, name: str | None, ssh_key: Path | None, *, follow: bool, lines: int | None) -> Run:
    """Write a run's log to standard output, and what comes until the run ends with ``follow``; return the run then.

    :raises NotFoundError: when there is no such run.
    :raises ConnectError: when the leader cannot be reached (again) for a quarter of an hour.
    """
    run = runs.show(cluster, name, ssh_key)
    first = () if lines is None else ("--lines", str(lines))
    if not follow:
        _copy(cluster, (run.name, *first), ssh_key, _Written())
        return run
    to_the_end(cluster, run.name, ssh_key, first)
    return runs.show(cluster, run.name, ssh_key)


def to_the_end(cluster: Cluster, run: str, ssh_key: Path | None, first: Sequence[str] = ()) -> None:
    """Copy a run's log to standard output until the run ends; a connection that breaks is made anew.

    :raises ConnectError: when that fails for too long; the run goes on all the same.
    """
    written, broken_since = _Written(), 0.0
    while True:
        words = (run, "--follow", *(written.options or first))
        try:
            if _copy(cluster, words, ssh_key, written) == 0:
                return
            error = ConnectError(f"The connection to the leader of {cluster.name!r} broke.", "The run goes on.")
        except ConnectError as unreachable:
            error = unreachable
        now = time.monotonic()
        if written.take_news() or not broken_since:
            broken_since = now
            progress.note("The connection broke; the run goes on, and so does this, as soon as the leader answers.")
        if now - broken_since > PATIENCE_S:
            raise ConnectError(
                f"The leader of {cluster.name!r} has not answered for {PATIENCE_S / 60:g} minutes: {error.message}",
                f"Look at the run later: toilctl runs {cluster.name}", run=run,
            ) from error  # fmt: skip
        time.sleep(_PAUSE_S)


def attach(cluster: Cluster, name: str | None, ssh_key: Path | None) -> int:
    """Open a terminal on a run, and return tmux's exit code.

    :raises UsageError: where there is no terminal.
    :raises ConflictError: when the run has ended.
    """
    if not _has_terminal():
        raise UsageError("There is no terminal here to attach.", f"Use: toilctl logs {cluster.name} {name or ''} -f")
    run = runs.show(cluster, name, ssh_key)
    if not run.state.goes_on:
        raise ConflictError(
            f"Run {run.name!r} has ended ({run.state}).", f"Its log: toilctl logs {cluster.name} {run.name}",
            name=run.name, state=run.state,
        )  # fmt: skip
    progress.note("Ctrl-B D leaves it, and the run goes on; Ctrl-C goes to the workflow.")
    target = ssh.leader_of(cluster, sessions.session_key(cluster, ssh_key))
    command = ssh.in_container(target.container, (*ATTACH, run.name), tty=True)
    return let_in.with_admission(cluster, lambda: ssh.run(target, command, tty=True))


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


class _Written:
    """How much of a log was written here, so that nothing is missed or repeated after a connection broke."""

    def __init__(self) -> None:
        self.out: BinaryIO | Shown = Shown(sys.stdout.buffer) if sys.stdout.isatty() else sys.stdout.buffer
        self._offset: int | None = None
        self._news = False

    @property
    def options(self) -> tuple[str, ...]:
        """What tells the leader to go on from there; nothing before the first byte."""
        return () if self._offset is None else ("--offset", str(self._offset))

    def begin(self, offset: int) -> None:
        """Count from this byte of the log."""
        self._offset = offset

    def take(self, chunk: bytes) -> None:
        """Write some more."""
        self.out.write(chunk)
        self.out.flush()
        self._offset = (self._offset or 0) + len(chunk)
        self._news = True

    def take_news(self) -> bool:
        """Tell whether something came since this was last asked."""
        news, self._news = self._news, False
        return news


def _copy(cluster: Cluster, words: Sequence[str], ssh_key: Path | None, written: _Written) -> int:
    """Copy what the leader's program writes, and return its exit code.

    :raises ConnectError: when the leader cannot be reached.
    """
    target = ssh.leader_of(cluster, sessions.session_key(cluster, ssh_key))
    return let_in.with_admission(cluster, lambda: _copied(target, words, written))


def _copied(target: ssh.SshTarget, words: Sequence[str], written: _Written) -> int:
    command = ssh.in_container(target.container, (*PROGRAM, *words), tethered=True)
    with ssh.streaming(target, command) as (process, said):
        # The first line says where in the log the rest begins.
        first = said.readline(_CHUNK)
        if first:
            written.begin(_offset(first))
        # What has come is written at once.
        while chunk := said.read1(_CHUNK):
            written.take(chunk)
        process.wait()
    return process.returncode


def _offset(line: bytes) -> int:
    """Read where in the log what follows begins.

    :raises ConnectError: when it is no number.
    """
    with ask_leader.understood("a log"):
        return told.count(outside.document(line, _CHUNK))
