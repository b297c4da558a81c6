"""What workflows publish and what the master lists, brought together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from toilctl.engines.mesos_demand import demand
from toilctl.engines.mesos_tasks import Task
from toilctl.engines.published_lines import PublishedWorkflow
from toilctl.values.capacity import Resources
from toilctl.values.jobs import Job, Shape

THEN = datetime(2026, 11, 21, tzinfo=UTC)
SHAPE = Shape(1, 100, 10, False)


def workflow(*ids: str, framework: str = "f", node: str | None = None, **more: Any) -> PublishedWorkflow:
    jobs = {one: Job(f"{framework}/{one}", "sort", SHAPE, node, THEN) for one in ids}
    return PublishedWorkflow(framework, jobs=jobs, **more)


def task(task_id: str, framework: str = "f", **changes: Any) -> Task:
    usual = {"name": f"'sort' kind-sort/instance-{task_id} v1", "agent_id": "agent-1", "address": None,
             "instance_id": None, "resources": Resources(0.5, 200, 20), "started": None}  # fmt: skip
    return Task(framework=framework, task_id=task_id, **usual | changes)


def where(*given: Any) -> dict[str, str | None]:
    return {job.job_id: job.node for job in demand(*given, {}).jobs}


def test_queued_jobs_are_known_by_their_workflow_and_running_ones_by_the_master():
    assert where([workflow("1", "2")], [task("2")]) == {"f/1": None, "f/2": "agent-1"}


def test_jobs_of_two_workflows_with_equal_ids_are_told_apart():
    found = where([workflow("1"), workflow("1", framework="g")], [task("1", "g")])
    assert found == {"f/1": None, "g/1": "agent-1"}


def test_job_that_runs_by_its_workflows_word_runs_while_a_restarted_master_lists_nothing():
    assert where([workflow("1", node="172.31.0.5")], []) == {"f/1": "172.31.0.5"}


def test_task_of_somebody_who_publishes_nothing_is_a_running_job():
    (job,) = demand([], [task("7", "other", started=THEN)], {}).jobs
    assert (job.job_id, job.name, job.node, job.since) == ("other/7", "sort", "agent-1", THEN)
    assert job.shape == Shape(0.5, 200, 20, True)
    (job,) = demand([], [task("7", name="sleep")], {}).jobs
    assert job.name == "sleep"


def test_workflow_of_an_unknown_framework_is_matched_by_names_in_the_job_store():
    unknown = workflow("1", "2", framework="", store_ids={"1": "kind-sort/instance-1", "2": "kind-sort/instance-2"})
    tasks = [task("1", "x"), task("1", "y", name="'sort' kind-sort/instance-of-another v1"), task("2", "y", name="?")]
    assert where([unknown], tasks) == {"/1": "agent-1", "/2": None, "y/1": "agent-1", "y/2": "agent-1"}


def test_tools_of_cwl_and_wdl_are_known_by_their_own_names_and_functions_by_theirs():
    names = ["'CWLJob' align.17.bwa kind-CWLJob/instance-1 v1", "'WDLTaskJob' main.3.sort.command 6f1c v2",
             "'sort' of the sample ANNA kind-sort/instance-2 v1", "'CWLJob' kind-CWLJob/instance-3 v1"]  # fmt: skip
    found = demand([], [task(str(number), name=name) for number, name in enumerate(names)], {}).jobs
    assert [job.name for job in found] == ["align.*.bwa", "main.*.sort.command", "sort", "CWLJob"]


def test_run_times_are_passed_on():
    assert demand([], [], {"sort": 3.0}).run_times_s == {"sort": 3.0}
