"""A command in a container ends with the connection over which it was asked for; ``docker exec`` is a stand-in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import toilctl
from toilctl.system.waiting import wait_until

SOURCE = (Path(toilctl.__file__).parent / "nodes/tether.py").read_text()
SUDO = """#!/bin/bash
# sudo -n docker exec [-i] NAME WORD...: the command has a session, and whoever runs it reads all that it says.
shift 3; [ "$1" = -i ] && shift
[ "$1" = there ] || { echo "Error: No such container: $1" >&2; exit 1; }
shift
setsid "$@" | ( trap '' PIPE; cat 2>/dev/null; cat >/dev/null )
exit "${PIPESTATUS[0]}"
"""
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a command with a tether; its process id is in the file ``pid``."""
    (tmp_path / "sudo").write_text(SUDO)
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    started: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, container: str = "there", **how: Any) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", SOURCE, container, *words]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # Whoever runs the tests may have been told to ignore it, as by nohup.
        heeded = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)}
        started.append(subprocess.Popen(argv, **{**streams, **heeded, **how}))
        return started[-1]

    yield begin
    left = tmp_path / "pid"
    if left.exists() and not ends(number := int(left.read_text()), within_s=0):
        os.kill(number, signal.SIGKILL)
    for one in started:
        for stream in (one.stdin, one.stdout, one.stderr):
            if stream:
                stream.close()
        one.kill()
        one.wait()


def pid(of: Path) -> int:
    """Wait for a command to begin; return its process id."""
    text = wait_until(lambda: of.read_text() if of.exists() else "", lambda found: found.endswith("\n"), 20, 0.02)
    return int(text)


def ends(number: int, within_s: float = 20) -> bool:
    """Tell whether a process ends; one that did and that nobody waits for has ended, too."""

    def alive() -> bool:
        try:
            return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    return not wait_until(alive, lambda one: not one, within_s, 0.02)


SAYS_ITS_ID = "echo $$ >pid; exec "


@pytest.mark.parametrize("code", [0, 1, 3, 126, 213, 255])
def test_exit_code_is_the_commands(start: Start, code: int) -> None:
    assert start("sh", "-c", f"exit {code}").wait(20) == code


def test_command_that_is_not_there_ends_as_in_a_shell(start: Start) -> None:
    process = start("no-such-command")
    _, said = process.communicate(timeout=20)
    assert (process.returncode, b"no-such-command: not found" in said) == (127, True)


def test_container_that_is_not_there_is_told_by_docker(start: Start) -> None:
    process = start("true", container="gone")
    assert (*process.communicate(timeout=20), process.returncode) == (b"", b"Error: No such container: gone\n", 1)


def test_streams_are_clean_and_apart(start: Start) -> None:
    data = bytes(range(256)) * 8192
    process = start("sh", "-c", "cat; echo err >&2", stdin=subprocess.PIPE)
    assert process.communicate(data, timeout=60) == (data, b"err\n")


def test_end_of_the_input_is_not_the_end_of_the_connection(start: Start) -> None:
    process = start("sh", "-c", "cat; exec >&-; sleep 0.2; echo err >&2; exit 4")
    assert (*process.communicate(timeout=20), process.returncode) == (b"", b"err\n", 4)


@pytest.mark.parametrize("command", ["yes", "sleep 1000", "sh -c 'sleep 1000 & wait'"])
def test_command_ends_once_nobody_reads(start: Start, tmp_path: Path, command: str) -> None:
    process = start("sh", "-c", SAYS_ITS_ID + command)
    number = pid(tmp_path / "pid")
    assert process.stdout is not None
    process.stdout.close()
    assert ends(number)
    assert process.wait(20) == 129


def test_command_that_closed_its_output_ends_with_the_connection_all_the_same(start: Start, tmp_path: Path) -> None:
    process = start("sh", "-c", f"exec >&-; {SAYS_ITS_ID} sleep 1000")
    number = pid(tmp_path / "pid")
    assert process.stdout is not None
    process.stdout.close()
    assert ends(number)


def test_what_ignores_a_hang_up_goes_on(start: Start, tmp_path: Path) -> None:
    process = start("sh", "-c", "echo $$ >pid; trap 'echo heard >>heard' HUP; while :; do sleep 0.05; done")
    number = pid(tmp_path / "pid")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(20) == 129
    assert wait_until((tmp_path / "heard").exists, bool, 20, 0.02)
    assert not ends(number, within_s=0)
