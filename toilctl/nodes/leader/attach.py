"""Opens a run's terminal in this one: ``python3 -m toilctl_leader.attach RUN``. Without one, its log is followed."""

from __future__ import annotations

import os
import sys

from toilctl_plugin.regular_files import open_regular

from .follow import follow, offset_of
from .records import attempts, files
from .refused import RefusedError
from .runs import terminals

SHOWN_LINES = 50


def attach(name: str) -> None:
    """Become the program that shows a run's terminal.

    :raises RefusedError: when there is no such run, or it has ended.
    """
    run = files.named(name)
    attempt = attempts.last(run)
    ending = attempts.ending(run, attempt)
    if not ending.goes_on:
        raise RefusedError("conflict", f"Run {name!r} has ended ({ending.state}).", f"Its log is {run.log}.")
    command = terminals.to_attach(name, attempt.terminal)
    if command:
        os.execvp(command[0], command)  # noqa: S606
    print("toilctl: the run has no terminal here; this is its log. Ctrl-C leaves it, and the run goes on.", flush=True)
    with open_regular(run.log, follow=True, buffering=0) as log:
        offset = offset_of(log, SHOWN_LINES, None)
    follow(run, sys.stdout.buffer, offset, to_the_end=True)


def main(name: str) -> int:
    """Attach to a run; return an exit code."""
    try:
        attach(name)
    except RefusedError as error:
        print(f"{error.message} {error.next_step}", file=sys.stderr)
        return 4 if error.code == "not-found" else 5
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
