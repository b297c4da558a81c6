"""Runs a command in a container so that it does not outlive the connection over which it was asked for.

Docker tells a command in a container nothing of the end of whoever started it. This runs on the node's host, where ssh
starts it without a terminal, as ``python3 -c SOURCE CONTAINER WORD...``. It passes on what the command prints. Once
nobody can read that any more, the command's process group gets SIGHUP, as when a terminal is closed: what ignores that,
such as nohup's command, or has a session of its own, such as tmux, goes on.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import suppress
from typing import NoReturn

DOCKER = ("sudo", "-n", "docker", "exec")
# The command has the shell's process id, by which it is found again; Docker gives each one a process group.
BEGIN = 'echo $$; exec "$@"'
HANG_UP = 'kill -HUP -- "-$1" 2>/dev/null || kill -HUP "$1"'
OUT = 1
CHUNK = 65536
LOOK_S = 1.0
PATIENCE_MS = 10_000
"""How long a command may take to begin that nobody waits for any more."""
HANG_UP_S = 60
HUNG_UP = 129


class Gone(Exception):
    """Nobody reads what the command prints."""


class Tether:
    """A command in a container, and its way to whoever reads."""

    def __init__(self, container: str, words: list[str]) -> None:
        argv = [*DOCKER, "-i", container, "bash", "-c", BEGIN, "bash", *words]
        self.container = container
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert self.process.stdout is not None  # noqa: S101 - for mypy; it was asked for
        self.said = self.process.stdout.fileno()
        self.pid = b""
        """The command's, in the container; ends with a line feed once it is known."""
        self.poll = select.poll()
        # Of a hang-up or an error one is told without asking.
        self.poll.register(OUT, 0)
        self.poll.register(self.said, select.POLLIN)

    def run(self) -> int:
        """Return the command's exit code as a shell does.

        :raises Gone: once nobody reads.
        """
        while self._pass_on():
            pass
        self.poll.unregister(self.said)
        while True:
            try:
                code = self.process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                # Its output is closed, and it goes on.
                if self.poll.poll(0):
                    raise Gone from None
            else:
                return code if code >= 0 else 128 - code

    def hang_up(self) -> None:
        """End the command."""
        self.poll = select.poll()
        self.poll.register(self.said, select.POLLIN)
        while not self._knows_pid() and self.poll.poll(PATIENCE_MS):
            if self._take() is None:
                break
        # As long as nobody takes what the command said, Docker tells nobody of the end of another one.
        os.close(self.said)
        if self._knows_pid() and self.process.poll() is None:
            argv = [*DOCKER, self.container, "bash", "-c", HANG_UP, "bash", self.pid.decode().strip()]
            null = subprocess.DEVNULL
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(argv, check=False, stdin=null, stdout=null, stderr=null, timeout=HANG_UP_S)

    def _pass_on(self) -> bool:
        """Pass on what was said; return whether there may be more."""
        ready = [descriptor for descriptor, _ in self.poll.poll()]
        if OUT in ready:
            raise Gone
        chunk = self._take()
        if chunk is None:
            return False
        try:
            while chunk:
                chunk = chunk[os.write(OUT, chunk) :]
        except OSError:
            raise Gone from None
        return True

    def _take(self) -> bytes | None:
        """Return what was said, without the line of the process id; None at the end."""
        chunk = os.read(self.said, CHUNK)
        if not chunk:
            return None
        if self._knows_pid():
            return chunk
        head, line_feed, chunk = chunk.partition(b"\n")
        self.pid += head + line_feed
        return chunk

    def _knows_pid(self) -> bool:
        return self.pid.endswith(b"\n")


def main(container: str, *words: str) -> NoReturn:
    """Run until the command, or the connection, ends."""
    os.set_blocking(OUT, True)
    tether = Tether(container, [*words])
    try:
        code = tether.run()
    except Gone:
        tether.hang_up()
        code = HUNG_UP
    # What is left to be said cannot be.
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
