"""When Slurm's jobs ran: read from what its controller writes, and published as they end."""

from __future__ import annotations

import importlib
import json
import os
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.nodes.plugin.conftest import PLUGIN_DIR


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What Slurm's controller writes, with a job that ended before anybody looked."""
    path = tmp_path / "jobcomp.log"
    path.write_text(line(1))
    return path


@pytest.fixture
def history(plugin: ModuleType) -> Any:
    return importlib.import_module("toilctl_plugin.batch_systems.slurm_history")


def line(slurm_id: int, start: str = "11:05:28", end: str = "11:05:30", **more: str) -> str:
    """Return a job's line as Slurm 22.05 writes it (recorded: tests/data/slurm/demand.txt)."""
    name, state = more.get("name", "toil_job_1_merge"), more.get("state", "COMPLETED")
    return (
        f"JobId={slurm_id} UserId=root(0) GroupId=root(0) Name={name} JobState={state} Partition=main TimeLimit=40320 "
        f"StartTime={_on_a_day(start)} EndTime={_on_a_day(end)} NodeList=i-d6182b3de87b78365 NodeCnt=1 ProcCnt=1 "
        "WorkDir=/tmp ReservationName= Tres=cpu=1,mem=10M,node=1,billing=1 DerivedExitCode=0:0 ExitCode=0:0 \n"
    )


def _on_a_day(clock: str) -> str:
    return clock if clock == "Unknown" else f"2026-11-21T{clock}"


def at(clock: str) -> float:
    """Return a time of that day in seconds since the epoch."""
    return time.mktime(time.strptime(_on_a_day(clock), "%Y-%m-%dT%H:%M:%S"))


def add(log: Path, text: str) -> None:
    with log.open("a") as out:
        out.write(text)


def test_job_ran_from_when_to_when_slurm_says(history: Any, log: Path) -> None:
    looking = history.History(log)
    add(log, line(2) + line(3, "11:05:29", "11:06:00", state="FAILED"))
    assert looking.take("3") == (at("11:05:29"), at("11:06:00"))
    assert looking.take("2") == (at("11:05:28"), at("11:05:30"))
    assert looking.take("2") is None


def test_jobs_of_before_and_of_later_are_unknown(history: Any, log: Path) -> None:
    looking = history.History(log)
    assert (looking.take("1"), looking.take("2")) == (None, None)
    add(log, line(2))
    assert looking.take("2") is not None


def test_job_that_ran_twice_ran_as_it_did_last(history: Any, log: Path) -> None:
    looking = history.History(log)
    add(log, line(2, state="NODE_FAIL") + line(3))
    assert looking.take("3") is not None
    add(log, line(2, "11:07:00", "11:08:00"))
    assert looking.take("2") == (at("11:07:00"), at("11:08:00"))


@pytest.mark.parametrize("name", ["sort", "odd\nname", "a JobState=COMPLETED b"])
def test_line_is_read_whole_however_it_is_written(history: Any, log: Path, name: str) -> None:
    looking = history.History(log)
    text = line(2, name=name) + line(3, "11:07:00", "11:08:00")
    for start in range(0, len(text), 7):
        add(log, text[start : start + 7])
        looking.take("none")
    assert looking.take("2") == (at("11:05:28"), at("11:05:30"))
    assert looking.take("3") == (at("11:07:00"), at("11:08:00"))


FORGED = line(9, "01:00:00", "09:00:00")


@pytest.mark.parametrize("name", [FORGED[8:-20], FORGED[60:] + "x", FORGED[:-20], f"x\n{FORGED[:-20]}"])
def test_piece_of_a_line_in_a_name_makes_up_no_times(history: Any, log: Path, name: str) -> None:
    looking = history.History(log)
    add(log, line(2, name=name) + line(3, "11:07:00", "11:08:00"))
    assert looking.take("3") == (at("11:07:00"), at("11:08:00"))
    assert looking.take("9") is None
    assert looking.take("2") in (None, (at("11:05:28"), at("11:05:30")))


def test_log_that_was_rotated_is_read_from_its_beginning(history: Any, log: Path) -> None:
    looking = history.History(log)
    log.write_text(line(2)[:-20])
    assert looking.take("2") is None
    log.write_text(line(2))
    assert looking.take("2") is not None


@pytest.mark.parametrize(("start", "end"), [("Unknown", "11:05:30"), ("11:05:28", "Unknown"), ("11:05:30", "11:05:28")])
def test_times_that_cannot_be_are_no_times(history: Any, log: Path, start: str, end: str) -> None:
    looking = history.History(log)
    add(log, line(2, start, end))
    assert looking.take("2") is None


