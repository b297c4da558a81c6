"""Starts a run's command, keeps account of it until it ends, and shows in its terminal what it writes.

Run as ``python3 -m toilctl_leader.supervise RUN`` in a terminal that may close. The command depends on it as little as
possible: it is in a session of its own, and writes to the log itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from toilctl_plugin.processes import started

from .records import attempts, files
from .records.files import RunFiles

LOOK_S = 0.2
"""How often what is new in the log is shown."""
TOUCH_S = 15.0
LAST_S = 2.0
"""How long to wait for the last of it to be shown."""
CHUNK = 1 << 16
FALLEN_BEHIND = 1 << 20
"""With so much more to show, the terminal goes on at the end."""
NOT_FOUND, NOT_EXECUTABLE, KILLED = 127, 126, 128
"""As shells say: no program, one that cannot be started, and a signal's number more than the last."""
CTRL_C = "Ctrl-C in its terminal"


class Supervisor:
    """One attempt, from its start to its end."""

    def __init__(self, run: RunFiles) -> None:
        self._run = run
        self._attempt = attempts.last(run)
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    def supervise(self) -> None:
        """Start the command, and wait for its end."""
        self._take_signals()
        with self._alive() as alive, self._run.log.open("ab", buffering=0) as log:
            begin = log.seek(0, os.SEEK_END)
            code = self._start(log, alive)
            shown = threading.Thread(target=self._show, args=(begin,), daemon=True)
            shown.start()
            if self._process:
                status = self._process.wait()
                code = status if status >= 0 else KILLED - status
            self._tell_end(code)
            self._ended.set()
            shown.join(LAST_S)

    @contextlib.contextmanager
    def _alive(self) -> Iterator[BinaryIO]:
        """Hold the lock; the command holds it, too."""
        with self._run.alive.open("ab") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)
            yield alive

    def _start(self, log: BinaryIO, alive: BinaryIO) -> int:
        """Start the command; return an exit code for one that cannot be."""
        attempt = self._attempt
        try:
            self._process = subprocess.Popen(
                attempt.argv, cwd=attempt.cwd, env=files.read(self._run.environment), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, pass_fds=[alive.fileno()],
            )  # fmt: skip
        except OSError as error:
            log.write(f"toilctl: {attempt.argv[0]} cannot be started: {error.strerror}\n".encode())
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        self._tell(
            began_at=attempts.now(), pid=self._process.pid, pid_started=started(self._process.pid),
            supervisor=os.getpid(), supervisor_started=started(os.getpid()),
        )  # fmt: skip
        return 0

    def _take_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, self._hand_on)
        # Its terminal may close, and Ctrl-Z must not stop it. A handler, as what is ignored is so in the command, too.
        for number in (signal.SIGHUP, signal.SIGTSTP, signal.SIGPIPE):
            signal.signal(number, lambda *_: None)

    def _hand_on(self, number: int, _frame: Any) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        if number == signal.SIGINT:
            self._tell(stop_asked_at=attempts.now(), stopped_by=CTRL_C)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _tell_end(self, code: int) -> None:
        at = attempts.now()
        self._tell(ended_at=at, exit_code=code)
        with contextlib.suppress(OSError):
            files.write(self._run.result, {"attempt": self._attempt.number, "exit_code": code, "ended_at": at})

    def _tell(self, **facts: Any) -> None:
        # Where the disk is full, the command goes on all the same.
        with contextlib.suppress(OSError):
            attempts.tell(self._run, self._attempt.number, **facts)

    def _show(self, offset: int) -> None:
        """Copy to the terminal what is new in the log, and touch the lock's file now and then."""
        terminal = sys.stdout.fileno() if sys.stdout.isatty() else None
        touched = time.monotonic()
        with self._run.log.open("rb", buffering=0) as log:
            log.seek(offset)
            while True:
                last = self._ended.wait(LOOK_S)
                if terminal is not None and not _copied(log, terminal):
                    terminal = None
                if last:
                    return
                if time.monotonic() - touched > TOUCH_S:
                    touched = time.monotonic()
                    with contextlib.suppress(OSError):
                        os.utime(self._run.alive)


def _copied(log: BinaryIO, terminal: int) -> bool:
    """Copy what is new to a terminal; tell whether it is still there."""
    behind = os.fstat(log.fileno()).st_size - FALLEN_BEHIND
    if log.tell() < behind:
        log.seek(behind)
    while chunk := log.read(CHUNK):
        left = memoryview(chunk)
        while left:
            try:
                left = left[os.write(terminal, left) :]
            except OSError:
                return False
    return True


def main(name: str) -> None:
    """Supervise the newest attempt of a run."""
    Supervisor(files.named(name)).supervise()


if __name__ == "__main__":
    main(sys.argv[1])
