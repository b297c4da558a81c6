"""Terminals of runs: attached, left, and none at all."""

from __future__ import annotations

import os
import shutil
import sys

import pexpect
import pytest

from tests.unit.nodes.leader.here import Here, waiting_for


def attached(here: Here, name: str) -> pexpect.spawn[bytes]:
    words = ["-m", "toilctl_leader.attach", name]
    return pexpect.spawn(sys.executable, words, env={**here.environment, "TERM": "xterm"}, timeout=120)


def test_attached_terminal_shows_the_output_and_passes_ctrl_c_on(here: Here) -> None:
    text = "trap 'echo caught; exit 7' INT; echo ready; while true; do sleep 0.05; done"
    here.start("bash", "-c", text, name="shell")
    child = attached(here, "shell")
    child.expect("ready")
    child.sendcontrol("c")
    ended = here.ended("shell")
    child.close(force=True)
    assert (ended["state"], ended["exit_code"], ended["reason"]) == ("stopped", 7, "Ctrl-C in its terminal")
    assert here.log("shell") == "ready\ncaught\n"


def test_ended_run_cannot_be_attached(here: Here) -> None:
    here.start("true", name="good")
    here.ended("good")
    child = attached(here, "good")
    child.expect("has ended")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 5


def test_run_goes_on_without_its_terminal(here: Here) -> None:
    gate = here.home / "gate"
    here.start("bash", "-c", f"{waiting_for(gate)}; echo late; exit 4", name="shell")
    here.tmux("kill-server")
    assert here.show("shell")["state"] == "running"
    gate.touch()
    assert here.ended("shell")["exit_code"] == 4
    assert here.log("shell") == "late\n"


def without(here: Here, *programs: str) -> None:
    """Let programs fail, as those that are not installed do."""
    directory = here.home / "broken"
    directory.mkdir()
    for name in programs:
        (directory / name).write_text("#!/bin/sh\nexit 1\n")
        (directory / name).chmod(0o755)
    here.environment["PATH"] = f"{directory}{os.pathsep}{here.environment['PATH']}"


@pytest.mark.skipif(shutil.which("screen") is None, reason="screen is not installed")
def test_run_is_attached_by_screen_where_there_is_no_tmux(here: Here) -> None:
    without(here, "tmux")
    sockets = here.home / "screens"
    sockets.mkdir(0o700)
    here.environment["SCREENDIR"] = str(sockets)
    text = "trap 'exit 7' INT; echo ready; while true; do sleep 0.05; done"
    assert here.start("bash", "-c", text, name="shell")["terminal"] == "screen"
    here.start("sleep", "600", name="shell-2")
    child = attached(here, "shell")
    child.expect("ready")
    child.sendcontrol("c")
    assert here.ended("shell")["exit_code"] == 7
    child.close(force=True)


def test_run_needs_no_terminal_and_is_followed_instead(here: Here) -> None:
    without(here, "tmux", "screen")
    gate = here.home / "gate"
    assert here.start("bash", "-c", f"echo here; {waiting_for(gate)}; exit 2", name="bare")["terminal"] is None
    child = attached(here, "bare")
    child.expect("no terminal")
    child.expect("here")
    gate.touch()
    child.expect(pexpect.EOF)
    assert here.ended("bare")["exit_code"] == 2
    assert here.log("bare") == "here\n"
