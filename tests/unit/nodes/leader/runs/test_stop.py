"""Runs that are stopped, and what runs hold."""

from __future__ import annotations

import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.nodes.leader.here import Here, RefusedHere, eventually, gone, kill_supervisor, waiting_for


def test_stopped_run_is_not_called_failed(here: Here) -> None:
    here.start("sleep", "600", name="long")
    answer = here.ask("runs.stop", name="long", patience_s=30)
    assert answer["was_running"] is True
    assert (answer["run"]["state"], answer["run"]["exit_code"]) == ("stopped", 130)
    assert "toilctl run my --name long --restart" in answer["run"]["next_step"]
    again = here.ask("runs.stop", name="long")
    assert (again["was_running"], again["run"]["state"]) == (False, "stopped")


def test_program_that_does_not_hear_ctrl_c_is_stopped_too(here: Here) -> None:
    # What a shell without job control starts in the background ignores it.
    here.start("bash", "-c", "sleep 600 & wait", name="deaf")
    sleeper = eventually(lambda: [pid for pid in here.processes() if is_running(pid, "sleep")], "the program")
    assert here.ask("runs.stop", name="deaf", patience_s=30)["run"]["state"] == "stopped"
    assert gone(sleeper[0])


def is_running(pid: int, program: str) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == program
    except OSError:
        return False


def test_program_that_does_not_end_is_killed_only_by_force(here: Here) -> None:
    here.start("bash", "-c", "trap 'echo no' INT TERM; while true; do sleep 0.05; done", name="stubborn")
    eventually(lambda: is_trapping(here.facts("stubborn")["pid"]), "the trap")
    with pytest.raises(RefusedHere, match="--force") as refused:
        here.ask("runs.stop", name="stubborn", patience_s=1)
    assert refused.value.code == "conflict"
    assert here.show("stubborn")["state"] == "running"
    forced = here.ask("runs.stop", name="stubborn", patience_s=1, force=True)["run"]
    assert (forced["state"], forced["exit_code"]) == ("stopped", 137)


@pytest.mark.parametrize(("is_workflow", "state"), [(False, "stopped"), (True, "succeeded")])
def test_workflow_that_was_done_before_it_could_be_stopped_has_succeeded(
    here: Here, is_workflow: bool, state: str
) -> None:
    here.start("bash", "-c", "trap 'exit 0' INT; while true; do sleep 0.05; done", name="done")
    eventually(lambda: is_trapping(here.facts("done")["pid"]), "the trap")
    if is_workflow:
        (here.directory("done") / "workflows.jsonl").touch()
    assert here.ask("runs.stop", name="done", patience_s=30)["run"]["state"] == state


def is_trapping(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return bool(caught >> (signal.SIGINT - 1) & 1)


def test_run_without_its_supervisor_can_be_stopped(here: Here) -> None:
    here.start("sleep", "600", name="long")
    kill_supervisor(here, "long")
    stopped = here.ask("runs.stop", name="long", patience_s=30)["run"]
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", None)


def test_two_starts_of_one_name_at_once_are_one_run(here: Here) -> None:
    def begin(_: int) -> str:
        try:
            return str(here.start("sleep", "600", name="same")["state"])
        except RefusedHere as refused:
            return refused.code

    with ThreadPoolExecutor() as pool:
        answers = sorted(pool.map(begin, range(4)))
    assert answers == ["conflict", "conflict", "conflict", "running"]
    assert len(here.show("same")["attempts"]) == 1


def test_virtualenv_is_not_taken_from_under_a_run(here: Here) -> None:
    flow, gate = here.workflows / "deployed/flow", here.home / "gate"
    (flow / "venvs/former/bin").mkdir(parents=True)
    (flow / "venvs/former/bin/python").symlink_to(sys.executable)
    (flow / "venv").symlink_to("venvs/former")
    (flow / "source").mkdir()
    (flow / "deployment.json").write_text(json.dumps({"name": "flow", "deployed_at": "2026-11-26T12:00:00+00:00"}))
    here.start("bash", "-c", waiting_for(gate), name="shell", deployment="flow")
    request = {"name": "flow", "kind": "requirements", "path": "r.txt", "files": {}, "requirements": ["tabular"]}
    with pytest.raises(RefusedHere, match="'shell' uses the virtualenv of 'flow'") as caught:
        here.ask("deployments.prepare", **request)
    assert (caught.value.code, caught.value.facts["run"]) == ("conflict", "shell")
    gate.touch()
    here.ended("shell")
    assert here.ask("deployments.prepare", **request)["installs"] is True
