"""Programs on this terminal: as they are, or so that nothing of what they show steers it."""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import subprocess
import termios
import threading
import tty
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fcntl import ioctl
from types import FrameType
from typing import BinaryIO, Final

from toilctl.values import outside

_OUT: Final = 1
_SAID: Final = 2
_CHUNK: Final = 65536
_LOOK_S: Final = 0.5
_SIZE: Final = b"\0" * 8
"""Of a terminal: struct winsize has four short numbers."""
_BEGUN: Final = re.compile(r"\x1b(\[[0-9;]{0,32})?\Z")


class Shown:
    """A terminal: a log, in which any job may write, gets there with its colours, and with nothing else that steers."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._rest = out, ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def write(self, chunk: bytes) -> None:
        """Show some more; what may be the beginning of a colour waits for the rest of it."""
        text = self._rest + self._decoder.decode(chunk)
        # A colour may come in two pieces.
        cut = begun.start() if (begun := _BEGUN.search(text)) else len(text)
        self._rest = text[cut:]
        self._out.write(outside.coloured(text[:cut]).encode())

    def flush(self) -> None:
        """Write what was not written yet."""
        self._out.flush()

    def end(self) -> None:
        """Show what waited for a rest that does not come."""
        text, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        self._out.write(outside.coloured(text).encode())
        self._out.flush()


def run(argv: Sequence[str], environment: Mapping[str, str] | None = None, *, cleaned: bool = False) -> int:
    """Run a program on this terminal, pass on signals, and return its exit code as a shell does.

    :param cleaned: whether a terminal gets what the program writes as ``Shown`` does; a file or a pipe gets its bytes.
    """
    if not cleaned:
        return _wait(subprocess.Popen(argv, env=environment))
    # One where both streams are on the same, so that what is written to them keeps its order.
    there = {number: os.fstat(number).st_rdev for number in (_OUT, _SAID) if os.isatty(number)}
    own = {device: _OwnTerminal(number) for number, device in there.items()}
    out, said = (own[there[number]].inner if number in there else None for number in (_OUT, _SAID))
    try:
        process = subprocess.Popen(argv, env=environment, stdout=out, stderr=said)
        for one in own.values():
            one.begin()
        return _wait(process)
    finally:
        for one in own.values():
            one.end()


class _OwnTerminal:
    """A terminal of a program's own: it still sees one, and what it writes there is shown on this process's."""

    def __init__(self, outer: int) -> None:
        self._outer = outer
        source, inner = os.openpty()
        self._source, self.inner = os.fdopen(source, "rb", buffering=0), os.fdopen(inner, "wb", buffering=0)
        # Bytes are to come out as they went in: line feeds are the outer terminal's matter.
        tty.setraw(inner)
        with suppress(OSError):
            ioctl(inner, termios.TIOCSWINSZ, ioctl(outer, termios.TIOCGWINSZ, _SIZE))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def begin(self) -> None:
        """Show what comes; the program has its end by now."""
        self.inner.close()
        self._thread.start()

    def end(self) -> None:
        """Show what is left, though somebody may hold the terminal for ever."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.inner.close()
        self._source.close()

    def _show(self) -> None:
        # Where the outer terminal is gone, the program's own one goes, too.
        with self._source, suppress(OSError), os.fdopen(self._outer, "wb", closefd=False) as out:
            shown = Shown(out)
            while chunk := self._read():
                shown.write(chunk)
                shown.flush()
            shown.end()

    def _read(self) -> bytes:
        while not select.select([self._source], [], [], _LOOK_S)[0]:
            if self._ended.is_set():
                return b""
        try:
            return self._source.read(_CHUNK) or b""
        except OSError:  # Linux: nobody has the other end any more.
            return b""


def _wait(process: subprocess.Popen[bytes]) -> int:
    def pass_on(number: int, _: FrameType | None) -> None:
        # A terminal's Ctrl-C reaches the program by itself; here it must only not end the wait for it.
        if number != signal.SIGINT:
            process.send_signal(number)

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.signal(number, pass_on)) for number in caught]
    try:
        code = process.wait()
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
