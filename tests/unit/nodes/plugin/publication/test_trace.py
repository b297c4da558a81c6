"""The recording of all that a workflow publishes, in the directory of its run."""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.nodes.plugin.workflows import Running


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a run, as a workflow in it knows it."""
    path = tmp_path / "run"
    path.mkdir()
    monkeypatch.setenv("TOILCTL_RUN", str(path))
    return path


@pytest.fixture
def publication(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which writes its file anew after a few lines of ended jobs."""
    module = importlib.import_module("toilctl_plugin.publication.publication")
    monkeypatch.setattr(module, "SPARE_LINES", 4)
    return module


@pytest.fixture
def start(tmp_path: Path, demand_dir: Path, run_dir: Path) -> Iterator[Running]:
    """A real workflow in a run."""
    running = Running(tmp_path / "one", demand_dir, children=2, TOILCTL_RUN=str(run_dir))
    yield running
    running.kill()


def traces(run_dir: Path) -> list[Path]:
    return sorted(run_dir.glob("trace-*.jsonl"))


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def live(workflow: Any, *job_ids: int) -> None:
    """Let jobs wait, run and end."""
    for job_id in job_ids:
        workflow.queued(job_id, "sort", 1, 100, 10, True, False)
        workflow.runs(job_id, "172.31.0.5", 1000.0)
        workflow.ended(job_id, 0, 7.5)
        workflow.flush()


def test_trace_has_all_lines_though_the_published_file_is_written_anew(
    publication: ModuleType, run_dir: Path, demand_dir: Path
) -> None:
    one = publication.Publication("framework-1", ["c3.large=0..2"], "sort.py")
    live(one, *range(20))
    one.close()
    (path,) = traces(run_dir)
    assert path.name == f"trace-{os.getpid()}.jsonl"
    header, *events = lines(path)
    assert [(kind, int(key)) for kind, key, *_ in events] == [(kind, key) for key in range(20) for kind in "qre"]
    (published,) = demand_dir.iterdir()
    again, *kept = lines(published)
    assert again["generation"] > 1
    assert len(kept) < len(events)
    assert header == {**again, "generation": 1}


def test_workflow_outside_a_run_is_not_recorded(
    publication: ModuleType, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOILCTL_RUN")
    one = publication.Publication()
    live(one, 1)
    assert one.is_open
    one.close()
    assert traces(run_dir) == []


def test_second_workflow_of_a_process_has_a_file_of_its_own(publication: ModuleType, run_dir: Path) -> None:
    for job_id in (1, 2):
        one = publication.Publication()
        live(one, job_id)
        one.close()
    recorded = {path.name: lines(path)[1][1] for path in traces(run_dir)}
    assert recorded == {f"trace-{os.getpid()}.jsonl": "1", f"trace-{os.getpid()}.2.jsonl": "2"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full disk")
def test_full_disk_ends_the_recording_with_one_warning_and_nothing_else(
    publication: ModuleType, run_dir: Path, demand_dir: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    module = importlib.import_module("toilctl_plugin.publication.trace")
    monkeypatch.setattr(module, "_new_file", lambda _: Path("/dev/full").open("r+b", buffering=0))  # noqa: SIM115
    with caplog.at_level(logging.WARNING):
        one = publication.Publication()
        live(one, 1, 2)
    assert one.is_open
    assert [record.getMessage() for record in caplog.records] == [
        "toilctl records this workflow's jobs no longer, so it cannot be replayed: [Errno 28] No space left on device"
    ]
    one.close()
    (published,) = demand_dir.iterdir()
    assert lines(published)[1:] == [["t", "sort", 7.5]] * 2


def test_directory_that_is_gone_is_one_warning(
    publication: ModuleType, run_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_dir.rmdir()
    one = publication.Publication()
    live(one, 1)
    assert one.is_open
    one.close()
    (record,) = caplog.records
    assert "cannot be replayed" in record.getMessage()


def test_real_workflow_is_recorded_with_its_run_times(start: Running, run_dir: Path) -> None:
    start.finish()
    (path,) = traces(run_dir)
    header, *events = lines(path)
    assert (header["name"], header["pid"]) == ("workflow.py", start.process.pid)
    issued = sorted(one[0] for one in start.recorded())
    for kind in "qe":
        assert sorted(event[1] for event in events if event[0] == kind) == issued
