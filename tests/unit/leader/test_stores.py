"""What is told of job stores: of real workflows in directories, and of buckets that Toil itself has filled."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.leader.job_stores import Ended, ended
from tests.unit.plugin.workflows import PLUGIN_DIR, Running, wait_for
from toilctl.local.testing import TestCloud

NAME = "sort-store"
BUCKET = f"aws:us-west-2:{NAME}"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import modules of the leader's program, as it is found there."""
    monkeypatch.syspath_prepend(str(PLUGIN_DIR))
    return importlib.import_module


@pytest.fixture
def ask(module: Callable[[str], ModuleType]) -> Callable[..., dict[str, Any]]:
    """Ask as toilctl does."""

    def ask(verb: str, store: object, **more: Any) -> dict[str, Any]:
        told: dict[str, Any] = module("toilctl_leader.stores").VERBS[verb]({"job_store": str(store), **more})
        return told

    return ask


@pytest.fixture
def refused(module: Callable[[str], ModuleType]) -> type[Exception]:
    kind: type[Exception] = module("toilctl_leader.refused").RefusedError
    return kind


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """What ended workflows have left; nobody changes it."""
    return ended(tmp_path_factory.mktemp("workflows"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A workflow whose jobs wait for its ``go``, and can run two or three at a time."""
    workflow = Running(tmp_path / "w", tmp_path, "--maxCores", "2", "--writeMessages", str(tmp_path / "bus"))
    yield workflow
    workflow.kill()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a Python program that does nothing."""
    started = []

    def start(name: str, *words: str) -> subprocess.Popen[bytes]:
        script = tmp_path / name
        script.write_text("import time; time.sleep(600)")
        started.append(subprocess.Popen([sys.executable, str(script), *words]))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def is_at_work(ask: Callable[..., dict[str, Any]], store: Path) -> Callable[[], bool]:
    def is_at_work() -> bool:
        if not (store / "shared/pid.log").exists():
            return False
        told = ask("status", store)
        return bool(told["jobs"]["issued"] == 6 and told["jobs"]["running"])

    return is_at_work


def shared(store: Path, name: str, text: str) -> None:
    (store / "shared" / name).write_text(text)


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
    monkeypatch.setitem(sys.modules, "toilctl_leader.runs", stand_in)
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
    store_jobs = module("toilctl_leader.store_jobs")
    found = module("toilctl_leader.store_found").find(str(left.failed))
    (child,) = left.failed.glob("jobs/kind-child/*")
    monkeypatch.setattr(store_jobs, "CHUNK", 1)
    nothing = store_jobs.left_in(found, patience_s=-1)
    assert (nothing.jobs, nothing.complete) == ({}, False)
    clock = iter((0.0, 0.0, 100.0))
    monkeypatch.setattr(store_jobs, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    some = store_jobs.left_in(found, [str(child.relative_to(left.failed / "jobs"))], patience_s=50)
    assert [job.jobName for job in some.jobs.values()] == ["child"]


# Toil keeps its clients, and with them the endpoint of the cloud that a process met first: hence other processes.
FILL = """
import sys
from toil.common import Config, Toil
from toil.job import JobDescription, ServiceJobDescription

store, config = Toil.getJobStore(sys.argv[1]), Config()
config.prepare_start()
config.jobStore, config.batchSystem = sys.argv[1], "slurm"
store.initialize(config)
needed = {"cores": 1, "memory": 1, "disk": 1, "preemptible": False}
root, child = JobDescription(needed, jobName="root"), JobDescription(needed, jobName="child")
server = ServiceJobDescription(needed, jobName="server")
for job in (root, child, server):
    job.assignConfig(config)
    store.assign_job_id(job)
root.addChild(child.jobStoreID)
root.addServiceHostJob(server.jobStoreID)
child.remainingTryCount = 0
with store.write_file_stream() as (log, log_id):
    log.write(b"no memory")
child.logJobStoreFileID = log_id
for job in (root, child, server):
    store.create_job(job)
with store.write_shared_file_stream("rootJobStoreID") as stream:
    stream.write(root.jobStoreID.encode())
store.write_leader_pid()
store.write_leader_node_id()
"""


@pytest.fixture
def bucket(aws_env: TestCloud) -> Any:
    """A job store in S3, made by Toil: a root job with a service, and a child without a try left. Gives a client."""
    subprocess.run([sys.executable, "-c", FILL, BUCKET], capture_output=True, check=True)
    return aws_env.client("s3")


def ask_there(verb: str, **environment: str) -> dict[str, Any]:
    """Return what the program answers about the bucket."""
    done = subprocess.run(
        [sys.executable, "-m", "toilctl_leader", f"stores.{verb}"], input=json.dumps({"job_store": BUCKET}),
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(PLUGIN_DIR), **environment},
    )  # fmt: skip
    document: dict[str, Any] = json.loads(done.stdout)
    return document.get("answer") or document["refused"]


def test_jobs_in_a_bucket_are_counted_and_the_log_has_an_address(bucket: Any) -> None:
    told = ask_there("status")
    (child,) = told["failed"]
    assert (told["state"], told["jobs"]["waiting"], child["name"]) == ("failed", 2, "child")
    name, _, key = child["log"].removeprefix("s3://").partition("/")
    assert bucket.get_object(Bucket=name, Key=key)["Body"].read() == b"no memory"


def test_end_in_a_bucket_is_known_on_other_machines(bucket: Any) -> None:
    bucket.put_object(Bucket=f"{NAME}--toil", Key="leader_node_id.log", Body=b"another")
    assert ask_there("users")["state"] == "unknown"
    bucket.put_object(Bucket=f"{NAME}--toil", Key="failed.log", Body=b"")
    assert ask_there("users")["state"] == "failed"


def test_half_deleted_bucket_is_broken_and_not_foreign(bucket: Any) -> None:
    bucket.delete_object(Bucket=f"{NAME}--toil", Key="config.pickle")
    told = ask_there("users")
    assert (told["broken"], told["foreign"]) == ("it has no configuration", False)


def test_bucket_that_is_not_there_is_no_job_store(aws_env: TestCloud) -> None:
    assert ask_there("users")["exists"] is False
    assert ask_there("status")["code"] == "not-found"


def test_missing_credentials_are_a_matter_of_credentials(aws_env: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    told = ask_there("users")
    assert (told["code"], "NoCredentialsError" in told["message"]) == ("credentials", True)


def test_cloud_that_does_not_answer_is_not_a_broken_store(aws_env: TestCloud) -> None:
    told = ask_there("users", AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_MAX_ATTEMPTS="1")
    assert (told["code"], "cannot be reached" in told["message"]) == ("error", True)


def test_google_without_its_library_is_one_sentence(
    ask: Callable[..., dict[str, Any]], refused: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google", None)
    monkeypatch.delitem(sys.modules, "toil.jobStores.googleJobStore", raising=False)
    with pytest.raises(refused, match="cannot open google:p:s") as caught:
        ask("users", "google:p:s")
    assert (caught.value.code, "pip install 'toil[google]'" in caught.value.next_step) == ("host", True)


@pytest.mark.parametrize(("said", "code"), [("401 GET …: Anonymous caller", "credentials"), ("503 GET …", "error")])
def test_google_that_lets_nobody_in_is_not_a_broken_store(
    ask: Callable[..., dict[str, Any]], refused: type[Exception], monkeypatch: pytest.MonkeyPatch, said: str, code: str
) -> None:
    from toil.common import Toil

    kind = type("GoogleAPICallError", (Exception,), {"__module__": "google.api_core.exceptions"})

    def resume() -> None:
        raise kind(said)

    monkeypatch.setattr(Toil, "getJobStore", lambda _: SimpleNamespace(resume=resume))
    with pytest.raises(refused) as caught:
        ask("users", "google:p:s")
    assert caught.value.code == code


def test_region_that_toil_does_not_know_is_a_matter_of_usage(
    ask: Callable[..., dict[str, Any]], refused: type[Exception]
) -> None:
    with pytest.raises(refused, match="us-mars-2") as caught:
        ask("users", "aws:us-mars-2:sort-store")
    assert caught.value.code == "usage"


@pytest.fixture
def told(module: Callable[[str], ModuleType]) -> Any:
    """Two jobs that are issued; one of them was handed on to Slurm."""
    kind = module("toilctl_leader.store_bus").Told
    return kind(issued={"j1": "1", "j2": "2"}, handed_on={"1": ("77", "SlurmBatchSystem")})


def test_slurm_tells_which_jobs_run(
    module: Callable[[str], ModuleType], told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = module("toilctl_leader.store_bus").running
    monkeypatch.setenv("PATH", str(tmp_path))
    assert running(told, 1, "slurm") is None
    squeue = tmp_path / "squeue"
    squeue.write_text(f"#!{shutil.which('sh', path='/bin:/usr/bin')}\necho 76\necho 77\n")
    squeue.chmod(0o755)
    assert running(told, 1, "slurm") == {"j1"}


def test_workflow_on_mesos_publishes_which_jobs_run(
    module: Callable[[str], ModuleType], told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = module("toilctl_leader.store_bus").running
    monkeypatch.setenv("TOILCTL_DEMAND_DIR", str(tmp_path))
    assert running(told, os.getpid(), "mesos") is None
    publication = module("toilctl_plugin.publication").Publication(framework="f")
    for batch_id in (1, 2, 3):
        publication.queued(batch_id, "sort", 1, 1, 1, False, False)
        publication.runs(batch_id, "172.31.0.6")
    publication.ended(2, 0, 1.0)
    publication.flush()
    assert running(told, os.getpid(), "mesos") == {"j1"}
    assert running(told, os.getpid() + 1, "mesos") is None
    publication.close()


def test_batch_system_that_tells_nobody_is_not_guessed(module: Callable[[str], ModuleType], told: Any) -> None:
    assert module("toilctl_leader.store_bus").running(told, 1, "kubernetes") is None


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
    os.kill(running.process.pid, 19)
    shared(store, "_toil_kill_flag", "YES")
    assert ask("users", store)["kill_asked"]
