"""Job stores on a disk: what is in them, and whether their workflow runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.nodes.leader.ended_stores import Ended
from tests.unit.nodes.leader.job_stores.conftest import is_at_work, shared
from tests.unit.nodes.plugin.workflows import Running, wait_for


def test_finished_workflow_has_no_job_left(ask: Callable[..., dict[str, Any]], left: Ended) -> None:
    told = ask("status", left.finished)
    assert (told["state"], told["stats"], told["leader"]["alive"], told["failed"]) == ("finished", True, False, [])
    assert told["jobs"] == {
        "succeeded": 7, "issued": 0, "running": 0, "queued": 0, "waiting": 0, "failed": 0, "complete": True,
    }  # fmt: skip


def test_failed_workflow_names_its_failed_job_and_its_log(ask: Callable[..., dict[str, Any]], left: Ended) -> None:
    told = ask("status", left.failed)
    (child,) = told["failed"]
    assert (told["state"], told["stats"], child["name"], child["tries_left"]) == ("failed", False, "child", 0)
    assert "at the first try" in Path(child["log"]).read_text()
    # The root job waits for its children: it has nothing else to do.
    assert (told["jobs"]["succeeded"], told["jobs"]["waiting"], told["jobs"]["failed"]) == (5, 1, 1)


def test_running_workflow_tells_which_jobs_run_and_which_are_queued(
    ask: Callable[..., dict[str, Any]], running: Running
) -> None:
    store = running.directory / "store"
    wait_for(is_at_work(ask, store), "jobs run")
    told = ask("status", store)
    jobs, leader = told["jobs"], told["leader"]
    assert (told["state"], leader["pid"], leader["name"]) == ("running", running.process.pid, "workflow.py")
    assert told["processes"] == [{"pid": running.process.pid, "name": "workflow.py"}]
    assert jobs["running"] + jobs["queued"] == 6
    assert jobs["running"] >= 1
    assert (jobs["queued"] >= 1, jobs["waiting"], jobs["failed"]) == (True, 1, 0)


def test_killed_workflow_is_stopped_and_its_jobs_wait(ask: Callable[..., dict[str, Any]], running: Running) -> None:
    store = running.directory / "store"
    wait_for(is_at_work(ask, store), "jobs run")
    running.kill()
    told = ask("status", store)
    assert (told["state"], told["leader"]["alive"], told["processes"]) == ("stopped", False, [])
    assert (told["jobs"]["issued"], told["begun"]) == (0, True)
    # One of the seven may have ended just before.
    assert told["jobs"]["waiting"] in (6, 7)


def test_looking_leaves_what_a_worker_is_just_writing(
    ask: Callable[..., dict[str, Any]], left: Ended, tmp_path: Path
) -> None:
    store = left.copy("failed", tmp_path / "store")
    (job,) = store.glob("jobs/kind-child/*/job")
    half = job.with_name("job.new")
    half.write_text("half")
    ask("status", store)
    assert half.exists()


def test_number_of_the_leader_that_another_program_has_now_is_not_the_leader(
    ask: Callable[..., dict[str, Any]], left: Ended, tmp_path: Path, program: Callable[..., Any]
) -> None:
    store = left.copy("failed", tmp_path / "store")
    shared(store, "pid.log", str(program("other.py").pid))
    assert ask("users", store)["leader"]["alive"] is False


def test_leader_that_holds_the_bus_is_alive_without_naming_its_store(
    ask: Callable[..., dict[str, Any]], left: Ended, tmp_path: Path
) -> None:
    store = left.copy("failed", tmp_path / "store")
    bus = __import__("pickle").loads((store / "shared/config.pickle").read_bytes()).write_messages
    with subprocess.Popen([sys.executable, "-"], stdin=subprocess.PIPE) as leader:
        leader.stdin.write(f"kept = open({bus!r}); import time; time.sleep(600)".encode())
        leader.stdin.close()
        shared(store, "pid.log", str(leader.pid))
        wait_for(lambda: ask("users", store)["state"] == "running", "the bus is open")
        leader.kill()


def test_leader_of_another_machine_is_not_judged(
    ask: Callable[..., dict[str, Any]], left: Ended, tmp_path: Path
) -> None:
    store = left.copy("failed", tmp_path / "store")
    shared(store, "leader_node_id.log", "another")
    (store / "shared/failed.log").unlink()
    told = ask("status", store)
    assert (told["state"], told["leader"]["alive"], told["jobs"]["succeeded"]) == ("unknown", None, None)


def test_leader_of_another_machine_that_told_its_end_has_ended(
    ask: Callable[..., dict[str, Any]], left: Ended, tmp_path: Path
) -> None:
    store = left.copy("failed", tmp_path / "store")
    shared(store, "leader_node_id.log", "another")
    told = ask("users", store)
    assert (told["state"], told["leader"]["alive"]) == ("failed", False)


def test_end_before_the_last_restart_is_no_end(ask: Callable[..., dict[str, Any]], left: Ended, tmp_path: Path) -> None:
    store = left.copy("failed", tmp_path / "store")
    shared(store, "leader_node_id.log", "another")
    os.utime(store / "shared/failed.log", (1, 1))
    assert ask("users", store)["state"] == "unknown"


def test_program_that_names_a_store_uses_it_and_those_that_look_do_not(
    ask: Callable[..., dict[str, Any]], left: Ended, tmp_path: Path, program: Callable[..., Any]
) -> None:
    store = left.copy("failed", tmp_path / "store")
    using = program("importing.py", f"--jobStore=file:{store}")
    for name in ("toil", "toilctl"):
        program(name, "status", str(store))
    wait_for(lambda: ask("users", store)["processes"], "the program is there")
    assert ask("users", store)["processes"] == [{"pid": using.pid, "name": "importing.py"}]


def test_workflow_that_ended_before_its_first_job_has_not_begun(
    ask: Callable[..., dict[str, Any]], left: Ended, tmp_path: Path
) -> None:
    store = left.copy("failed", tmp_path / "store")
    for name in ("rootJobStoreID", "pid.log", "failed.log"):
        (store / "shared" / name).unlink()
    told = ask("status", store)
    assert (told["state"], told["begun"], told["leader"], told["jobs"]["waiting"]) == ("stopped", False, None, 0)


def test_runs_that_use_a_store_are_named(
    ask: Callable[..., dict[str, Any]], left: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    locator = f"file:{left.failed}"
    runs = [
        {"name": "sort-2", "state": "running", "job_store": locator},
        {"name": "sort-1", "state": "failed", "job_store": [str(left.failed), "aws:us-west-2:other"]},
        {"name": "other", "state": "running", "job_store": "aws:us-west-2:other"},
        {"name": "no-toil", "state": "running", "job_store": None},
    ]
    stand_in = SimpleNamespace(VERBS={"list": lambda _: {"runs": runs}})
    monkeypatch.setitem(sys.modules, "toilctl_leader.runs.verbs", stand_in)
    named = [{"name": "sort-2", "state": "running"}, {"name": "sort-1", "state": "failed"}]
    assert ask("users", left.failed, runs=True)["runs"] == named
    assert ask("users", left.failed)["runs"] == []


@pytest.mark.parametrize("which", ["status", "users"])
def test_job_store_that_is_not_there_is_not_found(
    ask: Callable[..., dict[str, Any]], refused: type[Exception], tmp_path: Path, which: str
) -> None:
    with pytest.raises(refused) as caught:
        ask(which, tmp_path / "nope", existing=True)
    assert (caught.value.code, caught.value.facts) == ("not-found", {"job_store": f"file:{tmp_path}/nope"})


def test_relative_path_is_of_the_working_directory(
    ask: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask("users", "file:nope") == ask("users", f"{tmp_path}/nope")
    assert not ask("users", "nope")["exists"]


def test_broken_job_store_is_told_from_other_directories(
    ask: Callable[..., dict[str, Any]], refused: type[Exception], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    (store / "shared").mkdir(parents=True)
    (store / "jobs").mkdir()
    shared(store, "config.pickle", "nonsense")
    told = ask("users", store)
    assert (told["exists"], told["foreign"], told["state"]) == (True, False, None)
    assert "UnpicklingError" in told["broken"]
    with pytest.raises(refused, match="cannot be read") as caught:
        ask("status", store)
    assert caught.value.code == "conflict"
    assert ask("users", tmp_path)["foreign"]
    (store / "shared/config.pickle").unlink()
    assert ask("users", store)["broken"] == "it has no configuration"


def test_time_that_runs_out_is_told_and_issued_jobs_come_first(
    module: Callable[[str], ModuleType], left: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_jobs = module("toilctl_leader.job_stores.jobs")
    found = module("toilctl_leader.job_stores.store").find(str(left.failed))
    (child,) = left.failed.glob("jobs/kind-child/*")
    monkeypatch.setattr(store_jobs, "CHUNK", 1)
    nothing = store_jobs.left_in(found, patience_s=-1)
    assert (nothing.jobs, nothing.complete) == ({}, False)
    clock = iter((0.0, 0.0, 100.0))
    monkeypatch.setattr(store_jobs, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    some = store_jobs.left_in(found, [str(child.relative_to(left.failed / "jobs"))], patience_s=50)
    assert [job.jobName for job in some.jobs.values()] == ["child"]
