"""Both programs, as their units run them."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.nodes.watch.conftest import eventually


def test_programs_as_their_units_run_them(run, settings, leader, metadata, tmp_path):
    leader.stop()
    on_leader = {"cluster": "lab", "address": "127.0.0.1", "port": leader.port, "directory": str(leader.directory)}
    serving = run("leader_watch", on_leader)
    assert serving.stdout.readline() == f"The workers of cluster lab are heard at 127.0.0.1:{leader.port}.\n"
    run("worker_watch", settings | {"orphan_timeout_s": 1})
    metadata.announce("terminate", f"{datetime.now(UTC) + timedelta(seconds=120):%Y-%m-%dT%H:%M:%SZ}")
    assert eventually(leader.notice)["kind"] == "terminate"
    serving.kill()
    assert eventually((tmp_path / "off").exists)


def test_port_in_use_is_one_sentence(run, leader):
    again = run("leader_watch", {"cluster": "lab", "address": "127.0.0.1", "port": leader.port, "directory": "/x"})
    _, told = again.communicate(timeout=180)
    assert (again.returncode, told) == (
        1,
        f"Nobody is heard at 127.0.0.1:{leader.port}: [Errno 98] Address already in use.\n",
    )


@pytest.mark.parametrize("program", ["leader_watch", "worker_watch"])
def test_program_tells_systemd_that_it_is_alive(run, settings, leader, program, tmp_path, monkeypatch):
    leader.stop()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    told = {"address": "127.0.0.1", "port": leader.port, "directory": str(leader.directory)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(60)
        run(program, settings | told)
        if program == "leader_watch":
            assert heard.recv(100) == b"READY=1"
        assert heard.recv(100) == b"WATCHDOG=1"
