"""Runs as they start, as real processes in a real tmux."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.nodes.leader.here import Here, RefusedHere, eventually, waiting_for


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
    here.tmux("new-session", "-d", "-s", "users", "sleep 600")
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


def has(here: Here, name: str, day: int, *names: str) -> None:
    source = deploy(here, name, f"2026-11-{day}T12:00:00+00:00") / "source"
    for one in names:
        (source / one).parent.mkdir(exist_ok=True)
        (source / one).write_text(f"print({name!r})\n")


@pytest.mark.parametrize(
    ("argv", "ran", "without", "also"),
    [
        (("python", "sort.py"), "c", "d", ["a"]),
        (("env", "A=1", "python", "-u", "count.py"), "b", "d", []),
        (("python", "-m", "flow.main"), "a", "d", []),
        (("python", "last.py"), "d", "", []),
        (("bash", "-c", "echo d"), "d", "", []),
        (("python", "-m", "json.tool", "-h"), None, "", []),
    ],
)  # fmt: skip
def test_run_finds_the_newest_deployment_that_has_what_is_run(
    here: Here, argv: tuple[str, ...], ran: str | None, without: str, also: list[str]
) -> None:
    has(here, "a", 21, "sort.py", "flow/main.py")
    has(here, "b", 22, "count.py")
    has(here, "c", 23, "sort.py")
    has(here, "d", 24, "last.py")
    started = here.start(*argv, name="one")
    assert (started["without"], started["also"]) == (without, also)
    assert here.ended("one")["deployment"] == (ran or "d")
    assert ran is None or here.log("one") == f"{ran}\n"


def test_named_deployment_that_lacks_a_script_is_refused_with_the_one_that_has_it(here: Here) -> None:
    has(here, "a", 21, "sort.py")
    has(here, "b", 22, "count.py")
    for named in ("b", ""):
        with pytest.raises(RefusedHere, match="Deployment 'a' has it: add --deployment a"):
            here.start("python", "sort.py", deployment=named)


def test_script_that_no_deployment_has_is_to_be_brought(here: Here) -> None:
    has(here, "a", 21, "sort.py")
    with pytest.raises(RefusedHere, match=r"There are sort\.py\. Bring it with: toilctl deploy my PATH"):
        here.start("python", "none.py")


def test_names_are_made_of_the_program_and_a_number(here: Here) -> None:
    here.script("My Sort.py", "")
    names = [here.start(*argv)["name"] for argv in (
        ("python", "-u", "My Sort.py", "x"), ("env", "A=1", "python", "My Sort.py"), ("python", "-m", "this.x"),
        ("bash", "-c", "true"), ("true",),
    )]  # fmt: skip
    assert names == ["my-sort-1", "my-sort-2", "this-x-1", "bash-1", "true-1"]


def test_list_is_newest_first_and_show_prefers_the_one_that_goes_on(here: Here) -> None:
    here.start("sleep", "600", name="a-long")
    here.start("true", name="b-short")
    here.ended("b-short")
    document = here.ask("runs.list")
    assert [one["name"] for one in document["runs"]] == ["b-short", "a-long"]
    assert document["now"] >= document["runs"][0]["started_at"]
    assert here.show()["name"] == "a-long"
    here.ask("runs.stop", name="a-long")
    assert here.show()["name"] == "b-short"
