"""Standard streams that are closed, full or no longer read: they cost nobody a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from toilctl.values.errors import HostError, OutputLost, ToilctlError


def open_closed() -> None:
    """Open what whoever started this process has closed, so that no file takes its place, here or in a child."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: PTH123, SIM115 - as long as the process
            os.set_inheritable(stream.fileno(), stream.fileno() == number)
            setattr(sys, name, stream)


class Watched:
    """Standard output that remembers why it could not be written, whatever became of the error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._error: OSError | None = None

    def write(self, text: str) -> int:
        """Write, as the stream does."""
        with self._watching():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what was not written yet."""
        with self._watching():
            self._stream.flush()

    def trouble(self) -> ToilctlError | None:
        """Return why what was written does not get anywhere; None when it does."""
        with suppress(OSError):
            self.flush()
        if self._error is None:
            return None
        _silence(1)
        if self._error.errno == errno.EPIPE:
            return OutputLost("Nobody reads the output any more.")
        reason = self._error.strerror or type(self._error).__name__
        return HostError(f"The output cannot be written: {reason}.", "Make room there, or write it elsewhere.")

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._error = error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def settle() -> None:
    """Let stderr be, where it cannot be written: Python would end with an exit code of its own."""
    try:
        sys.stderr.flush()
    except OSError:
        _silence(2)


def _silence(number: int) -> None:
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
