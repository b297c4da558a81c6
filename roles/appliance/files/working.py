"""Print, as a JSON list, what works on this host: jobs, and workflows on a leader. What is not to be known counts.

Runs on the host with its own Python: /proc shows the containers' processes, too, also while Docker does not answer.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

PROC = Path(sys.argv[1] if len(sys.argv) > 1 else "/proc")
JOBS = {"slurmstepd": "a job of Slurm", "mesos-executor": "a job of Mesos", "mesos-container": "a job of Mesos"}
"""Names of processes, of which the kernel keeps 15 characters."""
SCOPE = "infinity"
"""What newer releases of Slurm start as slurmstepd, and is no job."""
TOILS = "_toil_"
"""How the programs are called that run jobs of Toil's."""
RUN = b"TOILCTL_RUN="
"""What the environment of each process of a run of toilctl's has."""
TERMINALS = ("tmux: server", "tmux", "screen", "SCREEN")
"""What may stay after a run's end."""
INTERPRETERS = ("python", "pypy")
DEMAND = "/var/lib/toilctl/demand/"
BUS = b"toil.bus."
"""How each line of the file begins in which a workflow tells of its jobs."""
WRITABLE = os.O_WRONLY | os.O_RDWR


def work() -> list[str]:
    """Return what works, each once."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return sorted({found for pid in pids if (found := of(pid))})


def of(pid: int) -> str:
    """Return what a process works on; empty when that is nothing that matters, or it is gone."""
    place = PROC / str(pid)
    try:
        name, words = read(place / "comm").decode(errors="replace").strip(), read(place / "cmdline").split(b"\0")
        if name in JOBS and SCOPE.encode() not in words:
            return JOBS[name]
        if any(word.rpartition(b"/")[2].startswith(TOILS.encode()) for word in words[:3]):
            return "a job of Toil"
        run = next((one for one in read(place / "environ").split(b"\0") if one.startswith(RUN)), b"")
        if run and name not in TERMINALS:
            return f"run {Path(run.decode(errors='replace')).name}"
        program = (place / "exe").readlink().name
        return "a workflow" if program.startswith(INTERPRETERS) and is_workflow(place) else ""
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError as error:
        return f"perhaps process {pid} ({error.strerror})"


def is_workflow(place: Path) -> bool:
    """Return whether a process writes what workflows write: their demand, or Toil's message bus."""
    for opened in (place / "fd").iterdir():
        try:
            link = str(opened.readlink())
            if link.startswith("/") and is_written(place, opened.name):
                if link.startswith(DEMAND):
                    return True
                if opened.is_file():
                    with opened.open("rb") as file:
                        if file.read(len(BUS)) == BUS:
                            return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


def is_written(place: Path, number: str) -> bool:
    """Return whether a file is open for writing."""
    fields = dict(line.split(":", 1) for line in read(place / "fdinfo" / number).decode().splitlines() if ":" in line)
    return bool(int(fields.get("flags", "0").strip(), 8) & WRITABLE)


def read(path: Path) -> bytes:
    """Return what a file of /proc has."""
    return path.read_bytes()


if __name__ == "__main__":
    print(json.dumps(work()))
