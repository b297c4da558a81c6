"""What the watcher publishes for workflows that do not do so themselves; real ones, run by Toil on this machine."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from toil.bus import JobIssuedMessage, MessageBus

from tests.checkout import ROOT

PLUGIN_DIR = ROOT / "roles/appliance/files"
SCRIPT = Path(__file__).parent / "watched_workflow.py"
MIB = 2**20
PATIENCE_S = 120


def eventually(look: Callable[[], Any], what: str) -> Any:
    until = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < until, what
        time.sleep(0.05)
    return found


@dataclass
class Seen:
    """A publication, as a reader sees it."""

    path: Path
    header: dict[str, Any]
    jobs: dict[str, list[Any]] = field(default_factory=dict)
    """Lines of the jobs that are there, by id."""
    queued: list[list[Any]] = field(default_factory=list)
    ended: list[list[Any]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return sorted(line[2] for line in self.jobs.values())

    @property
    def is_held(self) -> bool:
        with self.path.open("rb") as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def read(path: Path) -> Seen:
    first, *lines = map(json.loads, path.read_text().splitlines())
    seen = Seen(path, first)
    for line in lines:
        if line[0] == "q":
            seen.jobs[line[1]] = line
            seen.queued.append(line)
        elif line[0] == "e":
            seen.jobs.pop(line[1])
            seen.ended.append(line)
    return seen


class Here:
    """What the tests start, all of it ended afterwards."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.demand = directory / "demand"
        self.demand.mkdir()
        self._started: list[subprocess.Popen[bytes]] = []
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("TOIL", "PYTHONPATH"))
        } | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "TOILCTL_DEMAND_DIR": str(self.demand),
        }

    def watcher(self, batch_system: str = "single_machine") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "toilctl_plugin.watcher", "--batch-system", batch_system, "--every", "0.1"]
        log = (self.directory / "watcher.log").open("ab")
        return self._start(command, self.directory, {"PYTHONPATH": str(PLUGIN_DIR)}, log)

    def workflow(self, name: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        where = self.directory / name
        where.mkdir(exist_ok=True)
        usual = ["--workDir", str(where), "--retryCount", "2", "--retryBackoffSeconds", "0"]
        command = [sys.executable, str(SCRIPT), "store", *usual, "--batchSystem", "single_machine", *options]
        return self._start(command, where, environment, (where / "log").open("ab"))

    def open_gate(self, name: str, gate: str = "gate") -> None:
        (self.directory / name / gate).touch()

    def log(self) -> str:
        return (self.directory / "watcher.log").read_text()

    def of(self, workflow: subprocess.Popen[bytes]) -> Seen | None:
        found = [read(path) for path in self.demand.glob("*.jsonl")]
        return next((one for one in found if one.header["pid"] == workflow.pid and one.is_held), None)

    def with_jobs(self, workflow: subprocess.Popen[bytes], names: list[str]) -> Seen:
        def look() -> Seen | None:
            seen = self.of(workflow)
            return seen if seen and seen.names == names else None

        return eventually(look, f"{names} of {workflow.args}, but {self.of(workflow)}")

    def _start(self, command: list[str], where: Path, environment: dict[str, str], log: Any) -> subprocess.Popen[bytes]:
        with log:
            process = subprocess.Popen(command, cwd=where, env=self._environment | environment, stdout=log, stderr=log)
        self._started.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    def kill_workers(self) -> None:
        """End what workflows leave running when they are killed: it has the job store's path on its command line."""
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if f"{self.directory}/".encode() in line.read_bytes() and int(line.parent.name) != os.getpid():
                    os.kill(int(line.parent.name), signal.SIGKILL)

    def close(self) -> None:
        for process in self._started:
            self.kill(process)
        self.kill_workers()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    here = Here(tmp_path)
    yield here
    here.close()


ALL = ["FailsOnce", *["Waits"] * 4]
FEW = ["FailsOnce", "Waits", "Waits"]


def test_jobs_are_published_as_they_were_issued(here: Here) -> None:
    here.watcher()
    workflow = here.workflow("one", "--writeMessages", str(here.directory / "bus"))
    seen = here.with_jobs(workflow, ALL)
    assert (seen.header["name"], seen.header["framework"]) == ("watched_workflow.py", "")
    assert sorted(line[3:8] for line in seen.jobs.values() if line[2] == "Waits") == sorted(
        [0.1 * (n % 2 + 1), (100 + n) * MIB, (200 + n) * MIB, int(n % 2 == 0), 0] for n in range(4)
    )

    here.open_gate("one", "fail")
    eventually(lambda: any(line[2] == 1 for line in here.of(workflow).ended), "a failure")
    seen = here.with_jobs(workflow, ALL)
    assert {line[1]: line[9] for line in seen.queued if line[2] != "Root"} == issued(here.directory / "bus")

    here.open_gate("one")
    assert workflow.wait() == 0
    eventually(lambda: not seen.is_held, "a publication let go")
    after = read(seen.path)
    assert after.jobs == {}
    assert sorted(line[2] for line in after.ended) == [0] * (len(after.ended) - 1) + [1]


def issued(bus: Path) -> dict[str, str]:
    """Return what Toil says that it issued, but for the leader's jobs and the first one."""
    with bus.open("rb") as stream:
        messages = list(MessageBus.scan_bus_messages(stream, [JobIssuedMessage]))
    return {
        str(one.toil_batch_id): one.job_id
        for one in messages
        if not one.job_id.startswith(("kind-OnLeader", "kind-Root"))
    }


def test_workflow_that_is_restarted_publishes_anew(here: Here) -> None:
    here.watcher()
    killed = here.workflow("one", JOBS="2")
    before = here.with_jobs(killed, FEW)
    here.kill(killed)
    here.kill_workers()
    eventually(lambda: not before.is_held, "a publication let go")

    restarted = here.workflow("one", "--restart", JOBS="2")
    after = here.with_jobs(restarted, FEW)
    assert store_ids(after) == store_ids(before)
    here.open_gate("one")
    assert restarted.wait() == 0
    eventually(lambda: not after.is_held, "a publication let go")


def store_ids(seen: Seen) -> set[str]:
    return {line[9] for line in seen.jobs.values()}


def test_another_watcher_comes_to_the_same_and_loads_no_job_that_ended(here: Here) -> None:
    watcher = here.watcher()
    workflow = here.workflow("one", JOBS="2")
    before = here.with_jobs(workflow, FEW)
    here.kill(watcher)
    assert not before.is_held
    here.open_gate("one", "gate-waits-0")
    (ended,) = [line for line in before.jobs.values() if line[4] == 100 * MIB]
    gone = here.directory / "one/store/jobs" / ended[9]
    eventually(lambda: not gone.exists(), "the end of a job")
    time.sleep(0.5)

    here.watcher()
    after = here.with_jobs(workflow, ["FailsOnce", "Waits"])
    assert [line[1:8] for line in after.queued] == [line[1:8] for line in before.jobs.values() if line != ended]


def test_workflows_are_followed_side_by_side_but_for_those_that_publish_themselves(here: Here) -> None:
    here.watcher("mesos")
    one, other = here.workflow("one", JOBS="1"), here.workflow("other", JOBS="2")
    # What another watcher follows already, this one would not look at.
    eventually(lambda: f"Process {other.pid} is left alone" in here.log(), "the first watcher's word")
    assert "workflow on single_machine" in here.log()
    here.watcher()
    itself = here.workflow("itself", JOBS="2", PUBLISHES="1", PYTHONPATH=str(PLUGIN_DIR))
    here.with_jobs(one, ["FailsOnce", "Waits"])
    other_seen = here.with_jobs(other, FEW)
    # Where the leader runs all jobs, none of them is local.
    here.with_jobs(itself, sorted([*FEW, "OnLeader"]))
    here.open_gate("one")
    assert one.wait() == 0
    eventually(lambda: here.of(one) is None, "a publication let go")
    assert here.of(other).jobs == other_seen.jobs

    headers = [read(path).header["pid"] for path in here.demand.glob("*.jsonl")]
    assert {pid: headers.count(pid) for pid in (one.pid, other.pid, itself.pid)} == {
        one.pid: 1, other.pid: 1, itself.pid: 1,
    }  # fmt: skip


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN_DIR))


