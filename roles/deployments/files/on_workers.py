"""on_workers.py DIRECTORY: print the names of the deployments that workers need, one a line, of those that are there.

They are in DIRECTORY/.on-workers, which every workflow on the leader can write: what is no list of names is told on
standard error, without what it says. Runs as root on the leader's host, with its own Python.
"""

import os
import re
import stat
import sys
from pathlib import Path

LIST = ".on-workers"
MOST_BYTES = 64 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def lines(path):
    """Return a file's lines; none when there is no such file.

    :raises ValueError: when it is nothing that can be a list, with the reason.
    """
    try:
        # No link is followed, and what is no file is waited for by nobody.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    except OSError:
        raise ValueError("cannot be opened, or is a link") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            content = opened.read(MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES // 1024} KiB")
    return content.decode(errors="replace").split("\n")


def is_deployment(place):
    """Tell whether there is a virtualenv that could be copied."""
    parts = (place, place / "venvs")
    return all(part.is_dir() and not part.is_symlink() for part in parts) and (place / "venv").is_symlink()


def main():
    """Print the names, and tell what was refused."""
    directory = Path(sys.argv[1])
    try:
        given = [line for line in lines(directory / LIST) if line]
    except ValueError as reason:
        print(f"{directory / LIST} {reason}: no deployment is brought to workers.", file=sys.stderr)
        return
    names = [line for line in given if NAME.fullmatch(line)]
    if len(names) < len(given):
        print(f"{len(given) - len(names)} lines of {directory / LIST} are no deployments' names.", file=sys.stderr)
    for name in dict.fromkeys(names):
        if is_deployment(directory / name):
            print(name)


if __name__ == "__main__":
    main()
