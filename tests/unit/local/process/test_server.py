"""The background process, without hosts."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from toilctl.local import state
from toilctl.local.process import client
from toilctl.values.errors import HostError, UsageError


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    yield state.local_dir()
    client.stop_background()


def test_process_starts_once_answers_and_ends(directory: Path) -> None:
    running = client.start_background()
    assert client.start_background() == running == state.load()
    assert state.state_file().stat().st_mode & 0o777 == 0o600
    fault = client.set_fault("vcpu-quota", vcpus="32")
    assert client.faults() == [fault]
    with pytest.raises(UsageError, match="rain"):
        client.set_fault("rain")
    assert client.clear_faults() == 1
    assert (client.hosts(), client.calls()) == ([], {})
    assert client.stop_background()
    assert not client.stop_background()
    assert not state.state_file().exists()
    with pytest.raises(HostError, match="toilctl local up"):
        state.load()


def test_port_in_use_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(HostError, match="port is in use"):
            client.start_background({"port": taken.getsockname()[1]})


def test_second_process_of_one_directory_gives_way() -> None:
    client.start_background()
    command = [sys.executable, "-m", "toilctl.local.process.server"]
    second = subprocess.run(command, capture_output=True, check=False, text=True, timeout=180)
    assert second.returncode == 97
    assert "another process" in second.stderr


def test_process_that_dies_leaves_its_last_words(directory: Path) -> None:
    with pytest.raises(HostError, match=r"(?s)exit code 1 .*TypeError"):
        client.start_background({"image": "plain", "hosts": False, "port": "nonsense"})


def test_state_of_a_dead_process_counts_for_nothing(directory: Path) -> None:
    client.start_background()
    text = state.state_file().read_text()
    client.stop_background()
    state.state_file().write_text(text)
    assert state.find() is None
    state.state_file().write_text("{")
    assert state.find() is None


def test_state_survives_its_file(directory: Path) -> None:
    running = client.start_background()
    assert state.LocalState.from_json(json.dumps(json.loads(running.to_json()))) == running
    assert running.env["AWS_ENDPOINT_URL"] == running.endpoint


def test_each_start_has_new_keys_and_another_clouds_owner_is_forbidden(directory: Path) -> None:
    first = client.start_background()
    client.stop_background()
    second = client.start_background()
    assert first.access_key_id != second.access_key_id
    state.save(replace(second, secret_access_key=first.secret_access_key))
    with pytest.raises(UsageError, match="owner"):
        client.hosts()
