"""Which workflows publish by themselves, and the publications for those that do not."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from ..publication.publication import SUFFIX, Publication, directory, is_held
from ..regular_files import LONGEST_LINE, open_regular


class Publishers:
    """All publications on this leader; for a process there is one at a time, and its own comes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: dict[Path, int | None] = {}
        self._ours: set[str] = set()

    def publishes(self, pid: int) -> bool:
        """Tell whether a process publishes by itself, now."""
        with self._lock:
            return self._publishes(pid)

    def publish(self, pid: int, name: str) -> Publication | None:
        """Begin a publication for a process, unless it does so itself."""
        with self._lock:
            if self._publishes(pid):
                return None
            publication = Publication(name=name, pid=pid)
            self._ours.add(publication.workflow)
        return publication

    def _publishes(self, pid: int) -> bool:
        there = [path for path in directory().iterdir() if path.suffix == SUFFIX and path.stem not in self._ours]
        self._pids = {path: self._pids[path] if path in self._pids else _pid(path) for path in there}
        return any(_lives(path) for path, of in self._pids.items() if of == pid)


def _pid(path: Path) -> int | None:
    """Return the process that a file's header names."""
    try:
        with open_regular(path) as opened:
            header = json.loads(opened.readline(LONGEST_LINE))
        return int(header["pid"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _lives(path: Path) -> bool:
    try:
        return is_held(path)
    except OSError:
        return False
