"""Which jobs run now, and who uses a job store."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.nodes.leader.ended_stores import Ended
from tests.unit.nodes.leader.job_stores.conftest import is_at_work, shared
from tests.unit.nodes.plugin.workflows import Running, wait_for


@pytest.fixture
def told(module: Callable[[str], ModuleType]) -> Any:
    """Two jobs that are issued; one of them was handed on to Slurm."""
    kind = module("toilctl_leader.records.message_bus").Told
    return kind(issued={"j1": "1", "j2": "2"}, handed_on={"1": ("77", "SlurmBatchSystem")})


def test_slurm_tells_which_jobs_run(
    module: Callable[[str], ModuleType], told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = module("toilctl_leader.records.message_bus").running
    monkeypatch.setenv("PATH", str(tmp_path))
    assert running(told, 1, "slurm") is None
    squeue = tmp_path / "squeue"
    squeue.write_text(f"#!{shutil.which('sh', path='/bin:/usr/bin')}\necho 76\necho 77\n")
    squeue.chmod(0o755)
    assert running(told, 1, "slurm") == {"j1"}


def test_workflow_on_mesos_publishes_which_jobs_run(
    module: Callable[[str], ModuleType], told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = module("toilctl_leader.records.message_bus").running
    monkeypatch.setenv("TOILCTL_DEMAND_DIR", str(tmp_path))
    assert running(told, os.getpid(), "mesos") is None
    publication = module("toilctl_plugin.publication.publication").Publication(framework="f")
    for batch_id in (1, 2, 3):
        publication.queued(batch_id, "sort", 1, 1, 1, False, False)
        publication.runs(batch_id, "172.31.0.6")
    publication.ended(2, 0, 1.0)
    publication.flush()
    assert running(told, os.getpid(), "mesos") == {"j1"}
    assert running(told, os.getpid() + 1, "mesos") is None
    publication.close()


def test_batch_system_that_tells_nobody_is_not_guessed(module: Callable[[str], ModuleType], told: Any) -> None:
    assert module("toilctl_leader.records.message_bus").running(told, 1, "kubernetes") is None


def test_kill_that_is_asked_for_is_told_as_long_as_the_leader_lives(
    ask: Callable[..., dict[str, Any]], left: Ended, running: Running, tmp_path: Path
) -> None:
    copied = left.copy("failed", tmp_path / "copy")
    shared(copied, "_toil_kill_flag", "YES")
    assert not ask("users", copied)["kill_asked"]
    store = running.directory / "store"
    wait_for(is_at_work(ask, store), "jobs run")
    assert not ask("users", store)["kill_asked"]
    # Its leader looks every few seconds, and then ends; it cannot while it is held.
    os.kill(running.process.pid, signal.SIGSTOP)
    shared(store, "_toil_kill_flag", "YES")
    assert ask("users", store)["kill_asked"]


def test_program_that_is_about_to_start_another_one_is_one_program(
    module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    users = module("toilctl_leader.job_stores.users")
    (tmp_path / "shared").mkdir()
    shared(tmp_path, "config.pickle", "")
    script = tmp_path / "forks.py"
    script.write_text("import os, time\nos.fork()\nprint(flush=True)\ntime.sleep(600)\n")
    argv = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, process_group=0) as process:
        try:
            assert process.stdout
            assert [process.stdout.readline() for _ in range(2)] == [b"\n", b"\n"]
            naming = users.naming(f"file:{tmp_path}")
            assert len(naming) == 2
            assert users.programs(naming) == [{"pid": process.pid, "name": "forks.py"}]
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def without_proc(module: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A machine without /proc, such as one with macOS, where ``toilctl kill`` may be asked of a job store there."""
    users = module("toilctl_leader.job_stores.users")
    monkeypatch.setattr(users, "PROC", tmp_path / "no-proc")
    return users


def test_without_proc_a_python_program_that_began_before_is_the_leader(
    without_proc: ModuleType, ask: Callable[..., dict[str, Any]], running: Running
) -> None:
    store = running.directory / "store"
    wait_for(is_at_work(ask, store), "jobs run")
    leader = ask("status", store)["leader"]
    assert (leader["pid"], leader["alive"]) == (running.process.pid, True)


@pytest.mark.parametrize(("before_s", "argv", "alive"), [
    (60, [sys.executable, "-c", "import time; time.sleep(600)"], True),
    (-60, [sys.executable, "-c", "import time; time.sleep(600)"], False),
    (60, ["sleep", "600"], False),
])  # fmt: skip
def test_without_proc_another_program_with_the_leaders_number_is_none(
    without_proc: ModuleType, before_s: int, argv: list[str], alive: bool
) -> None:
    with subprocess.Popen(argv) as process:
        try:
            assert without_proc._is_python(process.pid, time.time() + before_s) is alive
        finally:
            process.kill()
    assert without_proc._is_python(process.pid, time.time() + before_s) is False
    assert without_proc._is_python(os.getpid(), None) is False


def test_directory_that_finder_looked_at_is_no_foreign_one(module: Callable[[str], ModuleType], tmp_path: Path) -> None:
    found = module("toilctl_leader.job_stores.store")
    for name in ("jobs", ".DS_Store"):
        (tmp_path / name).mkdir()
    assert found.Found(f"file:{tmp_path}", None, "broken").is_foreign is False
    (tmp_path / "thesis.tex").touch()
    assert found.Found(f"file:{tmp_path}", None, "broken").is_foreign is True
