"""How jobs are counted, by what Toil's message bus tells of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from toil.bus import (
    ExternalBatchIdMessage,
    JobCompletedMessage,
    JobFailedMessage,
    JobIssuedMessage,
    JobMissingMessage,
    JobUpdatedMessage,
    MessageBus,
    QueueSizeMessage,
)

STORE = "aws:us-west-2:sort"
Numbers = dict[str, Any]


def issued(job: str, batch: int = 1) -> JobIssuedMessage:
    return JobIssuedMessage("kind", job, batch)


def completed(job: str, code: int = 0) -> JobCompletedMessage:
    return JobCompletedMessage("kind", job, code)


def failed(job: str) -> JobFailedMessage:
    return JobFailedMessage("kind", job)


class Run:
    """A run's directory, in which workflows tell of themselves."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "runs/one"
        self.directory.mkdir(parents=True)
        self.began = time.time() - 10

    def workflow(self, messages: Iterable[Any], batch_system: str = "slurm", store: str = STORE, pid: int = 0) -> Path:
        """Let a workflow tell something; as nobody tells otherwise, it lives in this very process."""
        bus = self.directory / f"bus-{len(list(self.directory.glob('bus-*')))}"
        writer = MessageBus()
        kept = writer.connect_output_file(str(bus))
        for message in messages:
            writer.publish(message)
        assert kept
        told = {"pid": pid or os.getpid(), "job_store": store, "batch_system": batch_system, "bus": str(bus),
                "restart": False, "at": time.time()}  # fmt: skip
        with (self.directory / "workflows.jsonl").open("a") as out:
            out.write(json.dumps(told) + "\n")
        return bus

    def numbers(self, *, goes_on: bool = True) -> Numbers | None:
        from toilctl_leader.records import attempts, progress
        from toilctl_leader.records.files import RunFiles

        attempt = attempts.Attempt(1, started_at=attempts.iso(self.began))
        return progress.of(RunFiles("one"), attempt, goes_on=goes_on)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TOILCTL_WORKFLOWS_DIR", str(tmp_path))
    monkeypatch.setenv("TOILCTL_DEMAND_DIR", str(tmp_path / "demand"))
    (tmp_path / "demand").mkdir()
    return Run(tmp_path)


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let Slurm run jobs."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(script: str) -> None:
        (tmp_path / "squeue").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "squeue").chmod(0o755)

    return write


def numbers(done: int, running: int | None, queued: int, failed: int, issued: int) -> Numbers:
    return {"done": done, "running": running, "queued": queued, "failed": failed, "issued": issued}


def test_run_without_a_workflow_has_no_numbers(run: Run) -> None:
    assert run.numbers() is None
    assert run.numbers(goes_on=False) is None


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        # Issued, and not yet with the batch system.
        ([issued("a")], numbers(0, 0, 1, 0, 1)),
        ([issued("a"), completed("a")], numbers(1, 0, 0, 0, 1)),
        # It waits for its next try, and has it.
        ([issued("a"), completed("a", 1), JobUpdatedMessage("a", 1)], numbers(0, 0, 1, 0, 1)),
        ([issued("a"), completed("a", 1), JobUpdatedMessage("a", 1), issued("a", 2)], numbers(0, 0, 1, 0, 1)),
        ([issued("a"), completed("a", 1), issued("a", 2), completed("a")], numbers(1, 0, 0, 0, 1)),
        # Given up.
        ([issued("a"), completed("a", 1), JobUpdatedMessage("a", 1), failed("a")], numbers(0, 0, 0, 1, 1)),
        # Killed: nothing but an update is told.
        ([issued("a"), JobMissingMessage("a"), JobUpdatedMessage("a", 1)], numbers(0, 0, 1, 0, 1)),
        ([issued("a"), JobUpdatedMessage("a", 1), failed("a")], numbers(0, 0, 0, 1, 1)),
        # A parent succeeds, and is called failed when its child is.
        ([issued("p"), completed("p"), JobUpdatedMessage("p", 0), issued("c", 2), completed("c", 1), failed("c"),
          JobUpdatedMessage("p", 0), failed("p")], numbers(1, 0, 0, 1, 2)),
        # It said that it succeeded, but its result never came.
        ([issued("a"), completed("a"), JobUpdatedMessage("a", 2147483647)], numbers(0, 0, 1, 0, 1)),
        # Never issued: a job whose services did not start.
        ([JobUpdatedMessage("a", 1), failed("a"), QueueSizeMessage(0)], numbers(0, 0, 0, 0, 0)),
        # A job's name may have anything in it.
        ([JobIssuedMessage("a\tb\nc", "kind-a\tb/x", 1), JobCompletedMessage("a\tb\nc", "kind-a\tb/x", 0)],
         numbers(1, 0, 0, 0, 1)),
    ],
)  # fmt: skip
def test_jobs_are_counted_by_what_became_of_their_last_try(run: Run, messages: list[Any], expected: Numbers) -> None:
    run.workflow(messages)
    assert run.numbers() == expected


