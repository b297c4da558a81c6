"""Count the words of some lines, a job per line; what counts them is in the module beside this one."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from configargparse import ArgParser
from toil.common import Toil
from toil.job import Job, Promise
from words import counted

SMALL = {"cores": 1, "memory": "256Mi", "disk": "256Mi"}


def each(job: Job, lines: list[str], seconds: float) -> Promise:
    """Count each line in a job of its own."""
    counts = [job.addChildJobFn(counted, line, seconds, **SMALL).rv() for line in lines]
    return job.addFollowOnJobFn(total, counts, **SMALL).rv()


def total(job: Job, counts: list[int]) -> int:
    """Add up."""
    job.fileStore.log_to_leader(f"counted {counts}")
    return sum(counts)


def main() -> None:
    """Run, or restart."""
    parser: ArgumentParser = Job.Runner.getDefaultArgumentParser()
    assert isinstance(parser, ArgParser)
    parser.add_argument("--lines", nargs="*", default=["one two three", "four five", "six"])
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--result", type=Path, default=Path("count.txt"))
    options = parser.parse_args()
    with Toil(options) as toil:
        if options.restart:
            found = toil.restart()
        else:
            found = toil.start(Job.wrapJobFn(each, options.lines, options.seconds, **SMALL))
    options.result.write_text(f"{found}\n")


if __name__ == "__main__":
    main()
