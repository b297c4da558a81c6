"""A leader made of this machine's own processes: its directories are a test's, and so is its tmux server."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.checkout import ROOT

FILES = ROOT / "roles/appliance/files"
PATIENCE_S = 120
AGAIN_S = 0.5
"""After which a run is looked at again though none of its files has changed: its processes may have ended."""
SETTINGS = "cluster_name: my\nengine: slurm\nautoscaler: false\n"


class RefusedHere(Exception):
    """What the leader refused; it reads as its user reads it."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(f"{document['message']} {document['next_step']}")
        self.code: str = document["code"]
        self.facts: dict[str, Any] = document["facts"]


class Here:
    """The leader, and what its users do."""

    def __init__(self, directory: Path) -> None:
        self.workflows, self.home, self.demand = directory / "workflows", directory / "home", directory / "demand"
        for one in (self.workflows, self.home, self.demand):
            one.mkdir()
        (directory / "cluster.yml").write_text(SETTINGS)
        self.socket = f"toilctl-test-{uuid.uuid4().hex[:12]}"
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("TOIL", "PYTHON", "TMUX", "AWS", "VIRTUAL_ENV"))
        } | {
            # Toil finds its worker by PATH, and its configuration below HOME.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "PYTHONPATH": str(FILES),
            "TOILCTL_WORKFLOWS_DIR": str(self.workflows),
            "TOILCTL_DEMAND_DIR": str(self.demand),
            "TOILCTL_CLUSTER_FILE": str(directory / "cluster.yml"),
            "TOILCTL_TMUX_SOCKET": self.socket,
        }  # fmt: skip

    def ask(self, verb: str, **request: Any) -> Any:
        """Ask the program as the laptop does."""
        done = self.python("toilctl_leader", verb, text=json.dumps(request))
        document = json.loads(done.stdout)
        if "refused" in document:
            raise RefusedHere(document["refused"])
        return document["answer"]

    def python(self, module: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a module of the leader's to its end."""
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(
            command, input=text, env=self.environment, cwd=self.home, capture_output=True, text=True, check=True
        )

    def begin(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Run a module of the leader's beside the test."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments], env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )  # fmt: skip

    def start(self, *argv: str, **request: Any) -> dict[str, Any]:
        started: dict[str, Any] = self.ask("runs.start", argv=list(argv), **request)
        return started

    def show(self, name: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("runs.show", name=name)
        return found

    def ended(self, name: str) -> dict[str, Any]:
        """Return a run when it has ended."""
        return self.when(name, lambda run: run["state"] not in ("starting", "running") and run, "its end")

    def when(self, name: str, look: Callable[[dict[str, Any]], Any], what: str) -> Any:
        """Return what is found in a run's document once there is something.

        Each look is a process, so there is one only when something was written.
        """
        seen: set[tuple[Path, int, int]] = set()
        looked_at = -math.inf

        def again() -> Any:
            nonlocal seen, looked_at
            there = set(_written(self.directory(name), self.demand))
            if there == seen and time.monotonic() < looked_at + AGAIN_S:
                return None
            seen, looked_at = there, time.monotonic()
            return look(self.show(name))

        return eventually(again, what)

    def directory(self, name: str) -> Path:
        return self.workflows / "runs" / name

    def log(self, name: str) -> str:
        return (self.directory(name) / "log").read_text()

    def facts(self, name: str) -> dict[str, Any]:
        """Return everything that was told of a run's attempts, the newest over the older."""
        lines = (self.directory(name) / "attempts.jsonl").read_text().splitlines()
        return {name: value for line in lines for name, value in json.loads(line).items()}

    def change(self, name: str, **facts: Any) -> None:
        """Let a run's last attempt have another past."""
        number = self.facts(name)["attempt"]
        with (self.directory(name) / "attempts.jsonl").open("a") as out:
            out.write(json.dumps({"attempt": number, **facts}) + "\n")

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, *words], env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    def script(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text)
        return path

    def processes(self) -> Iterator[int]:
        """Return all processes that were started on this leader and live."""
        mark = f"TOILCTL_WORKFLOWS_DIR={self.workflows}\0".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes():
                        yield int(entry.name)

    def end(self) -> None:
        """End everything that was started on it."""
        self.tmux("kill-server")
        until = time.monotonic() + PATIENCE_S
        while pids := list(self.processes()):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < until, f"processes {pids} do not end"
            time.sleep(0.05)
        (Path("/tmp") / f"tmux-{os.getuid()}" / self.socket).unlink(missing_ok=True)


def _written(*directories: Path) -> Iterator[tuple[Path, int, int]]:
    """Yield files with their sizes and when they were last written."""
    for path in (path for directory in directories for path in directory.glob("*")):
        with contextlib.suppress(OSError):
            about = path.stat()
            yield path, about.st_size, about.st_mtime_ns


def eventually(look: Callable[[], Any], what: str) -> Any:
    """Return what is found once there is something."""
    until = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.05)
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "XZ"
    except OSError:
        return True


def kill_supervisor(here: Here, name: str) -> int:
    """Kill what watches a run; return the command's process."""
    facts = here.facts(name)
    os.kill(facts["supervisor"], signal.SIGKILL)
    eventually(lambda: gone(facts["supervisor"]), "the supervisor's end")
    return int(facts["pid"])


def waiting_for(gate: Path) -> str:
    return f"until [ -e {gate} ]; do sleep 0.05; done"
