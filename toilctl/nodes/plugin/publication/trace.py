"""All that a workflow published, kept in its run's directory: a later estimate replays it.

``TOILCTL_RUN/trace-PID.jsonl`` has the lines of publication.py's file, each from the first to the last. A process's
second workflow has ``trace-PID.2.jsonl``. Without ``TOILCTL_RUN`` there is none.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from .run import RUN

logger = logging.getLogger(f"toil.{__name__}")

PREFIX = "trace-"


class Trace:
    """One workflow's recording; after an error it ends, and the workflow goes on. Calls must not overlap."""

    def __init__(self, header: str) -> None:
        self._file: BinaryIO | None = None
        directory = os.environ.get(RUN)
        if directory:
            try:
                self._file = _new_file(Path(directory))
            except OSError as error:
                self._stop(error)
        self.add([header])

    def add(self, lines: Iterable[str]) -> None:
        """Write lines."""
        if self._file is None:
            return
        left = memoryview(("\n".join(lines) + "\n").encode())
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._stop(error)

    def close(self) -> None:
        """Let the file go."""
        self._stop(None)

    def _stop(self, error: OSError | None) -> None:
        if error is not None:
            logger.warning("toilctl records this workflow's jobs no longer, so it cannot be replayed: %s", error)
        opened, self._file = self._file, None
        if opened is not None:
            try:
                opened.close()
            except OSError:
                logger.debug("The recording cannot be closed.", exc_info=True)


def _new_file(directory: Path) -> BinaryIO:
    """Open what is not there yet: a process may have one workflow after the other, and an old one's number."""
    for number in itertools.count(1):
        name = f"{PREFIX}{os.getpid()}{f'.{number}' if number > 1 else ''}.jsonl"
        try:
            return (directory / name).open("xb", buffering=0)
        except FileExistsError:
            continue
    raise AssertionError
