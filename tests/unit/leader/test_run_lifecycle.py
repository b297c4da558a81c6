"""Runs from their start to their end, as real processes in a real tmux."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pexpect
import pytest

from .here import Here, RefusedHere, eventually

ANOTHER_BOOT = "00000000-0000-0000-0000-000000000000"


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "XZ"
    except OSError:
        return True


def kill_supervisor(here: Here, name: str) -> int:
    """Kill what watches a run; return the command's process."""
    facts = here.facts(name)
    os.kill(facts["supervisor"], signal.SIGKILL)
    eventually(lambda: gone(facts["supervisor"]), "the supervisor's end")
    return int(facts["pid"])


def attached(here: Here, name: str) -> pexpect.spawn[bytes]:
    words = ["-m", "toilctl_leader.attach", name]
    return pexpect.spawn(sys.executable, words, env={**here.environment, "TERM": "xterm"}, timeout=30)


def waiting_for(gate: Path) -> str:
    return f"until [ -e {gate} ]; do sleep 0.05; done"


def test_command_runs_detached_and_its_exit_code_and_output_are_kept(here: Here) -> None:
    gate = here.home / "gate"
    begun = here.start("bash", "-c", f"echo one; {waiting_for(gate)}; echo two >&2; exit 3", name="shell")
    assert (begun["state"], begun["terminal"], begun["progress"]) == ("running", "tmux", None)
    assert "toilctl-shell:" in here.tmux("list-sessions")
    gate.touch()
    ended = here.ended("shell")
    assert (ended["state"], ended["exit_code"], here.log("shell")) == ("failed", 3, "one\ntwo\n")
    assert ended["started_at"] <= ended["ended_at"]
    assert "toilctl run my --name shell --restart" in ended["next_step"]
    result = json.loads((here.directory("shell") / "result.json").read_text())
    assert result == {"attempt": 1, "exit_code": 3, "ended_at": ended["ended_at"]}
    eventually(lambda: "toilctl-shell" not in here.tmux("list-sessions"), "the session's end")


def test_run_that_succeeds_has_nothing_to_be_done(here: Here) -> None:
    here.start("true", name="good")
    ended = here.ended("good")
    assert (ended["state"], ended["exit_code"], ended["next_step"]) == ("succeeded", 0, "")


def test_command_that_is_killed_ends_as_shells_say(here: Here) -> None:
    here.start("bash", "-c", "kill -KILL $$", name="killed")
    assert here.ended("killed")["exit_code"] == 137


def test_program_that_the_kernel_does_not_start_says_so_in_the_log(here: Here) -> None:
    program = here.script("nonsense", "#!/no/such/interpreter\n")
    program.chmod(0o755)
    here.start("./nonsense", name="odd")
    assert here.ended("odd")["exit_code"] == 127
    assert "./nonsense cannot be started" in here.log("odd")


def test_environment_has_the_run_and_what_was_asked_for_and_only_its_owner_can_read_it(here: Here) -> None:
    here.environment["SECRET"] = "of the container"
    here.environment["TOILCTL_SHARED"] = "/shared"
    here.start("env", name="env", environment={"MINE": "of the run"}, shared=["/mnt"])
    here.ended("env")
    lines = here.log("env").splitlines()
    assert {"SECRET=of the container", "MINE=of the run", "PYTHONUNBUFFERED=1", "TOILCTL_SHARED=/mnt:/shared"} <= set(
        lines
    )
    assert f"TOILCTL_RUN={here.directory('env')}" in lines
    assert not any(line.startswith(("TMUX=", "TMUX_PANE=")) for line in lines)
    for name in ("environment.json", "variables.json"):
        assert (here.directory("env") / name).stat().st_mode & 0o777 == 0o600


def test_server_that_somebody_else_started_does_not_decide_the_environment(here: Here) -> None:
    mine, here.environment["WHOSE"] = here.environment, "the server's"
    here.tmux("new-session", "-d", "-s", "users", "sleep 60")
    here.environment = {**mine, "WHOSE": "the run's"}
    here.start("bash", "-c", "echo $WHOSE", name="env")
    here.ended("env")
    assert here.log("env") == "the run's\n"


