"""What runs may leave in their own records: it is read as far as it can be, and never ends the program."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from hypothesis import HealthCheck, given, settings

from tests.examples import examples
from tests.unit.mutations import damaged_json, damaged_text, dumped

AT = "2026-11-21T12:00:00.000+00:00"
ATTEMPT = {
    "attempt": 1, "started_at": AT, "argv": ["python", "sort.py"], "cwd": "/root", "boot": "b", "container": "1",
    "pid": 1, "pid_started": "5", "supervisor": 2, "supervisor_started": "6", "ended_at": AT, "exit_code": 1,
}  # fmt: skip
WORKFLOW = {"pid": 1, "job_store": "file:/x", "batch_system": "slurm", "bus": "/x", "at": 1.0}
BUS = "toil.bus.JobIssuedMessage\tsort\tkind-sort/1\t7\ntoil.bus.JobCompletedMessage\tsort\tkind-sort/1\t0\n" * 3
few = settings(deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])


def encoded(value: object) -> bytes:
    return (value if isinstance(value, str) else dumped(value)).encode("utf-8", "surrogatepass")


def records(directory: str) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Return the modules, and a run's files in a directory."""
    modules = {
        name: importlib.import_module(f"toilctl_leader.records.{name}") for name in ("attempts", "files", "progress")
    }
    there = Path(directory)
    run = SimpleNamespace(
        attempts=there / "attempts.jsonl", workflows=there / "workflows.jsonl", alive=there / "alive",
        progress=there / "progress.json", last_sign=lambda: None,
    )  # fmt: skip
    return SimpleNamespace(**modules), run


@few
@given((damaged_json(ATTEMPT) | damaged_text(json.dumps(ATTEMPT))).map(encoded))
def test_damaged_attempt_is_told_as_far_as_it_is_known(line):
    with TemporaryDirectory() as there:
        of, run = records(there)
        run.attempts.write_bytes(line + b"\n" + json.dumps(ATTEMPT | {"attempt": 2}).encode() + b"\n")
        found = of.attempts.of(run)
        assert found[-1].number >= 2
        for one in found:
            assert of.attempts.ending(run, one).state
            of.attempts.seconds_between(one.started_at, one.ended_at or AT)
            json.dumps(vars(one))


@few
@given((damaged_json(WORKFLOW) | damaged_text(json.dumps(WORKFLOW))).map(encoded), damaged_text(BUS).map(encoded))
def test_damaged_workflow_and_bus_are_counted_as_far_as_they_can_be(line, bus):
    with TemporaryDirectory() as there:
        of, run = records(there)
        run.workflows.write_bytes(line + b"\n")
        of.progress.workflows_of(run)
        Path(there, "bus").write_bytes(bus)
        jobs = of.progress.Jobs()
        of.progress.read(str(Path(there, "bus")), jobs)
        jobs.told()
        assert 0 <= jobs.done <= jobs.known


def test_what_is_no_file_keeps_nobody_waiting(tmp_path):
    of, run = records(str(tmp_path))
    for path in (run.attempts, run.workflows, run.progress, run.alive, tmp_path / "bus"):
        os.mkfifo(path)
    assert of.attempts.last(run).number == 1
    assert of.progress.workflows_of(run) == []
    assert of.files.read(run.progress) is None
    assert not of.files.is_held(run.alive)
    of.progress.read(str(tmp_path / "bus"), of.progress.Jobs())


def test_bus_that_is_none_is_passed_over(tmp_path):
    of, run = records(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    buses = ["/dev/zero", "/proc/self/mem", "\0", "\ud800", "x" * 5000, str(tmp_path / "pipe"), str(tmp_path)]
    lines = [WORKFLOW | {"bus": bus} for bus in buses]
    run.workflows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    attempt = of.attempts.Attempt(1, started_at=AT)
    nothing = {"done": 0, "running": 0, "queued": 0, "failed": 0, "issued": 0}
    assert of.progress.of(run, attempt, goes_on=True) == nothing
    assert of.progress.of(run, attempt, goes_on=False) == nothing
    os.close(writer)


def test_line_without_an_end_costs_that_line(tmp_path):
    of, _ = records(str(tmp_path))
    (tmp_path / "bus").write_bytes(b"x" * 2**20 + b"\n" + BUS.encode() + b"y" * 2**20)
    jobs = of.progress.Jobs()
    of.progress.read(str(tmp_path / "bus"), jobs)
    assert jobs.done == jobs.known == 1


def test_endless_bus_has_an_end(tmp_path, monkeypatch):
    of, _ = records(str(tmp_path))
    monkeypatch.setattr("toilctl_leader.records.message_bus.MOST_BYTES", 2**20)
    with (tmp_path / "bus").open("wb") as out:
        out.write(BUS.encode())
        out.truncate(2**40)
    jobs = of.progress.Jobs()
    of.progress.read(str(tmp_path / "bus"), jobs)
    assert jobs.done == 1


def test_workflow_that_began_at_no_time_is_none(tmp_path):
    of, run = records(str(tmp_path))
    for at in (1e300, -1e300, float("nan"), float("inf")):
        run.workflows.write_text(json.dumps(WORKFLOW | {"at": at}) + "\n")
        assert of.progress.of(run, of.attempts.Attempt(1, started_at=AT), goes_on=True) is None


def test_of_very_many_workflows_the_last_ones_count(tmp_path, monkeypatch):
    of, run = records(str(tmp_path))
    monkeypatch.setattr("toilctl_leader.records.progress.MOST_WORKFLOWS", 2)
    run.workflows.write_text("".join(json.dumps(WORKFLOW | {"pid": pid}) + "\n" for pid in range(5)))
    assert [one.pid for one in of.progress.workflows_of(run)] == [3, 4]
