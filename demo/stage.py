"""How the demo runs commands and tells of them: a line per phase with its time, a log with everything."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.markup import escape

WIDTH = 100
GRACE_S = 90
LAST_WORDS = 12


class DemoError(Exception):
    """Something did not come out as it should; the text says what."""


@dataclass
class Stage:
    """Where the demo appears: the terminal, and the log."""

    environment: dict[str, str]
    directory: Path
    """Where commands run."""
    log: IO[str]
    times: dict[str, float] = field(default_factory=dict)
    console: Console = field(default_factory=lambda: Console(highlight=False, width=_width()))

    @contextmanager
    def phase(self, title: str, about: str) -> Iterator[None]:
        """Do one part of the story, and say how long it took."""
        began = time.monotonic()
        self.log.write(f"\n=== {title}\n")
        self.console.print()
        with self.console.status(f"{about} …") as self._status:
            yield
        self.times[title] = time.monotonic() - began
        self.line(f"[bold green]✓[/] [bold]{title}[/]", f"{self.times[title]:.1f} s")

    def line(self, left: str, right: str = "") -> None:
        """Print a line, the second part at the right margin."""
        used = len(self.console.render_str(left).plain) + len(right)
        self.console.print(f"{left}{' ' * max(2, self.console.width - used)}{right}" if right else left)

    def say(self, text: str) -> None:
        """Print a fact below the phase that it belongs to."""
        self.log.write(f"{text}\n")
        self.console.print(f"  {escape(text)}", soft_wrap=True)

    def show(self, command: Sequence[str]) -> None:
        """Print a command as a user would type it."""
        self.console.print(f"  [dim]$ {escape(shlex.join(command))}[/]", soft_wrap=True)

    def toilctl(self, *words: str) -> str:
        """Run toilctl, show the command, and return what it wrote."""
        self.show(["toilctl", *words])
        return self.run([str(Path(sys.executable).with_name("toilctl")), *words])

    def toilctl_data(self, *words: str) -> Any:
        """Run toilctl for its result as data."""
        written = self.run([str(Path(sys.executable).with_name("toilctl")), *words, "--output", "json"])
        return json.loads(written)["data"]

    def run(self, argv: Sequence[str]) -> str:
        """Run a command to its end and return its standard output; Ctrl-C reaches it once.

        :raises DemoError: with its last words when it fails.
        """
        self.log.write(f"$ {shlex.join(argv)}\n")
        self.log.flush()
        # A group of its own: the terminal's Ctrl-C comes to us alone, and we pass it on.
        process = subprocess.Popen(
            argv, env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", process_group=0,
        )  # fmt: skip
        said: list[str] = []
        reader = threading.Thread(target=self._follow, args=(process.stderr, said), daemon=True)
        reader.start()
        try:
            written = process.stdout.read() if process.stdout else ""
            process.wait()
        except KeyboardInterrupt:
            _stop(process)
            raise
        reader.join(timeout=5)
        self.log.write(written)
        self.log.flush()
        if process.returncode != 0:
            words = "\n".join((written.splitlines() + said)[-LAST_WORDS:])
            raise DemoError(f"{shlex.join(argv)}\nended with exit code {process.returncode}:\n{words}")
        return written

    def _follow(self, stream: IO[str], said: list[str]) -> None:
        for line in stream:
            said.append(line.rstrip("\n"))
            self.log.write(line)
            if self.console.is_terminal:
                self._status.update(escape(line.strip()[: self.console.width - 4]))


def _stop(process: subprocess.Popen[str]) -> None:
    """Interrupt a command as a terminal does, and let it finish what must not be cut in two."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.terminate()
        process.wait()


def _width() -> int:
    return min(WIDTH, Console().width) if sys.stdout.isatty() else WIDTH