def message(kind: str, *fields: object) -> bytes:
    return "\t".join(["toil.bus." + kind, *map(str, fields)]).encode() + b"\n"


def test_bus_tells_what_is_new_line_by_line(plugin: None, tmp_path: Path) -> None:
    from toilctl_plugin.watcher.bus import Bus

    path = tmp_path / "bus"
    first = message("JobIssuedMessage", "a", "kind-a/1", 1) + message("JobIssuedMessage", "b", "kind-b/2", 2)
    path.write_bytes(first[:-3])
    bus = Bus(str(path))
    assert list(bus.read()) == []
    assert bus.new == {"1": "kind-a/1"}
    with path.open("ab") as out:
        out.write(first[-3:] + b"nonsense\ntoil.bus.JobIssuedMessage\tshort\n")
        out.write(message("JobCompletedMessage", "a", "kind-a/1", 0))
    assert list(bus.read()) == [("1", 0)]
    assert bus.new == {"2": "kind-b/2"}
    bus.close()


def test_job_that_is_issued_again_has_ended_before(plugin: None, tmp_path: Path) -> None:
    from toilctl_plugin.watcher.bus import Bus

    path = tmp_path / "bus"
    path.write_bytes(message("JobIssuedMessage", "a", "a", 1) + message("JobIssuedMessage", "a", "a", 2))
    bus = Bus(str(path))
    assert list(bus.read()) == [("1", 1)]
    assert bus.issued() == {"a": "2"}
    bus.close()


