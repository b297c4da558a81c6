"""What programs write on a terminal steers nothing there, and all else is as without a look at it."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from toilctl.system.ssh import terminal

RUN = "import sys; from toilctl.system.ssh import terminal; sys.exit(terminal.run(sys.argv[1:], cleaned={}))"
STEERS = r"printf '\033[31mred\033[0m \033]52;c;eA==\007\033]0;t\007\342\200\256|\n'"
RAW = "\x1b[31mred\x1b[0m \x1b]52;c;eA==\x07\x1b]0;t\x07\u202e|\n"
CLEANED = "\x1b[31mred\x1b[0m \\x1b]52;c;eA==\\x07\\x1b]0;t\\x07\\u202e|\n"


def on_a_terminal(
    script: str, *, streams: tuple[bool, bool] = (True, True), cleaned: bool = True,
    meanwhile: Callable[[subprocess.Popen[bytes]], None] = lambda _: None, text: bytes = b"",
) -> tuple[int, str, str, str]:  # fmt: skip
    """Return the exit code, what was shown on the terminal, and what in a file for either stream that is on none."""
    outer, inner = os.openpty()
    tty.setraw(inner)
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 33, 99, 0, 0))
    out, said = (inner if one else subprocess.PIPE for one in streams)
    argv = [sys.executable, "-c", RUN.format(cleaned), "bash", "-c", script]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=said)
    os.close(inner)
    assert process.stdin
    process.stdin.write(text)
    process.stdin.close()
    process.stdin = None
    meanwhile(process)
    shown = bytearray()
    try:
        while chunk := os.read(outer, 65536):
            shown += chunk
    except OSError:  # Linux: the other end is closed.
        pass
    found = [(one or b"").decode() for one in process.communicate(timeout=60)]
    os.close(outer)
    return process.returncode, shown.decode(), found[0], found[1]


@pytest.mark.parametrize("to", ["", " >&2"])
def test_what_would_steer_a_terminal_is_written_out_there(to: str) -> None:
    assert on_a_terminal(f"{STEERS}{to}; exit 7") == (7, CLEANED, "", "")


def test_session_gets_by_as_it_is() -> None:
    assert on_a_terminal(f"{STEERS}; exit 7", cleaned=False) == (7, RAW, "", "")


def test_stream_that_is_on_no_terminal_keeps_its_bytes() -> None:
    script = f"{STEERS}; {STEERS} >&2"
    assert on_a_terminal(script, streams=(False, True)) == (0, CLEANED, RAW, "")
    assert on_a_terminal(script, streams=(True, False)) == (0, CLEANED, "", RAW)
    assert on_a_terminal(script, streams=(False, False)) == (0, "", RAW, RAW)


def test_two_streams_on_a_terminal_keep_their_order() -> None:
    script = "for at in 1 2 3 4 5 6 7 8; do echo $at; echo said $at >&2; done"
    expected = "".join(f"{at}\nsaid {at}\n" for at in range(1, 9))
    assert on_a_terminal(script) == (0, expected, "", "")


def test_program_still_sees_a_terminal_of_the_same_size_and_its_own_stdin() -> None:
    script = "test -t 1 && test -t 2 && stty size <&1 && cat"
    assert on_a_terminal(script, text=b"typed\n") == (0, "33 99\ntyped\n", "", "")


def test_output_arrives_to_its_end() -> None:
    code, shown, _, _ = on_a_terminal("seq 1 50000; printf '\\033[3'")
    assert (code, shown) == (0, "".join(f"{at}\n" for at in range(1, 50_001)) + "\\x1b[3")


def test_whoever_keeps_the_terminal_does_not_hold_up_the_end() -> None:
    began = time.monotonic()
    assert on_a_terminal("sleep 100 & echo over; exit 3") == (3, "over\n", "", "")
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_signals_go_where_they_went(number: signal.Signals, code: int, tmp_path: Path) -> None:
    ready = tmp_path / "ready"

    def send(process: subprocess.Popen[bytes]) -> None:
        while not ready.exists():
            time.sleep(0.05)
        process.send_signal(number)
        (tmp_path / "sent").touch()

    # A terminal's Ctrl-C reaches the program by itself: toilctl does not pass it on, and waits.
    script = f"touch {ready}; until [ -e {tmp_path}/sent ]; do sleep 0.05; done; sleep 0.5"
    assert on_a_terminal(f"exec bash -c '{script}'", meanwhile=send)[0] == code


def test_program_that_is_not_there_leaves_no_terminal_open() -> None:
    outer, inner = os.openpty()
    before = len([*Path("/dev/fd").iterdir()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "_OUT", inner)
        patch.setattr(terminal, "_SAID", inner)
        with pytest.raises(FileNotFoundError):
            terminal.run(["/nowhere/at/all"], cleaned=True)
    assert len([*Path("/dev/fd").iterdir()]) == before
    os.close(outer)
    os.close(inner)


def test_log_on_a_terminal_keeps_its_colours_and_steers_nothing_else() -> None:
    log = "\x1b[31mred\x1b[0m é\tx\r\n\x1b[2J\x1b]0;title\x07\x9b5n\u202e|\n".encode()
    shown = "\x1b[31mred\x1b[0m é\tx\r\n\\x1b[2J\\x1b]0;title\\x07\\x9b5n\\u202e|\n"
    for size in (1, 2, 3, len(log)):
        out = io.BytesIO()
        shown_on = terminal.Shown(out)
        for at in range(0, len(log), size):
            shown_on.write(log[at : at + size])
        assert out.getvalue().decode() == shown
