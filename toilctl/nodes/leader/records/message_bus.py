"""Which of the jobs run that a workflow has issued: its message bus tells that of some batch systems only."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field

from toilctl_plugin.publication import publication
from toilctl_plugin.regular_files import LONGEST_LINE, lines, open_regular

SQUEUE = ("squeue", "--noheader", "--states", "running,completing", "--format", "%i")
TIMEOUT_S = 20.0
MOST_BYTES = 2**30
"""Of a workflow's publication, as of its bus: more than that of some million jobs."""


@dataclass
class Told:
    """The jobs that a bus tells are issued: they are queued or run."""

    issued: dict[str, str] = field(default_factory=dict)
    """Toil's batch ids, by ids in the job store."""
    handed_on: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By batch id: the id that another system gave, and Toil's name for that system."""


def running(told: Told, leader_pid: int, batch_system: str) -> set[str] | None:
    """Return which of the issued jobs run, by their job store ids; None when nobody tells."""
    if batch_system == "mesos":
        # Toil's bus tells nothing of that.
        published = _published(leader_pid)
        return None if published is None else {one for one, batch_id in told.issued.items() if batch_id in published}
    handed_on = {
        one: told.handed_on[batch_id][0] for one, batch_id in told.issued.items() if batch_id in told.handed_on
    }
    if batch_system == "single_machine":
        # It tells of a job when it starts it.
        return set(handed_on)
    if batch_system == "slurm":
        by_slurm = _by_slurm() if handed_on else set()
        return None if by_slurm is None else {one for one, number in handed_on.items() if number in by_slurm}
    return None


def _by_slurm() -> set[str] | None:
    try:
        done = subprocess.run(SQUEUE, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(done.stdout.split())


def _published(leader_pid: int) -> set[str] | None:
    """Return the batch ids of the jobs that run, by what a workflow on Mesos publishes for its autoscaler."""
    try:
        paths = [path for path in publication.directory().glob(f"*{publication.SUFFIX}") if publication.is_held(path)]
    except OSError:
        return None
    for path in paths:
        try:
            with open_regular(path) as opened:
                if json.loads(opened.readline(LONGEST_LINE) or b"{}").get("pid") == leader_pid:
                    return _run_in(lines(opened, MOST_BYTES))
        except (OSError, ValueError, AttributeError, RecursionError):
            continue
    return None


def _run_in(told: Iterable[bytes]) -> set[str]:
    found: set[str] = set()
    for line in told:
        try:
            what, batch_id, *_ = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            # The last line may be half written; a header that is written anew is an object.
            continue
        if what == "r":
            found.add(str(batch_id))
        elif what == "e":
            found.discard(str(batch_id))
    return found
