"""What a workflow publishes of its jobs, told by real workflows of Toil's, and read as the autoscaler reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.nodes.plugin.workflows import Running, wait_for
from toilctl.engines.published import Published
from toilctl.engines.published_lines import PublishedWorkflow
from toilctl.values.jobs import Job

CHILDREN = 6


@pytest.fixture
def start(tmp_path: Path, demand_dir: Path) -> Iterator[Callable[..., Running]]:
    """Start workflows; they end with the test."""
    started: list[Running] = []

    def begin(*options: str, name: str = "one", **more: Any) -> Running:
        started.append(Running(tmp_path / name, demand_dir, *options, **more))
        return started[-1]

    yield begin
    for one in started:
        one.kill()


def facts(job: Job) -> list[Any]:
    """Return a published job as the recording has it, but in whole MiB."""
    shape = job.shape
    return [job.job_id.strip("/"), job.name, shape.cores, shape.memory_mib, shape.disk_mib, shape.preemptible]


def in_mib(recorded: list[Any]) -> list[Any]:
    job_id, name, cores, memory, disk, preemptible = recorded
    return [job_id, name, cores, math.ceil(memory / 2**20), math.ceil(disk / 2**20), preemptible]


def children(workflow: PublishedWorkflow) -> list[Job]:
    return [job for job in workflow.jobs.values() if job.name == "child"]


def the_only(published: Published) -> PublishedWorkflow | None:
    found = published.workflows()
    return found[0] if len(found) == 1 else None


def with_children(published: Published) -> PublishedWorkflow | None:
    """Return the only workflow, once all its children are issued and one runs."""
    one = the_only(published)
    ready = one is not None and len(children(one)) == CHILDREN and any(job.node is not None for job in children(one))
    return one if ready else None


def test_what_is_published_is_what_toil_issued(start: Callable[..., Running], demand_dir: Path) -> None:
    running, published = start(), Published(demand_dir)
    workflow = wait_for(lambda: with_children(published), "all children")
    recorded = [one for one in running.recorded() if one[1] == "child"]
    assert sorted(map(facts, children(workflow))) == sorted(map(in_mib, recorded))
    assert workflow.name == "workflow.py"
    running.finish()
    assert published.workflows() == ()
    ended = [json.loads(line) for path in demand_dir.iterdir() for line in path.read_text().splitlines()[1:]]
    # The failed one was issued again; each that was issued has ended, and the good ones with their wall time.
    issued = {one[0] for one in running.recorded()}
    assert {one[1] for one in ended if one[0] == "e"} == issued
    assert len([one for one in ended if one[0] == "e" and one[2] != 0]) == 1
    assert all(one[3] is not None for one in ended if one[0] == "e" and one[2] == 0)
    assert published.run_times_s()["child"] >= 0.9


def test_crashed_workflow_has_no_demand_and_another_goes_on(start: Callable[..., Running], demand_dir: Path) -> None:
    first, second, published = start(children=2), start(name="two", children=2), Published(demand_dir)
    wait_for(lambda: sum(len(children(one)) == 2 for one in published.workflows()) == 2, "two workflows' jobs")
    first.kill()
    (left,) = wait_for(lambda: len(found := published.workflows()) == 1 and found, "the first one's end")
    assert len(children(left)) == 2
    second.finish()
    assert published.workflows() == ()


def test_workflow_runs_where_nobody_follows_it(start: Callable[..., Running], demand_dir: Path) -> None:
    demand_dir.rmdir()
    running = start(children=1)
    assert "toil.toilctl_plugin" not in running.finish()


def test_workflow_survives_a_disk_that_is_full(start: Callable[..., Running], demand_dir: Path) -> None:
    # The directory's name is a file's: nothing can be written below it, whoever tries.
    running = start(children=1, TOILCTL_DEMAND_DIR="/dev/full/x")
    assert running.finish()
