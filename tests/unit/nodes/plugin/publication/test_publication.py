"""The file by which a workflow tells of its jobs, and how the autoscaler reads it."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from toilctl.engines.published import Published

MIB = 2**20


@pytest.fixture
def publication(plugin: ModuleType) -> ModuleType:
    return importlib.import_module("toilctl_plugin.publication.publication")


@pytest.fixture
def workflow(publication: ModuleType) -> Iterator[Any]:
    one = publication.Publication("framework-1", ["c3.large=0..2"], "sort.py")
    yield one
    one.close()


def queue(workflow: Any, *job_ids: object, name: str = "sort", **changes: Any) -> None:
    usual = {"cores": 1, "memory": 100 * MIB, "disk": MIB, "preemptible": True, "service": False}
    for job_id in job_ids:
        workflow.queued(job_id, name, **usual | changes)
    workflow.flush()


def test_jobs_wait_run_and_end(workflow: Any, demand_dir: Path) -> None:
    published = Published(demand_dir)
    queue(workflow, 1, 2, 3, cores=0.5, memory=100 * MIB + 1, service=True)
    (found,) = published.workflows()
    assert (found.framework, found.name, found.limits) == ("framework-1", "sort.py", ("c3.large=0..2",))
    job = found.jobs["1"]
    assert (job.job_id, job.name, job.node, job.service) == ("framework-1/1", "sort", None, True)
    assert (job.shape.cores, job.shape.memory_mib, job.shape.disk_mib, job.shape.preemptible) == (0.5, 101, 1, True)
    assert job.since is not None
    assert abs(job.since.timestamp() - time.time()) < 60
    workflow.runs(1, "172.31.0.5", 1000.0)
    workflow.runs(1, "172.31.0.6", 2000.0)
    workflow.ended(2, 1, None)
    workflow.ended("unknown", 0, 1.0)
    workflow.flush()
    (found,) = published.workflows()
    assert list(found.jobs) == ["1", "3"]
    assert (found.jobs["1"].node, found.jobs["1"].since.timestamp()) == ("172.31.0.5", 1000.0)
    workflow.ended(1, 0, 7.5)
    workflow.flush()
    published.workflows()
    assert published.run_times_s() == {"sort": 7.5}


def test_dead_workflow_has_no_jobs_and_its_run_times_count(publication: ModuleType, demand_dir: Path) -> None:
    one = publication.Publication("f")
    queue(one, 1, 2)
    one.ended(1, 0, 3.0)
    one.close()
    published = Published(demand_dir)
    assert published.workflows() == ()
    assert published.run_times_s() == {"sort": 3.0}


def test_two_workflows_with_equal_ids_are_two(publication: ModuleType, workflow: Any, demand_dir: Path) -> None:
    other = publication.Publication("framework-2")
    queue(workflow, 1)
    queue(other, 1)
    jobs = [job.job_id for one in Published(demand_dir).workflows() for job in one.jobs.values()]
    assert sorted(jobs) == ["framework-1/1", "framework-2/1"]
    other.close()


def test_file_does_not_grow_with_jobs_that_are_gone(
    publication: ModuleType, workflow: Any, demand_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "SPARE_LINES", 10)
    published = Published(demand_dir)
    queue(workflow, "stays")
    workflow.runs("stays", "172.31.0.5")
    for number in range(100):
        queue(workflow, number)
        workflow.ended(number, 0, float(number))
        workflow.flush()
        assert [list(one.jobs) for one in published.workflows()] == [["stays"]]
    (path,) = demand_dir.iterdir()
    assert len(path.read_text().splitlines()) < 100
    (found,) = Published(demand_dir).workflows()
    assert found.jobs["stays"].node == "172.31.0.5"
    assert published.run_times_s()["sort"] > 90


def test_half_a_line_is_read_when_it_is_whole(workflow: Any, demand_dir: Path) -> None:
    queue(workflow, 1)
    (path,) = demand_dir.iterdir()
    published = Published(demand_dir)
    whole = json.dumps(["r", "1", "172.31.0.5", 5.0]) + "\n"
    with path.open("a") as out:
        out.write(whole[:9])
        out.flush()
        assert published.workflows()[0].jobs["1"].node is None
        out.write(whole[9:])
    assert published.workflows()[0].jobs["1"].node == "172.31.0.5"


@pytest.mark.parametrize(
    "content", ["", "nonsense\n", '{"toilctl": 99}\n', '[]\n["q"]\n', '{"toilctl": 1}\n["q", 1]\n']
)
def test_files_of_another_form_are_passed_over(workflow: Any, demand_dir: Path, content: str) -> None:
    (demand_dir / "a.jsonl").write_text(content)
    (demand_dir / "b.txt").write_text(content)
    queue(workflow, 1)
    published = Published(demand_dir)
    for _ in range(2):
        assert [list(one.jobs) for one in published.workflows()] == [["1"]]


def test_nobody_publishes_where_there_is_no_directory(publication: ModuleType, demand_dir: Path) -> None:
    demand_dir.rmdir()
    one = publication.Publication("f")
    queue(one, 1)
    one.close()
    assert Published(demand_dir).workflows() == ()
    assert not demand_dir.exists()


def test_directory_that_disappears_ends_the_publication_and_nothing_else(
    publication: ModuleType, demand_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "SPARE_LINES", -10)
    one = publication.Publication("f")
    queue(one, 1)
    for path in demand_dir.iterdir():
        path.unlink()
    demand_dir.rmdir()
    queue(one, 2)
    one.ended(1, 0, 1.0)
    one.flush()
    one.close()
    assert caplog.text.count("cannot tell its autoscaler") == 1


def test_files_of_yesterdays_workflows_go_and_those_of_living_ones_stay(
    publication: ModuleType, workflow: Any, demand_dir: Path
) -> None:
    publication.Publication("yesterday").close()
    for path in demand_dir.iterdir():
        os.utime(path, (1, 1))
    publication.Publication("recent").close()
    kept = [json.loads(path.read_text().splitlines()[0])["framework"] for path in demand_dir.iterdir()]
    assert sorted(kept) == ["framework-1", "recent"]


def test_what_is_no_file_keeps_no_workflow_from_beginning(publication: ModuleType, demand_dir: Path) -> None:
    os.mkfifo(demand_dir / "stray.jsonl")
    (demand_dir / "directory.jsonl").mkdir()
    for path in demand_dir.iterdir():
        os.utime(path, (0, 0))
    one = publication.Publication("framework-1")
    queue(one, 1, name="x" * 1_000_000)
    (found,) = Published(demand_dir).workflows()
    assert found.jobs["1"].name == "x" * 500
    one.close()
