"""What a run's directory has.

It is on the leader's host, so it is there after a reboot, and in a new container:

===================  ===============================================================================================
``attempts.jsonl``   what happened to each attempt (a start or a restart), see ``run_attempts``; only appended to
``environment.json`` the command's environment; for its owner alone, it may have secrets
``variables.json``   those that were asked for beyond the container's, and are there after a restart; in the same way
``log``              everything that the command wrote, of all attempts
``alive``            locked (flock) as long as the command or its supervisor lives, and touched now and then
``result.json``      how the last attempt ended; not there while it goes on, or when it is lost
``workflows.jsonl``  the Toil workflows that began, told by the plugin (``toilctl_plugin.publication.run``)
``bus-PID``          the message bus of one of them
``progress.json``    the numbers of jobs, as long as the buses are the same
===================  ===============================================================================================
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from toilctl_plugin import regular_files
from toilctl_plugin.publication.run import WORKFLOWS

from .. import places
from ..refused import RefusedError

MOST_BYTES = 2**26
"""Of a record; what is more is not read."""
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


@dataclass(frozen=True)
class RunFiles:
    """A run's name, and where its files are."""

    name: str

    @property
    def directory(self) -> Path:
        """The directory; also ``TOILCTL_RUN`` of all its processes."""
        return places.runs() / self.name

    @property
    def attempts(self) -> Path:
        """What happened to its attempts."""
        return self.directory / "attempts.jsonl"

    @property
    def environment(self) -> Path:
        """The command's environment."""
        return self.directory / "environment.json"

    @property
    def variables(self) -> Path:
        """What was asked for of it."""
        return self.directory / "variables.json"

    @property
    def log(self) -> Path:
        """What the command wrote."""
        return self.directory / "log"

    @property
    def alive(self) -> Path:
        """What is locked while it goes on."""
        return self.directory / "alive"

    @property
    def result(self) -> Path:
        """How it ended."""
        return self.directory / "result.json"

    @property
    def progress(self) -> Path:
        """What was counted."""
        return self.directory / "progress.json"

    @property
    def workflows(self) -> Path:
        """The Toil workflows that began."""
        return self.directory / WORKFLOWS

    @property
    def exists(self) -> bool:
        """Whether there is such a run."""
        return self.attempts.exists()

    def last_sign(self) -> float | None:
        """Return when it last showed that it lives, in seconds since the epoch."""
        paths = [self.alive, self.log, self.workflows, *self.directory.glob("bus-*")]
        times = [at for at in map(_written_at, paths) if at is not None]
        return max(times, default=None)


def all_runs() -> list[RunFiles]:
    """Return all runs, in no particular order."""
    try:
        names = [entry.name for entry in places.runs().iterdir()]
    except OSError:
        return []
    return [one for one in map(RunFiles, names) if NAME.fullmatch(one.name) and one.exists]


def named(name: str) -> RunFiles:
    """Return the run of a name.

    :raises RefusedError: when there is none.
    """
    found = RunFiles(name)
    if NAME.fullmatch(name) and found.exists:
        return found
    raise no_run(f"There is no run {name!r}.")


def no_run(message: str) -> RefusedError:
    """Return what to raise when a run is not there."""
    cluster, names = places.cluster(), sorted(one.name for one in all_runs())
    if names:
        step = f"There are: {', '.join(names)}. See: toilctl runs {cluster}"
    else:
        step = f"There were none yet; start one: toilctl run {cluster} -- COMMAND"
    return RefusedError("not-found", message, step, runs=names)


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read a file of JSON objects, one a line; a line that is half written is passed over."""
    try:
        text = _text(path)
    except OSError:
        return
    for line in text.split("\n"):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def append(path: Path, document: dict[str, Any]) -> None:
    """Add a JSON object to a file of them, at once and whole."""
    regular_files.append(path, (json.dumps(document) + "\n").encode())


def write(path: Path, document: Any, mode: int = 0o644) -> None:
    """Put a file of one JSON document in place of what was there, at once."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as out:
        json.dump(document, out)
    part.replace(path)


def read(path: Path) -> Any:
    """Read a file of one JSON document; None when it is not there, or nonsense."""
    try:
        return json.loads(_text(path))
    except (OSError, ValueError, RecursionError):
        return None


def _text(path: Path) -> str:
    with regular_files.open_regular(path, follow=True) as opened:
        return opened.read(MOST_BYTES).decode(errors="replace")


def is_held(path: Path) -> bool:
    """Tell whether somebody has locked a file."""
    try:
        with regular_files.open_regular(path, follow=True) as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def one_at_a_time() -> Iterator[BinaryIO]:
    """Let nobody else start a run meanwhile."""
    places.runs().mkdir(parents=True, exist_ok=True)
    with (places.runs() / ".starting").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _written_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