def deploy(here: Here, name: str, deployed_at: str) -> Path:
    directory = here.workflows / "deployed" / name
    (directory / "venv/bin").mkdir(parents=True)
    (directory / "source").mkdir()
    (directory / "deployment.json").write_text(json.dumps({"name": name, "deployed_at": deployed_at}))
    program = directory / "venv/bin/tell"
    program.write_text(f'#!/bin/sh\necho {name} "$VIRTUAL_ENV" "$PWD"\n')
    program.chmod(0o755)
    return directory


def test_newest_deployment_is_activated_and_a_restart_keeps_it(here: Here) -> None:
    old = deploy(here, "old", "2026-11-25T12:00:00+00:00")
    here.start("tell", name="one")
    assert here.ended("one")["deployment"] == "old"
    new = deploy(here, "new", "2026-11-26T12:00:00+00:00")
    here.start("tell", name="two")
    assert here.ended("two")["deployment"] == "new"
    assert here.log("two") == f"new {new}/venv {new}/source\n"
    here.start("tell", name="one", restart=True)
    here.ended("one")
    assert here.log("one").splitlines()[-1] == f"old {old}/venv {old}/source"
    here.start("pwd", name="none", deployment="")
    assert (here.ended("none")["deployment"], here.log("none")) == (None, f"{here.home}\n")


def test_names_are_made_of_the_program_and_a_number(here: Here) -> None:
    here.script("My Sort.py", "")
    names = [here.start(*argv)["name"] for argv in (
        ("python", "-u", "My Sort.py", "x"), ("env", "A=1", "python", "My Sort.py"), ("python", "-m", "this.x"),
        ("bash", "-c", "true"), ("true",),
    )]  # fmt: skip
    assert names == ["my-sort-1", "my-sort-2", "this-x-1", "bash-1", "true-1"]


def test_list_is_newest_first_and_show_prefers_the_one_that_goes_on(here: Here) -> None:
    here.start("sleep", "60", name="a-long")
    here.start("true", name="b-short")
    here.ended("b-short")
    document = here.ask("runs.list")
    assert [one["name"] for one in document["runs"]] == ["b-short", "a-long"]
    assert document["now"] >= document["runs"][0]["started_at"]
    assert here.show()["name"] == "a-long"
    here.ask("runs.stop", name="a-long")
    assert here.show()["name"] == "b-short"


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
    here.start("sleep", "60", name="shell-2")
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


def is_locked(path: Path) -> bool:
    from toilctl_leader import run_files

    return run_files.is_held(path)


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
    here.start("bash", "-c", "sleep 60 & sleep 60", name="shell")
    command = kill_supervisor(here, "shell")
    os.kill(command, signal.SIGKILL)
    assert eventually(lambda: here.show("shell")["state"] == "lost", "the loss")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"boot": ANOTHER_BOOT}, "the leader restarted at 20"), ({"container": "1"}, "its container restarted at 20")],
)
def test_restart_of_the_leader_is_told_and_the_run_can_go_on(here: Here, changed: dict[str, str], reason: str) -> None:
    here.start("sleep", "60", name="long")
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
    from toilctl_leader import run_attempts

    return run_attempts.seconds_between(attempt["started_at"], attempt["ended_at"])


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
    from toilctl_leader.run_attempts import Here as Now

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


def test_stopped_run_is_not_called_failed(here: Here) -> None:
    here.start("sleep", "60", name="long")
    answer = here.ask("runs.stop", name="long", patience_s=30)
    assert answer["was_running"] is True
    assert (answer["run"]["state"], answer["run"]["exit_code"]) == ("stopped", 130)
    assert "toilctl run my --name long --restart" in answer["run"]["next_step"]
    again = here.ask("runs.stop", name="long")
    assert (again["was_running"], again["run"]["state"]) == (False, "stopped")


def test_program_that_does_not_hear_ctrl_c_is_stopped_too(here: Here) -> None:
    # What a shell without job control starts in the background ignores it.
    here.start("bash", "-c", "sleep 60 & wait", name="deaf")
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
    here.start("sleep", "60", name="long")
    kill_supervisor(here, "long")
    stopped = here.ask("runs.stop", name="long", patience_s=30)["run"]
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", None)


def test_two_starts_of_one_name_at_once_are_one_run(here: Here) -> None:
    def begin(_: int) -> str:
        try:
            return str(here.start("sleep", "60", name="same")["state"])
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