def test_restart_goes_on_with_what_succeeded(run: Run) -> None:
    run.workflow([issued("a"), completed("a"), issued("b"), completed("b", 1), failed("b"), issued("c"), issued("d")])
    assert run.numbers(goes_on=False) == numbers(1, 0, 0, 1, 4)
    run.workflow([issued("b", 1), issued("c", 2), completed("c")])
    assert run.numbers() == numbers(2, 0, 1, 0, 3)
    run.workflow([issued("x"), completed("x")], store="file:/another")
    assert run.numbers(goes_on=False) == numbers(3, 0, 0, 0, 4)


def test_slurm_tells_which_jobs_run(run: Run, squeue: Callable[[str], None]) -> None:
    squeue("echo 100; echo 102; echo 999")
    handed_on = [ExternalBatchIdMessage(number, str(99 + number), "ToilctlSlurmBatchSystem") for number in (1, 2, 3)]
    run.workflow([*(issued(f"job-{number}", number) for number in (1, 2, 3, 4)), *handed_on, completed("job-3")])
    assert run.numbers() == numbers(1, 1, 2, 0, 4)
    squeue("exit 1")
    assert run.numbers() == numbers(1, None, 3, 0, 4)


def test_mesos_jobs_that_run_are_those_that_the_workflow_published(run: Run) -> None:
    from toilctl_plugin.publication.publication import Publication

    publication = Publication("framework")
    for number in (1, 2, 3):
        publication.queued(number, "sort", 1, 100, 100, False, False)
    publication.runs(2, "172.31.0.5")
    publication.flush()
    run.workflow([issued(f"job-{number}", number) for number in (1, 2, 3)], "mesos")
    assert run.numbers() == numbers(0, 1, 2, 0, 3)
    publication.close()
    assert run.numbers() == numbers(0, None, 3, 0, 3)


def test_jobs_of_this_machine_run_from_when_it_tells_of_them(run: Run) -> None:
    started = ExternalBatchIdMessage(2, "4711", "SingleMachineBatchSystem")
    run.workflow([issued("a", 1), issued("b", 2), started], "single_machine")
    assert run.numbers() == numbers(0, 1, 1, 0, 2)


def test_jobs_of_a_process_that_is_gone_do_not_run(run: Run) -> None:
    started = ExternalBatchIdMessage(1, "4711", "SingleMachineBatchSystem")
    run.workflow([issued("a", 1), started], "single_machine", pid=2**22 + 1)
    assert run.numbers() == numbers(0, 0, 1, 0, 1)


def test_buses_and_lines_that_cannot_be_read_are_passed_over(run: Run) -> None:
    bus = run.workflow([issued("a"), completed("a")])
    with bus.open("ab") as out:
        out.write(b"nonsense\ntoil.bus.JobIssuedMessage\tshort\n\n\xff\ntoil.bus.JobIssuedMessage\tkind\tb\t2")
    with (run.directory / "workflows.jsonl").open("a") as out:
        out.write('nonsense\n[]\n{"pid": 1}\n{"pid": "x", "job_store": 1}\n{"pi')
    assert run.numbers() == numbers(1, 0, 0, 0, 1)
    bus.unlink()
    assert run.numbers() == numbers(0, 0, 0, 0, 0)


def test_ended_run_is_counted_once_and_again_when_there_is_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from toilctl_leader.records import progress

    reads: list[str] = []
    read = progress.read
    monkeypatch.setattr(progress, "read", lambda path, jobs: (reads.append(path), read(path, jobs)))
    bus = run.workflow([issued("a"), completed("a")])
    assert run.numbers(goes_on=False) == run.numbers(goes_on=False) == numbers(1, 0, 0, 0, 1)
    assert len(reads) == 1
    with bus.open("ab") as out:
        out.write(b"toil.bus.JobIssuedMessage\tkind\tb\t2\n")
    assert run.numbers(goes_on=False) == numbers(1, 0, 0, 0, 2)
    assert len(reads) == 2


def test_hundred_thousand_jobs_are_counted(run: Run) -> None:
    bus = run.workflow([])
    with bus.open("w") as out:
        for number in range(100_000):
            out.write(f"toil.bus.JobIssuedMessage\tkind\tkind-x/{number}\t{number}\ntoil.bus.QueueSizeMessage\t1\n")
        for number in range(0, 100_000, 2):
            out.write(f"toil.bus.JobCompletedMessage\tkind\tkind-x/{number}\t0\n")
    assert run.numbers(goes_on=False) == numbers(50_000, 0, 0, 0, 100_000)
