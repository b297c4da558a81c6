"""Jobs of this workflow that can never run, as the autoscaler tells beside the files of all workflows' jobs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from .. import cluster_settings
from ..regular_files import open_regular

FILE = "never-run.json"
FORMAT = 1
LOOK_S = 10.0
MOST_BYTES = 2**18
LONGEST = 1000
"""Characters of a reason."""
NAMES = 3
MIB = 2**20

Shape = tuple[int, int, int, bool]
"""Whole cores, as Slurm counts them, MiB of memory and of disk, and whether it is preemptible."""


class NeverRun:
    """What was said already."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._looked = -math.inf
        self._said: set[tuple[Shape, str]] = set()

    def news(self, waiting: Callable[[], Iterable[str]]) -> list[str]:
        """Return a text for each kind of jobs that can never run, once.

        :param waiting: returns the lines of the jobs that wait.
        """
        if time.monotonic() - self._looked < LOOK_S:
            return []
        self._looked = time.monotonic()
        told = {shape: why for shape, why in _read(self._path) if (shape, why) not in self._said}
        if not told:
            return []
        names: dict[Shape, list[str]] = {}
        for line in waiting():
            _, _, name, cores, memory, disk, preemptible, *_ = json.loads(line)
            shape = _shape(cores, -(-memory // MIB), -(-disk // MIB), preemptible == 1)
            if shape in told:
                names.setdefault(shape, []).append(str(name))
        self._said.update((shape, told[shape]) for shape in names)
        found = cluster_settings.find()
        more = f"Why jobs wait: toilctl explain {found.cluster if found and found.cluster else 'NAME'}"
        return [f"{_counted(own)} can never run here. {told[shape]} {more}" for shape, own in names.items()]


def _read(path: Path) -> Iterator[tuple[Shape, str]]:
    """Yield what the autoscaler tells; nothing of a file of another form."""
    try:
        with open_regular(path) as opened:
            document = json.loads(opened.read(MOST_BYTES))
        jobs = document["jobs"] if document["toilctl"] == FORMAT else []
        found = [(_told(one), _line(str(one["why"]))) for one in jobs]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return
    yield from found


def _told(one: dict[str, Any]) -> Shape:
    return _shape(float(one["cores"]), int(one["memory_mib"]), int(one["disk_mib"]), bool(one["preemptible"]))


def _shape(cores: float, memory_mib: int, disk_mib: int, preemptible: bool) -> Shape:
    return math.ceil(cores), memory_mib, disk_mib, preemptible


def _line(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text[:LONGEST])


def _counted(names: list[str]) -> str:
    some = _line(", ".join(sorted(set(names))[:NAMES]))
    return f"{len(names)} {'job' if len(names) == 1 else 'jobs'} ({some})"
