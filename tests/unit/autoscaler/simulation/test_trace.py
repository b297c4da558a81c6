"""What is read of a run's recording."""

from __future__ import annotations

import json
from typing import Any

import pytest

from toilctl.autoscaler.simulation.trace import JobTrace, TraceJob, read
from toilctl.values.errors import UsageError
from toilctl.values.jobs import Shape

MIB = 2**20


def lines(*events: Any, begin: float = 1000) -> list[str]:
    header = {"toilctl": 1, "started": begin, "generation": 1}
    return [json.dumps(one) for one in (header, *events)]


def queued(key: str, at: float = 1000, **changes: Any) -> list[Any]:
    values = {"name": "sort", "cores": 0.5, "memory": MIB, "disk": MIB, "preemptible": 0, "service": 0} | changes
    return ["q", key, *values.values(), at, "store"]


def one_job(*events: Any) -> TraceJob:
    (job,) = read({"a": lines(*events)}).jobs
    return job


def test_run_time_is_from_the_start_to_the_end() -> None:
    job = one_job(queued("1", 1005), ["r", "1", "", 1010], ["e", "1", 0, 9.0, 1030])
    assert (job.arrived_s, job.run_s, job.succeeded) == (5, 20, True)


def test_job_that_nobody_saw_running_took_its_wall_time() -> None:
    assert one_job(queued("1"), ["e", "1", 1, 9.5, 1030]) == TraceJob(
        "sort", Shape(0.5, 1, 1, False), 0, 9.5, succeeded=False
    )


def test_shape_is_in_whole_mib_and_knows_what_may_be_interrupted() -> None:
    job = one_job(queued("1", memory=MIB + 1, disk=0, preemptible=1, service=1), ["e", "1", 0, 1, 1001])
    assert (job.shape, job.service) == (Shape(0.5, 2, 0, True), True)


def test_jobs_that_never_ended_or_were_killed_are_counted_and_left_out() -> None:
    trace = read({"a": lines(
        queued("1"), queued("2"), ["r", "2", "", 1001], queued("3"), ["e", "3", 0, None, 1002],
        queued("4"), ["r", "4", "", 1001], ["e", "4", 137, None, 1003],
        queued("5"), ["e", "5", 137, 3.0, 1004], ["e", "6", 0, 1, 1005], ["t", "sort", 8],
    )})  # fmt: skip
    # Job 5 was ended by its own system, such as for its memory, and had run.
    assert ([job.run_s for job in trace.jobs], trace.unfinished, trace.killed) == ([3], 3, 1)


def test_files_count_from_the_earliest_and_ids_are_their_own() -> None:
    ended = ["e", "1", 0, 1, 1060]
    trace = read({"b": lines(queued("1", 1050), ended, begin=1040), "a": lines(queued("1", 1000), ended)})
    assert [job.arrived_s for job in trace.jobs] == [0, 50]
    assert trace.recorded_s == 60


def test_clock_that_was_set_back_lets_no_job_arrive_before_the_beginning() -> None:
    job = one_job(queued("1", 900), ["r", "1", "", 905], ["e", "1", 0, None, 904])
    assert (job.arrived_s, job.run_s) == (0, 0)


@pytest.mark.parametrize(
    "line",
    ["", "{", "7", "[]", '["q", "2"]', '["r", "1"]', '["r", "1", "", "noon"]', '["e", "1", null, 1, 2]',
     '["q", "2", "sort", -1, 1, 1, 0, 0, 1, ""]', '["q", "2", "sort", Infinity, 1, 1, 0, 0, 1, ""]'],
)  # fmt: skip
def test_damaged_line_changes_nothing_else(line: str) -> None:
    whole = lines(queued("1"), ["e", "1", 0, 5, 1005])
    assert read({"a": [*whole[:2], line, *whole[2:]]}) == JobTrace(read({"a": whole}).jobs, 5, 0, 0, 1)


def test_trace_in_which_nothing_ended_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to replay"):
        read({"a": lines(queued("1"))})


def test_shards_of_a_scatter_are_recorded_each_and_read_as_one_tool() -> None:
    shards = [event for key in "12" for event in (queued(key, name=f"main.{key}.sort"), ["e", key, 0, 5, 1005])]
    assert {job.name for job in read({"a": lines(*shards)}).jobs} == {"main.*.sort"}
