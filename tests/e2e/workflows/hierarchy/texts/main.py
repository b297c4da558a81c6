"""Shout a text, in a job."""

from __future__ import annotations

from pathlib import Path

from toil.common import Toil
from toil.job import Job

from texts.parts.case import shouted

SMALL = {"cores": 1, "memory": "256Mi", "disk": "256Mi"}


def shout(_job: Job, text: str) -> str:
    """Do it on a worker."""
    return shouted(text)


def main() -> None:
    """Run it."""
    parser = Job.Runner.getDefaultArgumentParser()
    parser.add_argument("--text", default="quiet")
    options = parser.parse_args()
    with Toil(options) as toil:
        said = toil.start(Job.wrapJobFn(shout, options.text, **SMALL))
    Path("shouted.txt").write_text(f"{said}\n")


if __name__ == "__main__":
    main()
