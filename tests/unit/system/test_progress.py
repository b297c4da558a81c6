"""Progress as a terminal shows it, and where there is none."""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import termios
from fcntl import ioctl
from types import SimpleNamespace

import pytest
from rich.cells import cell_len

from toilctl.system import progress

LONG = "Launch the leader and make ready what it needs: role ec2_nodes : Ask EC2 for the instances of each node type"
ERASE = "\r\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_line_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(progress._state, "open", False)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=shown))
    monkeypatch.setenv("TERM", "xterm")
    return shown


def screen(written: str, width: int) -> list[str]:
    """Return the lines of a terminal to which this was written."""
    lines, column = [""], 0
    for part in re.findall(r"\x1b\[\d*K|\x1b.|[\r\n]|[^\r\n\x1b]", written):
        if part == "\n":
            lines.append("")
            column = 0
        elif part == "\r":
            column = 0
        elif part == "\x1b[2K":
            lines[-1] = ""
        else:
            assert part[0] != "\x1b", part
            if column + cell_len(part) > width:
                lines.append("")
                column = 0
            lines[-1] = lines[-1][:column] + part + lines[-1][column + 1 :]
            column += cell_len(part)
    return lines


@pytest.mark.parametrize("width", [80, 40, 13, 5])
@pytest.mark.parametrize("text", [LONG, LONG.replace("e", "界"), "short", "two\nlines\x1b[2J\x07 " + LONG])
def test_lines_that_are_over_leave_nothing_at_any_width(terminal, monkeypatch, width, text):
    monkeypatch.setenv("COLUMNS", str(width))
    for _ in range(3):
        progress.begin(text)
    assert len(screen(terminal.getvalue(), width)) == 1
    progress.note("A note.")
    progress.done(text, 0)
    assert screen(terminal.getvalue(), width)[0] == "A note."[:width]
    assert terminal.getvalue().count(ERASE) == 3


def test_line_that_is_cut_says_so_and_one_that_fits_is_whole(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    progress.begin(LONG)
    assert screen(terminal.getvalue(), 40) == ["       …    Launch the leader and make…"]
    progress.begin("[bold]Short[/bold] :smile:")
    assert screen(terminal.getvalue(), 40) == ["       …    [bold]Short[/bold] :smile:"]


def test_width_is_the_terminals_own(monkeypatch):
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("rich.console._STD_STREAMS", (theirs,))
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        progress.begin(LONG)
        shown = os.read(ours, 1000).decode()
        progress.clear()
    os.close(ours)
    assert (cell_len(shown), shown[-1]) == (29, "…")


def test_terminal_without_codes_and_a_file_get_whole_lines_alone(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    progress.begin(LONG)
    progress.note("A note.")
    assert terminal.getvalue() == "A note.\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_stderr_that_cannot_be_written_costs_nobody_the_work(monkeypatch, is_terminal):
    class Full(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    monkeypatch.setattr(progress, "SHOW_AFTER_S", 0)
    with progress.step("Launch"):
        progress.note("A note.")
