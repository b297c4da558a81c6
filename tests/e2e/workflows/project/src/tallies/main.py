"""Make a table in a job, with a package that only the virtualenv has."""

from __future__ import annotations

import socket
from pathlib import Path

from toil.common import Toil
from toil.job import Job

SMALL = {"cores": 1, "memory": "256Mi", "disk": "256Mi"}


def table(job: Job, numbers: list[int]) -> str:
    """Draw it on a worker."""
    from tabulate import tabulate

    job.fileStore.log_to_leader(f"drawn on {socket.gethostname()}")
    return tabulate([[number, number**2] for number in numbers], headers=["n", "square"])


def main() -> None:
    """Run it."""
    parser = Job.Runner.getDefaultArgumentParser()
    parser.add_argument("--numbers", nargs="*", type=int, default=[1, 2, 3])
    options = parser.parse_args()
    with Toil(options) as toil:
        drawn = toil.start(Job.wrapJobFn(table, options.numbers, **SMALL))
    Path("table.txt").write_text(f"{drawn}\n")
