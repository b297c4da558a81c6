"""A workflow for tests: jobs that wait for files beside the script, and jobs that fail once or for good.

Its arguments are Toil's, and which jobs there are, such as ``--jobs waits waits fails-once``.
"""

import time
from pathlib import Path

from toil.common import Toil
from toil.job import Job

HERE = Path(__file__).parent
SMALL = {"cores": 0.1, "memory": "50Mi", "disk": "10Mi"}


def waits(job, number):
    while not (HERE / "gate").exists():
        time.sleep(0.05)
    with (HERE / "ran").open("a") as out:
        out.write(f"waits {number}\n")


def quick(job, number):
    with (HERE / "ran").open("a") as out:
        out.write(f"quick {number}\n")


def fails_once(job, number):
    if not (HERE / "failed").exists():
        (HERE / "failed").touch()
        raise RuntimeError("on purpose")


def fails(job, number):
    if not (HERE / "mended").exists():
        raise RuntimeError("on purpose")


KINDS = {"waits": waits, "quick": quick, "fails-once": fails_once, "fails": fails}


def root(job, names):
    for number, name in enumerate(names):
        job.addChildJobFn(KINDS[name], number, **SMALL)


if __name__ == "__main__":
    parser = Job.Runner.getDefaultArgumentParser()
    parser.add_argument("--jobs", nargs="*", default=[])
    options = parser.parse_args()
    with Toil(options) as toil:
        toil.restart() if options.restart else toil.start(Job.wrapJobFn(root, options.jobs, **SMALL))
    print("all done")
