"""The processes of this container, by /proc: which of them may be Toil workflows, and which job stores they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
INTERPRETERS = ("python", "pypy")
WORKERS = "_toil_"
"""How the programs are called that run a workflow's jobs; a job store is on their command lines, too."""
REMOTE = ("aws", "google")
FILE = "file"
CONFIG = "shared/config.pickle"
"""What each job store in a directory has."""
_TAKE_A_VALUE = ("-W", "-X")


@dataclass(frozen=True)
class Process:
    """A Python program with arguments, from its start to its end."""

    pid: int
    started: str
    """In the kernel's ticks: a later process may have the same pid."""
    words: tuple[str, ...]

    def lives(self) -> bool:
        """Tell whether it still runs."""
        return started(self.pid) == self.started

    @property
    def name(self) -> str:
        """The program's name, as Python would say in ``sys.argv[0]``."""
        words = iter(self.words[1:])
        for word in words:
            if word == "-m":
                return next(words, word)
            if word in _TAKE_A_VALUE:
                next(words, None)
            elif not word.startswith("-"):
                return Path(word).name
        return Path(self.words[0]).name

    def locators(self) -> list[str]:
        """Return the job stores that its words may mean: remote ones, and directories that are job stores by now."""
        return list(dict.fromkeys(self._locators()))

    def _locators(self) -> Iterator[str]:
        here = _working_directory(self.pid)
        for word in self.words[1:]:
            value = word.partition("=")[2] if word.startswith("-") else word
            scheme, colon, rest = value.partition(":")
            if scheme in REMOTE and rest:
                yield value
                continue
            path = rest if colon and scheme == FILE else value
            if path and (here or path.startswith("/")):
                directory = os.path.normpath(Path(here, path))
                if os.path.isfile(f"{directory}/{CONFIG}"):  # noqa: PTH113
                    yield f"{FILE}:{directory}"


class Processes:
    """All processes; each look reads what is new."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[bytes, Process | None]] = {}

    def look(self) -> set[Process]:
        """Return the Python programs with arguments that run now, workers of Toil's and this process left out."""
        seen: dict[int, tuple[bytes, Process | None]] = {}
        for entry in os.listdir(PROC):  # noqa: PTH208
            if entry.isdigit():
                line, known = _read(f"{PROC}/{entry}/cmdline"), self._seen.get(int(entry))
                # A shell that becomes another program by exec has the same pid, but another line.
                same = known and known[0] == line and (known[1] is None or known[1].lives())
                seen[int(entry)] = known if known and same else (line, _process(int(entry), line))
        self._seen = seen
        return {process for _, process in seen.values() if process}


def started(pid: int) -> str:
    """Return when a process was started; empty when it is gone."""
    # The program's name comes before, in parentheses, and may have spaces.
    state, *fields = _read(f"{PROC}/{pid}/stat").decode(errors="replace").rpartition(")")[2].split() or ["X"]
    return "" if state in "XZ" else fields[18]


def _process(pid: int, line: bytes) -> Process | None:
    words = tuple(os.fsdecode(line).removesuffix("\0").split("\0"))
    if len(words) < 2 or pid == os.getpid() or any(Path(word).name.startswith(WORKERS) for word in words[:3]):
        return None
    if not _is_python(pid, words[0]):
        return None
    process = Process(pid, started(pid), words)
    return process if process.started else None


def _is_python(pid: int, first_word: str) -> bool:
    try:
        program = Path(f"{PROC}/{pid}/exe").readlink()
    except OSError:
        program = Path(first_word)
    return program.name.startswith(INTERPRETERS)


def _working_directory(pid: int) -> str:
    """Return an absolute path, or nothing when it is not to be known."""
    try:
        return str(Path(f"{PROC}/{pid}/cwd").readlink())
    except OSError:
        return ""


# Not by pathlib, which takes several times as long: each process is read each time, as its line may change.
def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as opened:  # noqa: PTH123
            return opened.read()
    except OSError:
        return b""
