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
