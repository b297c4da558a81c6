"""Runs of real Toil workflows on this machine: told of, counted, stopped and restarted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT
from tests.unit.nodes.leader.here import Here, RefusedHere, eventually

SCRIPT = ROOT / "tests/unit/nodes/leader/gated_workflow.py"
STORE = "file:store"


@pytest.fixture
def script(here: Here) -> str:
    return str(shutil.copy(SCRIPT, here.home / "gated.py"))


def words(script: str, *jobs: str, store: str = STORE, options: tuple[str, ...] = ()) -> list[str]:
    tries = ["--retryCount", "1" if "fails-once" in jobs else "0", "--retryBackoffSeconds", "0"]
    return ["python", script, store, *tries, "--batchSystem", "single_machine", *options, "--jobs", *jobs]


def start(here: Here, script: str, *jobs: str, name: str = "flow", **more: Any) -> dict[str, Any]:
    return here.start(*words(script, *jobs, **more), name=name, job_store=STORE)


def restart(here: Here, script: str, *jobs: str) -> dict[str, Any]:
    argv = words(script, *jobs, options=("--restart",))
    return here.start(*argv, name="flow", job_store=STORE, restart=True)


def ended(here: Here) -> dict[str, Any]:
    run = here.ended("flow")
    return run | {"log_text": here.log("flow")}


def numbers(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (run["progress"] or {}).items() if value}


def reached(here: Here, **expected: int) -> dict[str, Any]:
    """Return the run once the numbers of its jobs are these, and all others nought."""
    found: dict[str, Any] = here.when("flow", lambda run: numbers(run) == expected and run, str(expected))
    return found


def test_jobs_are_counted_while_they_run_and_afterwards(here: Here, script: str) -> None:
    start(here, script, "waits", "waits", "quick")
    run = reached(here, done=2, running=2, issued=4)
    assert run["job_store"] == [f"file:{here.home}/store"]
    (told,) = [json.loads(line) for line in (here.directory("flow") / "workflows.jsonl").read_text().splitlines()]
    assert told.pop("at")
    assert told == {
        "pid": here.facts("flow")["pid"], "job_store": f"file:{here.home}/store", "batch_system": "single_machine",
        "bus": f"{here.directory('flow')}/bus-{told['pid']}", "restart": False,
    }  # fmt: skip
    (here.home / "gate").touch()
    run = ended(here)
    assert (run["state"], run["log_text"].splitlines()[-1]) == ("succeeded", "all done")
    assert numbers(run) == {"done": 4, "issued": 4}
    assert numbers(here.show("flow")) == {"done": 4, "issued": 4}


def test_job_that_fails_and_is_tried_again_is_not_counted_as_failed(here: Here, script: str) -> None:
    start(here, script, "fails-once", "waits")
    reached(here, done=2, running=1, issued=3)
    assert here.log("flow").count("Job failed with exit value 1") == 1
    (here.home / "gate").touch()
    assert numbers(ended(here)) == {"done": 3, "issued": 3}


def test_job_that_fails_for_good_is_one_and_its_parent_is_none(here: Here, script: str) -> None:
    start(here, script, "fails", "quick")
    run = ended(here)
    assert (run["state"], run["exit_code"]) == ("failed", 1)
    assert numbers(run) == {"done": 2, "failed": 1, "issued": 3}
    (here.home / "mended").touch()
    # Whoever types the command again need not know what toilctl called it: the job store tells.
    argv = words(script, "fails", "quick", options=("--restart",))
    assert here.start(*argv, job_store=STORE, restart=True)["name"] == "flow"
    run = ended(here)
    assert [one["state"] for one in run["attempts"]] == ["failed", "succeeded"]
    # The parent, and the one that was quick, are not tried again.
    assert numbers(run) == {"done": 3, "issued": 3}
    assert (here.home / "ran").read_text() == "quick 1\n"


@pytest.mark.parametrize("in_a_shell", [False, True])
def test_stopped_workflow_goes_on_where_it_ended(here: Here, script: str, in_a_shell: bool) -> None:
    jobs = ("waits", "waits", "quick")
    argv = words(script, *jobs)
    if in_a_shell:
        argv = ["bash", "-c", f"{' '.join(argv)}; exit $?"]
    here.start(*argv, name="flow", job_store=STORE)
    reached(here, done=2, running=2, issued=4)
    answer = here.ask("runs.stop", name="flow", patience_s=60)
    assert answer["was_running"]
    assert answer["run"]["state"] == "stopped"
    assert numbers(answer["run"]) == {"done": 2, "issued": 4}
    assert not [pid for pid in here.processes() if "gated.py" in command(pid) or "_toil_worker" in command(pid)]
    (here.home / "gate").touch()
    restart(here, script, *jobs)
    run = ended(here)
    assert (run["state"], run["log_text"].splitlines()[-1]) == ("succeeded", "all done")
    assert [one["state"] for one in run["attempts"]] == ["stopped", "succeeded"]
    assert numbers(run) == {"done": 4, "issued": 4}
    assert sorted((here.home / "ran").read_text().splitlines()) == ["quick 2", "waits 0", "waits 1"]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def test_killed_leader_leaves_no_jobs_beside_those_of_the_restart(here: Here, script: str) -> None:
    start(here, script, "waits", "quick")
    reached(here, done=2, running=1, issued=3)
    before = [pid for pid in here.processes() if "_toil_worker" in command(pid)]
    facts = here.facts("flow")
    os.kill(facts["supervisor"], signal.SIGKILL)
    os.kill(facts["pid"], signal.SIGKILL)
    here.when("flow", lambda run: run["state"] == "lost", "the loss")
    assert before
    assert {pid for pid in before if command(pid)} == set(before)
    restart(here, script, "waits", "quick")
    eventually(lambda: not any(map(command, before)), "the old jobs' end")
    (here.home / "gate").touch()
    assert ended(here)["state"] == "succeeded"
    assert sorted((here.home / "ran").read_text().splitlines()) == ["quick 1", "waits 0"]


def test_second_run_on_a_plain_path_is_refused_by_what_the_workflow_told(here: Here, script: str) -> None:
    # As a plain path it is no locator to the laptop. A child alone runs in its parent's place: they are one.
    here.start(*words(script, "waits", store="store"), name="flow")
    reached(here, running=1, issued=1)
    with pytest.raises(RefusedHere, match="Run 'flow' uses the job store"):
        here.start("true", job_store=STORE)
    (here.home / "gate").touch()
    assert ended(here)["job_store"] == [f"file:{here.home}/store"]


def test_workflow_started_by_hand_becomes_a_run_by_its_restart(here: Here, script: str) -> None:
    by_hand = [sys.executable, *words(script, "fails")[1:]]
    assert (
        subprocess.run(by_hand, env=here.environment, cwd=here.home, capture_output=True, check=False).returncode == 1
    )
    (here.home / "mended").touch()
    argv = words(script, "fails", options=("--restart",))
    assert here.start(*argv, job_store=STORE, restart=True)["name"] == "gated-1"
    assert here.ended("gated-1")["state"] == "succeeded"


def test_two_workflows_of_one_run_are_counted_together(here: Here, script: str) -> None:
    lines = [" ".join(words(script, "quick", "quick", store=f"file:store-{number}")) for number in (1, 2)]
    here.start("bash", "-c", " && ".join(lines), name="flow")
    run = ended(here)
    assert run["job_store"] == [f"file:{here.home}/store-{number}" for number in (1, 2)]
    assert numbers(run) == {"done": 6, "issued": 6}


def test_toils_own_programs_are_no_workflows_and_a_command_is_repeated_as_a_restart(here: Here, script: str) -> None:
    start(here, script, options=("--clean", "never"))
    assert ended(here)["state"] == "succeeded"
    argv = here.ask("runs.start", argv=None, restart=True)["command"]
    assert argv[-1] == "--restart"
    assert [one["state"] for one in ended(here)["attempts"]] == ["succeeded", "succeeded"]
    here.start("bash", "-c", f"toil status {STORE}; toil clean {STORE}", name="look")
    look = here.ended("look")
    assert (look["exit_code"], look["progress"], look["job_store"]) == (0, None, [])
    assert not (here.home / "store").exists()
    assert list(here.directory("look").glob("bus-*")) == []