def test_bus_that_is_written_anew_ends_all_jobs(plugin: None, tmp_path: Path) -> None:
    from toilctl_plugin.watcher.bus import Bus

    path = tmp_path / "bus"
    path.write_bytes(message("JobIssuedMessage", "a", "a", 1) + message("JobIssuedMessage", "b", "b", 2))
    bus = Bus(str(path))
    list(bus.read())
    path.write_bytes(message("JobIssuedMessage", "c", "c", 1))
    assert sorted(bus.read()) == [("1", 1), ("2", 1)]
    assert bus.issued() == {"c": "1"}
    bus.close()


def test_jobs_that_the_leader_no_longer_counts_are_lost(plugin: None, tmp_path: Path) -> None:
    from toilctl_plugin.watcher.bus import Bus

    path = tmp_path / "bus"
    path.write_bytes(
        message("JobIssuedMessage", "a", "a", 1)
        + message("QueueSizeMessage", 1)
        + message("JobIssuedMessage", "b", "b", 2)
        + message("QueueSizeMessage", 1)
    )
    bus = Bus(str(path))
    list(bus.read())
    assert bus.lost == 1
    bus.close()


def test_bus_is_found_by_what_is_in_it_where_the_configuration_does_not_say(plugin: None, tmp_path: Path) -> None:
    from toilctl_plugin.watcher.bus import held_by

    path = tmp_path / "bus"
    with path.open("wb") as out:
        out.write(message("QueueSizeMessage", 1))
        out.flush()
        link = held_by(os.getpid(), None)
        assert link
        assert Path(link).samefile(path)
        assert held_by(os.getpid(), str(path)) == link
    assert held_by(os.getpid(), str(path)) is None
    assert held_by(2**22 + 1, str(path)) is None


def test_reading_a_job_leaves_alone_what_a_worker_is_just_writing(plugin: None, tmp_path: Path) -> None:
    from toil.common import Config
    from toil.job import JobDescription
    from toil.jobStores.fileJobStore import FileJobStore
    from toilctl_plugin import job_store

    store = FileJobStore(str(tmp_path / "store"))
    store.initialize(Config())
    job = JobDescription({"cores": 1, "memory": MIB, "disk": MIB, "preemptible": False}, "sort")
    store.assign_job_id(job)
    store.create_job(job)
    being_written = Path(store._get_job_file_name(job.jobStoreID) + ".new")
    being_written.touch()
    assert job_store.load(store, job.jobStoreID).memory == MIB
    assert being_written.exists()
    assert job_store.load(store, "kind-sort/instance-gone") is None
    assert job_store.lacking() == []


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("sort.py", "file:x"), "sort.py"),
        (("-u", "-W", "ignore", "/a/sort.py"), "sort.py"),
        (("-m", "pkg.main", "x"), "pkg.main"),
        (("/venv/bin/toil-cwl-runner", "--jobStore", "x"), "toil-cwl-runner"),
    ],
)
def test_workflow_is_named_after_its_program(plugin: None, words: tuple[str, ...], name: str) -> None:
    from toilctl_plugin.processes import Process

    assert Process(1, "0", ("python", *words)).name == name


def test_job_stores_are_found_on_the_command_line(
    plugin: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toilctl_plugin.processes import Process, started

    monkeypatch.chdir(tmp_path)
    (tmp_path / "store/shared").mkdir(parents=True)
    (tmp_path / "store/shared/config.pickle").touch()
    (tmp_path / "data").mkdir()
    found = f"file:{tmp_path}/store"
    for word in (
        "store",
        "./store",
        "file:store",
        f"file://{tmp_path}/store",
        "--jobStore=store",
        str(tmp_path / "store"),
    ):
        assert Process(os.getpid(), "0", ("python", "x.py", word)).locators() == [found], word
    others = ("data", "file:data", "s3://bucket/x", "--logLevel=INFO", "x" * 9000, "")
    process = Process(
        os.getpid(), started(os.getpid()), ("python", "x.py", *others, "aws:us-west-2:a", "aws:us-west-2:a")
    )
    assert process.locators() == ["aws:us-west-2:a"]
    assert process.lives()
    assert not Process(os.getpid(), "1", ()).lives()
