"""Prints what a run has written: ``python3 -m toilctl_leader.follow RUN [--follow] [--lines N | --offset BYTES]``.

The first line is a number: where in the log the bytes that come behind it begin. Who counts them can go on after a
connection broke, and misses and repeats nothing. With ``--follow`` it ends with 0 when the run has ended and everything
was printed. Without such a run it ends with 4 and says so on stderr, as every program of toilctl's.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import BinaryIO

from toilctl_plugin.regular_files import open_regular

from .records import attempts, files
from .records.files import RunFiles
from .refused import RefusedError

LOOK_S = 0.3
CHUNK = 1 << 16
NO_RUN = 4


def follow(run: RunFiles, out: BinaryIO, offset: int, *, to_the_end: bool) -> None:
    """Copy the log from an offset on; with ``to_the_end``, until the run has ended."""
    with open_regular(run.log, follow=True, buffering=0) as log:
        log.seek(offset)
        goes_on = True
        while goes_on:
            # First: what is written before the end must not be missed.
            goes_on = to_the_end and attempts.ending(run, attempts.last(run)).goes_on
            while chunk := log.read(CHUNK):
                out.write(chunk)
                out.flush()
            if goes_on:
                time.sleep(LOOK_S)


def offset_of(log: BinaryIO, lines: int | None, offset: int | None) -> int:
    """Return where to begin: at a number of lines before the end, at an offset, or at the beginning."""
    size = os.fstat(log.fileno()).st_size
    if lines is None:
        return min(offset or 0, size)
    begin = end = size
    # A line break at the very end belongs to the last line.
    wanted = lines + 1 if size and _at(log, size - 1, size) == b"\n" else lines
    while begin and wanted > 0:
        begin = max(0, end - CHUNK)
        chunk = _at(log, begin, end)
        if chunk.count(b"\n") < wanted:
            wanted -= chunk.count(b"\n")
            end = begin
            continue
        for _ in range(wanted):
            chunk = chunk[: chunk.rindex(b"\n")]
        return begin + len(chunk) + 1
    return begin


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a run's log; return an exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m toilctl_leader.follow", description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--follow", "-f", action="store_true", help="until the run has ended")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--lines", "-n", type=int, metavar="N", help="the last ones only (default: all)")
    where.add_argument("--offset", type=int, metavar="BYTES", help="where in the log to begin")
    chosen = parser.parse_args(arguments)
    try:
        run = files.named(chosen.run)
    except RefusedError as error:
        print(error.message, error.next_step, file=sys.stderr)
        return NO_RUN
    out = sys.stdout.buffer
    try:
        with open_regular(run.log, follow=True, buffering=0) as log:
            offset = offset_of(log, chosen.lines, chosen.offset)
        out.write(b"%d\n" % offset)
        out.flush()
        follow(run, out, offset, to_the_end=chosen.follow)
    except (BrokenPipeError, KeyboardInterrupt):
        # Nobody reads any more; that Python cannot write the rest is no news either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _at(log: BinaryIO, begin: int, end: int) -> bytes:
    log.seek(begin)
    return log.read(end - begin)


if __name__ == "__main__":
    sys.exit(main())
