"""What a plot shows, as values."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import MEMORY, SPOT, offer, policy, shape
from toilctl.autoscaler.simulation.hazards import Hazards
from toilctl.autoscaler.simulation.outcome import JobRun, LostRun, NodeLife, Simulated, most_at_once
from toilctl.autoscaler.simulation.simulate import simulate
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.autoscaler.simulation.workloads import ArrivalPattern, generate
from toilctl.charts.of_simulation import picture_of
from toilctl.charts.picture import MOST_POINTS, Mark, Picture, Steps, counted, peaks, thinned
from toilctl.values.node_types import NodeType
from toilctl.values.units import HOUR_S

KINDS = [NodeType.parse(one) for one in (SPOT, MEMORY, "c4.8xlarge")]
PRICES = [0.6, 2.66, 1.591]
SECONDS = st.integers(0, 500) | st.floats(0, 1e5)
LIVES = st.lists(st.tuples(st.sampled_from([0, 1, 2]), SECONDS, SECONDS), max_size=30)
RUNS = st.lists(st.tuples(SECONDS, SECONDS, SECONDS), max_size=30)
POINTS = st.dictionaries(SECONDS, st.integers(0, 50), min_size=1, max_size=80)
FEW = settings(max_examples=examples(60), deadline=None, derandomize=True)


def life(kind: int, launched_s: float, seconds: float) -> NodeLife:
    return NodeLife("i-1", KINDS[kind], launched_s, None, launched_s + seconds, 0.0, PRICES[kind])


def run(arrived_s: float, waits_s: float, run_s: float) -> JobRun:
    return JobRun(TraceJob("sort", shape(), arrived_s, run_s), "i-1", arrived_s + waits_s)


def simulated(
    lives: Sequence[tuple[int, float, float]] = (), runs: Sequence[tuple[float, float, float]] = ()
) -> Simulated:
    return Simulated(tuple(life(*one) for one in lives), tuple(run(*one) for one in runs))


def counts(picture: Picture) -> list[Steps]:
    return [picture.waiting, picture.running, *picture.nodes.values()]


def area(steps: Steps) -> float:
    """Return seconds times values, below the steps."""
    spans = zip(pairwise(steps.times_s), steps.values, strict=False)
    return math.fsum(value * (end_s - begin_s) for (begin_s, end_s), value in spans)


def test_job_waits_until_it_runs_and_a_node_is_there_until_it_goes() -> None:
    picture = picture_of(simulated([(0, 30, 970)], [(0, 120, 600), (60, 60, 900)]), "two jobs")
    assert picture.waiting == Steps((0, 60, 120), (1, 2, 0))
    assert picture.running == Steps((120, 720, 1020), (2, 1, 0))
    assert picture.nodes == {KINDS[0]: Steps((30, 1000), (1, 0))}
    assert (picture.title, picture.marks, picture.ends_s) == ("two jobs", (), 1020)


def test_cost_grows_with_what_all_nodes_cost_at_the_time() -> None:
    lives = [(0, 0, 2 * HOUR_S), (1, HOUR_S, HOUR_S), (0, 5 * HOUR_S, HOUR_S)]
    usd = picture_of(simulated(lives), "").usd
    assert usd.times_s == (0, HOUR_S, 2 * HOUR_S, 5 * HOUR_S, 6 * HOUR_S)
    assert usd.values == pytest.approx((0, 0.6, 0.6 + 0.6 + 2.66, 3.86, 4.46))


def test_spot_is_stacked_above_what_is_bought_on_demand() -> None:
    lives = [(0, 0, 10), (1, 0, 10), (2, 0, 10)]
    assert list(map(str, picture_of(simulated(lives), "").nodes)) == ["c4.8xlarge", MEMORY, SPOT]


def test_one_that_goes_makes_place_for_one_that_comes() -> None:
    assert counted([(0, 60), (60, 90), (90, 90)]) == Steps((0, 90), (1, 0))


def test_simulation_in_which_nothing_happened_has_no_steps() -> None:
    picture = picture_of(simulated(), "nothing")
    assert [one.times_s for one in (*counts(picture), picture.usd)] == [(), (), ()]
    assert (picture.ends_s, picture.waiting.highest, picture.usd.at(5)) == (0, 0, 0)


def test_value_holds_from_its_time_until_the_next() -> None:
    steps = Steps((10, 20), (3, 0))
    assert [steps.at(one) for one in (9.9, 10, 19.9, 20, 99)] == [0, 3, 3, 0, 0]


@FEW
@given(LIVES, RUNS)
def test_counts_are_never_negative_and_end_at_zero(
    lives: Sequence[tuple[int, float, float]], runs: Sequence[tuple[float, float, float]]
) -> None:
    for steps in counts(picture_of(simulated(lives, runs), "")):
        assert min(steps.values, default=0) >= 0
        assert steps.values[-1:] in ((), (0,))
        assert all(before < after for before, after in pairwise(steps.times_s))


@FEW
@given(LIVES, RUNS)
def test_seconds_below_the_steps_are_those_of_the_nodes_and_jobs(
    lives: Sequence[tuple[int, float, float]], runs: Sequence[tuple[float, float, float]]
) -> None:
    found = simulated(lives, runs)
    picture = picture_of(found, "")
    for kind, steps in picture.nodes.items():
        assert area(steps) == pytest.approx(sum(one.seconds for one in found.of(kind)), abs=1e-6)
    assert area(picture.waiting) == pytest.approx(sum(one.waited_s for one in found.runs), abs=1e-6)
    assert area(picture.running) == pytest.approx(sum(one.job.run_s for one in found.runs), abs=1e-6)


ATTEMPTS = st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=4)


@FEW
@given(st.lists(st.tuples(st.integers(0, 3), ATTEMPTS, st.booleans()), max_size=12))
def test_job_that_loses_its_node_waits_again_and_its_runs_in_vain_count(
    jobs: Sequence[tuple[int, Sequence[tuple[float, float]], bool]],
) -> None:
    runs, lost, waited_s = [], [], []
    for arrived_s, attempts, ends in jobs:
        job, now_s = TraceJob("sort", shape(), arrived_s, attempts[-1][1]), float(arrived_s)
        for place, (waits_s, run_s) in enumerate(attempts):
            waited_s.append(waits_s)
            started_s, now_s = now_s + waits_s, now_s + waits_s + run_s
            if ends and place == len(attempts) - 1:
                runs.append(JobRun(job, "i-1", started_s))
            else:
                lost.append(LostRun(job, "i-1", started_s, now_s))
    found = Simulated((), tuple(runs), lost=tuple(lost))
    picture = picture_of(found, "")
    assert min((*picture.waiting.values, *picture.running.values), default=0) >= 0
    assert {picture.waiting.values[-1:], picture.running.values[-1:]} <= {(), (0,)}
    assert area(picture.running) == pytest.approx(sum(one.job.run_s for one in runs) + found.lost_s, abs=1e-6)
    if all(ends for _, _, ends in jobs):
        assert area(picture.waiting) == pytest.approx(sum(waited_s), abs=1e-6)


def test_job_waits_again_from_the_interruption_on_which_is_marked() -> None:
    job = TraceJob("sort", shape(), 0, 600)
    lives = (replace(life(0, 0, 300), interrupted=True), life(0, 300, 900))
    picture = picture_of(Simulated(lives, (JobRun(job, "i-2", 420),), lost=(LostRun(job, "i-1", 120, 300),)), "")
    assert picture.waiting == Steps((0, 120, 300, 420), (1, 0, 1, 0))
    assert picture.running == Steps((120, 300, 420, 1020), (1, 0, 1, 0))
    assert picture.marks == (Mark(300, "interruption"),)


def test_job_that_is_given_up_waits_no_more() -> None:
    job = TraceJob("sort", shape(), 0, 600)
    picture = picture_of(Simulated((), (), lost=(LostRun(job, "i-1", 120, 300),), stuck=1), "")
    assert (picture.waiting, picture.running) == (Steps((0, 120), (1, 0)), Steps((120, 300), (1, 0)))


def test_picture_of_a_simulation_has_its_peaks_and_cost() -> None:
    of = policy(["m5.large:0.05", "m5.xlarge"], most=6)
    jobs = generate(ArrivalPattern.BURSTS, 600, HOUR_S, seed=1).jobs
    small = [replace(one, shape=shape(preemptible=one.shape.preemptible)) for one in jobs]
    found = simulate(small, of, {one: offer(str(one)) for one in of.node_types}, 120, Hazards(1.0))
    picture = picture_of(found, "bursts")
    assert found.interruptions == len(picture.marks) > 0
    assert [one.highest for one in picture.nodes.values()] == [most_at_once(found.of(kind)) for kind in picture.nodes]
    assert picture.usd.values[-1] == pytest.approx(found.usd)
    seconds = sum(one.job.run_s for one in found.runs) + found.lost_s
    assert area(picture.running) == pytest.approx(seconds)
    assert area(picture.waiting) == pytest.approx(sum(one.waited_s for one in found.runs) - found.lost_s)


@FEW
@given(LIVES)
def test_cost_never_falls_and_ends_at_that_of_the_simulation(lives: Sequence[tuple[int, float, float]]) -> None:
    found = simulated(lives)
    usd = picture_of(found, "").usd
    assert all(before <= after + 1e-9 for before, after in pairwise(usd.values))
    assert (usd.values or (0.0,))[-1] == pytest.approx(found.usd, abs=1e-9)


@FEW
@given(POINTS, st.integers(2, 40))
def test_each_interval_of_thinned_steps_shows_its_highest_value(points: dict[float, int], most: int) -> None:
    times = sorted(points)
    steps = Steps(tuple(times), tuple(points[one] for one in times))
    thin = thinned(steps, most)
    assert len(thin.times_s) <= most
    assert (thin.highest, thin.values[-1]) == (steps.highest, steps.values[-1])
    # What held when the interval began, and what changed within it.
    ends = (*thin.times_s[1:], math.inf)
    for begin_s, end_s, value in zip(thin.times_s, ends, thin.values, strict=True):
        within = steps.values[bisect_left(steps.times_s, begin_s) : bisect_left(steps.times_s, end_s)]
        assert value == max(steps.at(begin_s), *within, 0)


def test_steps_that_are_few_stay_as_they_are() -> None:
    steps = Steps((0, 1, 2), (5, 5, 0))
    assert thinned(steps, 3) is steps


def test_peak_of_a_second_in_a_long_run_survives() -> None:
    spans = [(float(one), one + 0.5) for one in range(50_000)]
    steps = counted([*spans, *[(31_234.1, 31_234.2)] * 70])
    assert len(steps.times_s) <= MOST_POINTS
    assert (steps.highest, steps.at(31_234.15), steps.values[-1]) == (71, 71, 0)


def test_picture_of_very_many_nodes_is_as_small_and_costs_the_same() -> None:
    found = simulated([(number % 3, number * 7.3, 500 + number % 977) for number in range(6000)])
    picture = picture_of(found, "")
    assert max(len(one.times_s) for one in (*counts(picture), picture.usd)) <= MOST_POINTS
    assert picture.usd.values[-1] == pytest.approx(found.usd)
    middle_s = picture.usd.times_s[1000]
    spent = sum(max(0, min(one.ended_s, middle_s) - one.launched_s) * one.usd_per_hour / HOUR_S for one in found.lives)
    assert picture.usd.values[1000] == pytest.approx(spent)


@FEW
@given(POINTS, st.integers(1, 40), st.integers(1, 600))
def test_peaks_are_the_highest_values_of_equal_parts(points: dict[float, int], count: int, ends_s: int) -> None:
    times = sorted(points)
    steps = Steps(tuple(times), tuple(points[one] for one in times))
    found = peaks(steps, ends_s, count)
    assert len(found) == count
    for place, value in enumerate(found):
        begin_s, end_s = ends_s * place / count, ends_s * (place + 1) / count
        assert value == max(steps.at(begin_s), *(points[one] for one in times if begin_s <= one < end_s), 0)


def test_without_time_there_are_no_peaks() -> None:
    assert peaks(Steps((0,), (5,)), 0, 60) == ()
