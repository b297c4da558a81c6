#!/usr/bin/env python3
"""Sort a file of lines with Toil: split it down to pieces, sort each piece in a job of its own, merge the pieces back.

    python sort.py aws:us-west-2:my-store --logLevel INFO

Without --input, a file of random lines is made first. Input and output may be paths on this machine or s3:// URLs.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import random
import socket
import string
import time
from pathlib import Path
from typing import Any

from configargparse import ArgParser
from toil.common import Toil
from toil.fileStores import FileID
from toil.fileStores.abstractFileStore import AbstractFileStore
from toil.job import Job, Promise

LINE_LENGTH = 50
# Each split makes as many parts, and each merge takes as many files.
FANOUT = 3
# Small enough for a t2.micro, of which 668 MiB are left for jobs.
SMALL = {"cores": 1, "memory": "256Mi", "disk": "512Mi"}
# A piece is quickly sorted again: it may run where EC2 can take the node away.
RETRIED: dict[str, Any] = {**SMALL, "preemptible": True}


def split(job: Job, file_id: FileID, pieces: int, seconds: float) -> Promise:
    """Split a file until there is one piece per sorting job; return the promise of the sorted whole."""
    lines = read_lines(job.fileStore, file_id)
    parts = []
    for lower, upper in even_ranges(pieces, FANOUT):
        first, last = (len(lines) * bound // pieces for bound in (lower, upper))
        part_id = write_lines(job.fileStore, lines[first:last])
        parts.append(sorting(job, part_id, upper - lower, seconds).rv())
    return job.addFollowOnJobFn(merge, *parts, **SMALL).rv()


def sorting(job: Job, file_id: FileID, pieces: int, seconds: float) -> Job:
    """Add the child that sorts a part: by itself, or by splitting it further."""
    if pieces == 1:
        return job.addChildJobFn(sort_piece, file_id, seconds, **RETRIED)
    return job.addChildJobFn(split, file_id, pieces, seconds, **SMALL)


def even_ranges(total: int, parts: int) -> list[tuple[int, int]]:
    """Divide range(total) into at most so many ranges of about equal length, none of them empty."""
    bounds = [total * part // parts for part in range(parts + 1)]
    return [(lower, upper) for lower, upper in itertools.pairwise(bounds) if lower < upper]


def sort_piece(job: Job, file_id: FileID, seconds: float) -> FileID:
    """Sort one piece, and say where; wait until `seconds` have passed, so that small inputs show a busy cluster."""
    started = time.monotonic()
    lines = read_lines(job.fileStore, file_id)
    lines.sort()
    sorted_id = write_lines(job.fileStore, lines)
    time.sleep(max(0.0, seconds - (time.monotonic() - started)))
    job.fileStore.log_to_leader(f"sorted {len(lines)} lines on {socket.gethostname()}")
    return sorted_id


def merge(job: Job, *parts: FileID) -> FileID:
    """Merge sorted files."""
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(job.fileStore.readGlobalFileStream(part)) for part in parts]
        merged, merged_id = stack.enter_context(job.fileStore.writeGlobalFileStream())
        merged.writelines(heapq.merge(*streams))
    return merged_id


def read_lines(store: AbstractFileStore, file_id: FileID) -> list[bytes]:
    """Return a file's lines, each with its newline, the last one too."""
    with store.readGlobalFileStream(file_id) as stream:
        return [line if line.endswith(b"\n") else line + b"\n" for line in stream]


def write_lines(store: AbstractFileStore, lines: list[bytes]) -> FileID:
    """Put lines into the job store."""
    with store.writeGlobalFileStream() as (stream, file_id):
        stream.writelines(lines)
    return file_id


def make_file(path: Path, lines: int, seed: int) -> None:
    """Write random lines; the same seed gives the same file."""
    chooser = random.Random(seed)
    with path.open("w") as stream:
        for _ in range(lines):
            stream.write("".join(chooser.choices(string.ascii_letters + string.digits, k=LINE_LENGTH)) + "\n")


def url(location: str) -> str:
    """Return a location as Toil wants it: URLs as they are, paths as file:// URLs."""
    return location if "://" in location else Path(location).resolve().as_uri()


def options() -> argparse.Namespace:
    """Read the command line: Toil's options and ours."""
    parser = ArgParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    Job.Runner.addToilOptions(parser)
    parser.add_argument("--input", help="file to sort; default: a new one of --lines random lines")
    parser.add_argument("--output", default="sorted.txt", help="where the sorted file goes (default: %(default)s)")
    parser.add_argument("--lines", type=int, default=120_000, help="length of a new file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="what a new file is made from (default: %(default)s)")
    parser.add_argument("--pieces", type=int, default=9, help="number of sorting jobs (default: %(default)s)")
    parser.add_argument(
        "--job-seconds", type=float, default=2.0, help="least time that a sorting job takes (default: %(default)s)"
    )
    return parser.parse_args()


def main() -> None:
    """Run the workflow, or resume it with --restart."""
    chosen = options()
    if not chosen.restart and not chosen.input:
        chosen.input = "unsorted.txt"
        make_file(Path(chosen.input), chosen.lines, chosen.seed)
        print(f"Made {chosen.input} with {chosen.lines} lines")
    with Toil(chosen) as toil:
        if chosen.restart:
            sorted_id = toil.restart()
        else:
            file_id = toil.import_file(url(chosen.input))
            sorted_id = toil.start(Job.wrapJobFn(split, file_id, chosen.pieces, chosen.job_seconds, **SMALL))
        toil.export_file(sorted_id, url(chosen.output))
    print(f"Sorted file: {chosen.output if '://' in chosen.output else Path(chosen.output).resolve()}")


if __name__ == "__main__":
    main()
