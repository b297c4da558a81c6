"""The rehearsal cloud up, down and described: its real process, without hosts."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toilctl.cli.app import app
from toilctl.local import state
from toilctl.local.hosts import hosts
from toilctl.local.process import up_and_down
from toilctl.values.errors import ConflictError, HostError


def quiet(_: str) -> None:
    pass


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    # Whose keys are on this machine must not matter either.
    monkeypatch.setenv("HOME", str(tmp_path))
    # Whether a Docker engine answers on this machine must not matter here.
    monkeypatch.setattr(hosts, "left_of", lambda _: [])
    monkeypatch.setattr(hosts, "list_all", lambda _: {})
    yield tmp_path
    up_and_down.down(quiet)


def test_up_then_down_leaves_nothing(place: Path) -> None:
    cloud = up_and_down.up(None, quiet, with_hosts=False)
    pid = up_and_down.status().pid
    assert cloud.endpoint.startswith("http://127.0.0.1:")
    gone = up_and_down.down(quiet)
    assert (gone.stopped, gone.removed) == (True, ())
    assert not state.is_alive(pid)
    assert not state.local_dir().exists()
    assert up_and_down.down(quiet).stopped is False


def test_second_up_leaves_the_first_as_it_is() -> None:
    first = up_and_down.up(None, quiet, with_hosts=False)
    second = up_and_down.up(None, quiet, with_hosts=False)
    assert (first.already, second.already) == (False, True)
    assert second.endpoint == first.endpoint


def test_up_with_other_settings_is_refused() -> None:
    up_and_down.up(None, quiet, with_hosts=False)
    with pytest.raises(ConflictError, match="runs already, with no hosts"):
        up_and_down.up("plain", quiet)


def test_down_after_a_crash_clears_the_state() -> None:
    up_and_down.up(None, quiet, with_hosts=False)
    os.kill(up_and_down.status().pid, signal.SIGKILL)
    _eventually(lambda: state.find() is None)
    with pytest.raises(HostError):
        up_and_down.status()
    up_and_down.down(quiet)
    assert not state.local_dir().exists()


def test_down_finds_a_process_that_has_no_state_file() -> None:
    up_and_down.up(None, quiet, with_hosts=False)
    pid = up_and_down.status().pid
    state.remove()
    assert up_and_down.down(quiet).stopped
    assert not state.is_alive(pid)


def test_status_of_a_crashed_cloud_names_what_it_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left = hosts.Container("c1", "i-1", "running", name="toilctl-x-i-1")
    monkeypatch.setattr(hosts, "list_all", lambda _: {"i-1": left})
    with pytest.raises(HostError, match="left 1 host") as caught:
        up_and_down.status()
    assert "local down" in caught.value.next_step


def test_commands_speak_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("local", "up", "--no-hosts", "--output", "json") == 0
    assert json.loads(capsys.readouterr().out)["data"]["already"] is False
    assert _run("local", "status", "--output", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["kind"], document["data"]["instances"]) == ("local-status", [])


def test_env_is_a_shell_script(capsys: pytest.CaptureFixture[str]) -> None:
    up_and_down.up(None, quiet, with_hosts=False)
    assert _run("local", "env", "--output", "text") == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"export AWS_ENDPOINT_URL={up_and_down.status().endpoint}" in lines
    assert all(line.startswith(("export ", "unset ")) for line in lines)


def test_faults_are_set_listed_and_cleared(capsys: pytest.CaptureFixture[str]) -> None:
    up_and_down.up(None, quiet, with_hosts=False)
    assert _run("local", "fault", "insufficient-capacity", "instance-type=c4.8xlarge", "count=2") == 0
    assert "instance_type=c4.8xlarge" in capsys.readouterr().out
    assert _run("local", "fault") == 0
    assert "count=2" in capsys.readouterr().out
    assert _run("local", "fault", "--clear") == 0
    assert capsys.readouterr().out == "Cleared 1 fault.\n"
    assert _run("local", "fault", "no-such-fault") == 2
    assert _run("local", "fault", "throttle", "count") == 2


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app(list(words))
    return int(str(ended.value.code))


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