def test_without_a_log_nothing_is_known(history: Any, tmp_path: Path) -> None:
    assert history.History(tmp_path / "none.log").take("2") is None


def test_log_is_where_the_role_has_it_written(history: Any) -> None:
    configuration = (PLUGIN_DIR.parents[1] / "slurm/templates/slurm.conf.j2").read_text()
    assert f"JobCompLoc={history.LOG}\n" in configuration


@pytest.fixture
def workflow(
    plugin: ModuleType, history: Any, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SimpleNamespace:
    """A workflow in a run, whose Slurm is told of by hand: ``ends`` is what Toil learns next."""
    from toil.batchSystems.slurm import SlurmBatchSystem
    from toil.job import JobDescription

    numbers = iter(range(1, 9))
    ends: list[Any] = []
    batch_system, thread_class = plugin.slurm_batch_system(), SlurmBatchSystem.GridEngineThread
    monkeypatch.setenv("TOILCTL_RUN", str(tmp_path))
    monkeypatch.setattr(SlurmBatchSystem, "__init__", lambda _: None)
    monkeypatch.setattr(SlurmBatchSystem, "issueBatchJob", lambda *_: next(numbers))
    monkeypatch.setattr(SlurmBatchSystem, "getUpdatedBatchJob", lambda *_: ends.pop(0) if ends else None)
    monkeypatch.setattr(SlurmBatchSystem, "shutdown", lambda _: None)
    monkeypatch.setattr(thread_class, "prepareSubmission", lambda *_: ["sbatch"])
    monkeypatch.setattr(thread_class, "submitJob", lambda _, words: words[-1])
    monkeypatch.setattr(history.History.__init__, "__defaults__", (log,))
    built = batch_system()
    thread = object.__new__(batch_system.GridEngineThread)
    thread.boss = built

    def issue(slurm_id: int) -> int:
        described = JobDescription({"cores": 2, "memory": "1Gi", "disk": "1Gi", "preemptible": True}, "sort")
        number = built.issueBatchJob("_toil_worker sort", described)
        words = thread.prepareSubmission(2, 2**30, 0, number, "_toil_worker sort", "sort", {}, None)
        assert thread.submitJob([*words, str(slurm_id)]) == slurm_id
        return int(number)

    def learn(number: int, status: int = 0) -> None:
        ends.append(SimpleNamespace(jobID=number, exitStatus=status, wallTime=None))
        assert built.getUpdatedBatchJob(0) is not None

    return SimpleNamespace(
        issue=issue, learn=learn, close=built.shutdown, traces=lambda: list(tmp_path.glob("trace-*.jsonl"))
    )


def recorded(workflow: SimpleNamespace) -> list[Any]:
    workflow.close()
    (trace,) = workflow.traces()
    return [json.loads(one) for one in trace.read_text().splitlines()[1:]]


def test_job_is_recorded_as_slurm_ran_it(workflow: SimpleNamespace, log: Path) -> None:
    first, second = workflow.issue(41), workflow.issue(42)
    add(log, line(42, "11:05:28", "11:06:28"))
    workflow.learn(second)
    add(log, line(41, "11:06:00", "11:07:30", state="FAILED"))
    workflow.learn(first, 1)
    first_lines, rest = (lines := recorded(workflow))[:2], lines[2:]
    assert [one[:8] for one in first_lines] == [["q", str(n), "sort", 2, 2**30, 2**30, 1, 0] for n in (first, second)]
    assert rest == [
        ["r", str(second), "", at("11:05:28")], ["e", str(second), 0, 60.0, at("11:06:28")],
        ["r", str(first), "", at("11:06:00")], ["e", str(first), 1, 90.0, at("11:07:30")],
    ]  # fmt: skip


def test_job_of_which_slurm_tells_no_end_has_ended_all_the_same(workflow: SimpleNamespace) -> None:
    number = workflow.issue(41)
    workflow.learn(number, 255)
    *_, end = recorded(workflow)
    assert end[:4] == ["e", str(number), 255, None]


def test_log_that_is_a_pipe_tells_nothing(history: Any, log: Path) -> None:
    known = history.History(log)
    log.unlink()
    os.mkfifo(log)
    assert known.take("1") is None


def test_text_without_any_job_is_not_kept(history: Any, log: Path) -> None:
    known = history.History(log)
    add(log, "x" * 2**18)
    assert known.take("2") is None
    assert len(known._part) <= 2**16
    add(log, "\n" + line(2))
    assert known.take("2") is not None
