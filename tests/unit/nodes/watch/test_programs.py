"""Both programs, as their units run them."""

from __future__ import annotations

from tests.unit.nodes.watch.conftest import eventually


def test_programs_as_their_units_run_them(run, settings, leader, metadata, tmp_path):
    leader.stop()
    on_leader = {"cluster": "lab", "address": "127.0.0.1", "port": leader.port, "directory": str(leader.directory)}
    serving = run("leader_watch", on_leader)
    assert serving.stdout.readline() == f"The workers of cluster lab are heard at 127.0.0.1:{leader.port}.\n"
    run("worker_watch", settings | {"orphan_timeout_s": 1})
    metadata.announce("terminate")
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
