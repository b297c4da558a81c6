"""A program's output within bounds: what another machine writes fills no memory here, and steers no terminal."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader
from typing import IO, Final

from toilctl.system import progress

MOST_BYTES: Final = 256 * 1024**2
"""Of what a program writes; a leader's journals have 50 MB of text, and less when they are packed."""
LAST_WORDS_S: Final = 1.0
"""How long what a program said may take to be shown after its end: whoever else has its stderr may hold it for ever."""
_CHUNK: Final = 65536
_LINE: Final = 4096


class TooMuchError(Exception):
    """The program wrote more; it was ended."""


def run(argv: Sequence[str], text: str, timeout_s: float, most: int = MOST_BYTES) -> subprocess.CompletedProcess[str]:
    """Run a program as ``subprocess.run`` does, with ``text`` to read, and keep what it writes.

    :raises TooMuchError: when that is more than ``most`` bytes.
    :raises subprocess.TimeoutExpired: when it takes longer than ``timeout_s``.
    """
    pipe, end, ended = subprocess.PIPE, time.monotonic() + timeout_s, threading.Semaphore(0)
    process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe)
    streams = [_Stream(one, most, ended) for one in (process.stdout, process.stderr)]
    threading.Thread(target=_feed, args=(process.stdin, text.encode()), daemon=True).start()
    try:
        for _ in streams:
            # Whoever else has the other end of a pipe may hold it for ever.
            if not ended.acquire(timeout=max(0.0, end - time.monotonic())):
                raise subprocess.TimeoutExpired(argv, timeout_s)
            if any(stream.too_much for stream in streams):
                raise TooMuchError
        process.wait(max(0.0, end - time.monotonic()))
    finally:
        process.kill()
        process.wait()
    out, said = (stream.text for stream in streams)
    return subprocess.CompletedProcess(argv, process.returncode, out, said)


def shown(said: IO[bytes] | None) -> threading.Thread:
    """Show what a program says beside its output as it comes, as text; return the thread that does it."""
    thread = threading.Thread(target=_show, args=(said,), daemon=True)
    thread.start()
    return thread


class _Stream:
    """What comes out of one of a program's streams."""

    def __init__(self, stream: IO[bytes] | None, most: int, ended: threading.Semaphore) -> None:
        assert isinstance(stream, BufferedReader)  # noqa: S101 - for mypy; it was asked for
        self._stream, self._most, self._ended = stream, most, ended
        self._content, self.too_much = bytearray(), False
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def text(self) -> str:
        return self._content.decode("utf-8", "replace")

    def _read(self) -> None:
        with self._stream:
            while not self.too_much and (chunk := self._stream.read1(_CHUNK)):
                self._content += chunk
                self.too_much = len(self._content) > self._most
        self._ended.release()


def _show(said: IO[bytes] | None) -> None:
    if said is None:
        return
    with said:
        while line := said.readline(_LINE):
            progress.note(line.decode(errors="replace").rstrip("\r\n"))


def _feed(stdin: IO[bytes] | None, content: bytes) -> None:
    # Who ends without reading it has said why.
    with suppress(OSError):
        if stdin:
            stdin.write(content)
            stdin.close()
