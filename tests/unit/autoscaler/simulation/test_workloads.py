"""Generated jobs: as many as asked for, in the pattern that was asked for, and the same each time."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import offer, policy
from toilctl.autoscaler.simulation.simulate import simulate
from toilctl.autoscaler.simulation.workloads import ArrivalPattern, generate
from toilctl.values.errors import UsageError

DAY_S = 86400.0


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(
    st.sampled_from(ArrivalPattern), st.integers(1, 1500), st.floats(1e-3, 1e7) | st.sampled_from([1, 3600]),
    st.integers(),
)  # fmt: skip
def test_exactly_so_many_jobs_arrive_in_order_and_in_time(
    pattern: ArrivalPattern, jobs: int, seconds: float, seed: int
) -> None:
    trace = generate(pattern, jobs, seconds, seed)
    arrivals = [job.arrived_s for job in trace.jobs]
    assert len(arrivals) == jobs
    assert arrivals == sorted(arrivals)
    assert 0 <= arrivals[0] <= arrivals[-1] <= seconds
    assert all(0 < job.run_s < math.inf for job in trace.jobs)
    assert trace.recorded_s == max(job.arrived_s + job.run_s for job in trace.jobs)
    assert (trace.unfinished, trace.killed, trace.damaged_lines) == (0, 0, 0)
    assert generate(pattern, jobs, seconds, seed) == trace


@pytest.mark.parametrize("pattern", ArrivalPattern)
def test_each_seed_gives_other_jobs_also_the_negative_one(pattern: ArrivalPattern) -> None:
    one, two, negative = (generate(pattern, 50, DAY_S, seed) for seed in (1, 2, -1))
    assert one != two
    assert one != negative


@pytest.mark.parametrize("pattern", ArrivalPattern)
def test_about_a_fifth_must_not_be_interrupted(pattern: ArrivalPattern) -> None:
    jobs = generate(pattern, 5000, DAY_S, 3).jobs
    assert 0.17 < sum(not job.shape.preemptible for job in jobs) / len(jobs) < 0.23


@pytest.mark.parametrize("pattern", ArrivalPattern)
def test_jobs_of_one_name_have_one_size(pattern: ArrivalPattern) -> None:
    jobs = generate(pattern, 3000, DAY_S, 3).jobs
    sizes = {(job.name, job.shape.cores, job.shape.memory_mib, job.shape.disk_mib) for job in jobs}
    assert len(sizes) == len({job.name for job in jobs}) > 2


@pytest.mark.parametrize("pattern", ArrivalPattern)
def test_every_job_runs_on_the_node_types_that_examples_name(pattern: ArrivalPattern) -> None:
    of = policy(["c4.8xlarge:0.6", "r3.8xlarge"], most=50)
    jobs = generate(pattern, 200, 7200, 3).jobs
    found = simulate(jobs, of, {one: offer(str(one)) for one in of.node_types}, 60)
    assert (len(found.runs), found.infeasible, found.stuck) == (200, (), 0)


def test_burst_is_hundreds_of_jobs_of_one_step_at_once() -> None:
    jobs = generate(ArrivalPattern.BURSTS, 20_000, DAY_S, 5).jobs
    bursts = Counter(job.arrived_s for job in jobs)
    assert len({(job.arrived_s, job.name) for job in jobs}) == len(bursts)
    # What was left for the last one may be less.
    *others, _ = sorted(bursts.values(), reverse=True)
    assert len(others) >= 24
    assert all(200 <= count <= 800 for count in others)
    assert jobs[0].arrived_s == 0
    assert max(bursts) > DAY_S / 2


def far_above_the_median(pattern: ArrivalPattern) -> float:
    """Return the share of the "sort" jobs that take more than four times as long as half of them do."""
    times = sorted(job.run_s for job in generate(pattern, 40_000, 1e9, 7).jobs if job.name == "sort")
    return sum(time > 4 * times[len(times) // 2] for time in times) / len(times)


def test_long_tails_are_paretos_and_other_run_times_lognormal() -> None:
    # Half of 4 to the power of -1.5, and the normal distribution's part above ln(4) / 0.5.
    assert far_above_the_median(ArrivalPattern.LONG_TAILS) == pytest.approx(1 / 16, rel=0.15)
    assert far_above_the_median(ArrivalPattern.DIURNAL) == pytest.approx(0.0028, abs=0.0015)


def test_no_tail_is_longer_than_the_jobs_take_to_arrive() -> None:
    times = [job.run_s for job in generate(ArrivalPattern.LONG_TAILS, 20_000, 7200, 1).jobs]
    assert max(times) == 7200
    assert sum(time == 7200 for time in times) < 0.1 * len(times)


def test_diurnal_rate_goes_up_and_down_once_a_day() -> None:
    jobs = generate(ArrivalPattern.DIURNAL, 48_000, 2 * DAY_S, 11).jobs
    by_hour = Counter(int(job.arrived_s // 3600) for job in jobs)
    turn = 2 * math.pi / 24
    for hour in range(48):
        # The rate of 1000 jobs an hour, less 0.9 of it times the cosine, integrated over the hour.
        expected = 1000 * (1 - 0.9 * (math.sin(turn * (hour + 1)) - math.sin(turn * hour)) / turn)
        assert abs(by_hour[hour] - expected) < 5 * math.sqrt(expected)


def test_giant_runs_for_most_of_the_time_and_the_small_ones_arrive_in_the_first_hour() -> None:
    jobs = generate(ArrivalPattern.GIANT, 4000, DAY_S, 13).jobs
    (giant,) = (job for job in jobs if job.shape.cores > 2)
    assert (giant.shape.cores, giant.shape.preemptible) == (32, False)
    assert giant.arrived_s < 360
    assert DAY_S / 2 < giant.run_s < DAY_S - giant.arrived_s
    assert jobs[-1].arrived_s <= 3600
    assert max(job.run_s for job in jobs if job is not giant) < 3600


def test_giant_comes_first_when_there_is_one_job_only() -> None:
    (job,) = generate(ArrivalPattern.GIANT, 1, DAY_S, 1).jobs
    assert job.shape.cores == 32


@pytest.mark.parametrize(("jobs", "seconds"), [(0, 60), (-1, 60), (1, 0), (1, -1), (1, math.inf), (1, math.nan)])
def test_nothing_to_generate_is_refused(jobs: int, seconds: float) -> None:
    with pytest.raises(UsageError, match=f"no trace of {jobs} jobs") as caught:
        generate(ArrivalPattern.BURSTS, jobs, seconds, 1)
    assert caught.value.next_step
