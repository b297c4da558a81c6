"""Runs whose supervisor or leader is lost, and restarts."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.nodes.leader.here import Here, eventually, gone, kill_supervisor, waiting_for

ANOTHER_BOOT = "00000000-0000-0000-0000-000000000000"


def is_locked(path: Path) -> bool:
    from toilctl_leader.records import files

    return files.is_held(path)


def test_killed_supervisor_takes_neither_the_command_nor_its_output_along(here: Here) -> None:
    gate = here.home / "gate"
    here.start("bash", "-c", f"echo before; {waiting_for(gate)}; echo after", name="shell")
    eventually(lambda: here.log("shell"), "output")
    command = kill_supervisor(here, "shell")
    assert here.show("shell")["state"] == "running"
    assert is_locked(here.directory("shell") / "alive")
    gate.touch()
    eventually(lambda: gone(command), "the command's end")
    assert not is_locked(here.directory("shell") / "alive")
    lost = here.show("shell")
    assert (lost["state"], lost["exit_code"]) == ("lost", None)
    assert "killed" in lost["reason"]
    assert lost["ended_at"]
    assert "toilctl run my --name shell --restart" in lost["next_step"]
    assert here.log("shell") == "before\nafter\n"


def test_what_a_command_leaves_behind_makes_no_lost_run_look_alive(here: Here) -> None:
    here.start("bash", "-c", "sleep 600 & sleep 600", name="shell")
    command = kill_supervisor(here, "shell")
    os.kill(command, signal.SIGKILL)
    assert here.when("shell", lambda run: run["state"] == "lost", "the loss")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"boot": ANOTHER_BOOT}, "the leader restarted at 20"), ({"container": "1"}, "its container restarted at 20")],
)
def test_restart_of_the_leader_is_told_and_the_run_can_go_on(here: Here, changed: dict[str, str], reason: str) -> None:
    here.start("sleep", "600", name="long")
    os.killpg(kill_supervisor(here, "long"), signal.SIGKILL)
    here.change("long", **changed)
    lost = here.show("long")
    assert lost["state"] == "lost"
    assert lost["reason"].startswith(reason)
    assert "toilctl run my --name long --restart" in lost["next_step"]
    assert here.ask("runs.list")["runs"][0]["reason"] == lost["reason"]
    again = here.start("true", name="long", restart=True)
    assert again["name"] == "long"
    ended = here.ended("long")
    assert [(one["number"], one["state"]) for one in ended["attempts"]] == [(1, "lost"), (2, "succeeded")]
    assert ended["attempts"][0]["reason"].startswith(reason)
    assert ended["attempts"][0]["ended_at"] <= ended["attempts"][1]["started_at"]
    assert ended["seconds"] == sum(map(seconds, ended["attempts"]))


def seconds(attempt: dict[str, Any]) -> float:
    from toilctl_leader.records import attempts

    return attempts.seconds_between(attempt["started_at"], attempt["ended_at"])


def test_run_that_never_began_is_lost(here: Here) -> None:
    here.start("true", name="good")
    here.ended("good")
    (here.directory("good") / "attempts.jsonl").unlink()
    facts = {"attempt": 1, "started_at": "2026-11-26T12:00:00+00:00", "argv": ["true"], **here_and_now()}
    (here.directory("good") / "attempts.jsonl").write_text(json.dumps(facts) + "\n")
    lost = here.show("good")
    assert (lost["state"], lost["reason"]) == ("lost", "it was killed before it began")


@pytest.mark.parametrize("left", ["", "nonsense\n", '{"attempt": 1, "terminal": "tmux"}\n'])
def test_run_whose_beginning_is_lost_does_not_hide_the_others(here: Here, left: str) -> None:
    here.start("true", name="good")
    here.ended("good")
    here.directory("odd").mkdir()
    (here.directory("odd") / "attempts.jsonl").write_text(left)
    runs = here.ask("runs.list")["runs"]
    assert [(one["name"], one["state"]) for one in runs] == [("good", "succeeded"), ("odd", "lost")]


def here_and_now() -> dict[str, str]:
    from toilctl_leader.records.attempts import Here as Now

    return vars(Now.now())


def test_restart_appends_to_the_log_and_repeats_the_command(here: Here) -> None:
    here.start("bash", "-c", "echo $MINE; exit 1", name="shell", environment={"MINE": "kept"})
    here.ended("shell")
    here.ask("runs.start", argv=None, name=None, restart=True)
    ended = here.ended("shell")
    first, between, second = here.log("shell").splitlines()
    assert (first, second) == ("kept", "kept")
    assert "attempt 2, a restart at 20" in between
    assert [one["exit_code"] for one in ended["attempts"]] == [1, 1]
    assert ended["command"] == ["bash", "-c", "echo $MINE; exit 1"]


def test_restart_has_new_variables_beside_those_of_before(here: Here) -> None:
    here.start("bash", "-c", "echo $MINE $YOURS; exit 1", name="shell", environment={"MINE": "a", "YOURS": "b"})
    here.ended("shell")
    here.ask("runs.start", name="shell", restart=True, environment={"YOURS": "c"})
    here.ended("shell")
    first, _, second = here.log("shell").splitlines()
    assert (first, second) == ("a b", "a c")
