from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.unit.autoscaler.builders import NOW, ago, job, jobs, shape
from toilctl.autoscaler.decide.demand import Queue, Turnover, queues, reuse, turnovers
from toilctl.values.jobs import Demand, Job

TARGET_S = 1800


def grouped(*waiting: Job, **run_times_s: float) -> tuple[Queue, ...]:
    return queues(Demand(waiting, run_times_s), TARGET_S)


def slots(*waiting: Job, **run_times_s: float) -> list[int]:
    return [queue.slots(TARGET_S) for queue in grouped(*waiting, **run_times_s)]


def ending(*running: Job, spot: bool = False, **run_times_s: float) -> list[Turnover]:
    return turnovers(running, {"i-1": spot}, run_times_s, TARGET_S, NOW)


def test_jobs_of_one_shape_share_a_queue_whatever_their_names() -> None:
    (queue,) = grouped(job("sort"), job("merge"), job("sort"))
    assert (queue.count, queue.names) == (3, ("merge", "sort"))


def test_jobs_that_are_counted_are_grouped_as_those_that_are_named() -> None:
    waiting = [*jobs(3), *jobs(2, name="merge"), job(cores=4, service=True), *jobs(2, held="a user holds it"),
               job(preemptible=True)]  # fmt: skip
    counted = Counter(replace(one, job_id="") for one in waiting[1:])
    expected = grouped(*waiting, sort=10, merge=60)
    assert queues(Demand((waiting[0],), {"sort": 10, "merge": 60}, tuple(counted.items())), TARGET_S) == expected
    assert len(expected) == 4


def test_only_some_names_are_told() -> None:
    (queue,) = grouped(*(job(name) for name in "edcba"))
    assert queue.names == ("a", "b", "c")


def test_running_jobs_do_not_wait() -> None:
    assert grouped(job(node="i-1")) == ()


def test_services_and_held_jobs_have_queues_of_their_own() -> None:
    found = grouped(job(), job(service=True), job(held="a user holds it"))
    assert [(queue.service, queue.held) for queue in found] == [
        (False, ""), (False, "a user holds it"), (True, ""),
    ]  # fmt: skip


def test_jobs_of_unknown_run_time_need_a_slot_each() -> None:
    assert slots(*jobs(7)) == [7]


def test_short_jobs_share_slots_within_the_target_time() -> None:
    assert slots(*jobs(1000), sort=10) == [6]
    assert slots(*jobs(181), sort=10) == [2]


def test_jobs_of_several_run_times_share_slots() -> None:
    assert slots(*jobs(90, name="a"), *jobs(1, name="b"), a=10, b=900) == [1]


def test_jobs_that_take_more_than_half_of_the_target_time_need_a_slot_each() -> None:
    assert slots(*jobs(3), sort=901) == [3]


def test_jobs_longer_than_the_target_time_need_a_slot_each() -> None:
    assert slots(*jobs(3), sort=5000) == [3]


def test_services_need_a_slot_each_however_short_they_were_before() -> None:
    assert slots(*jobs(3, service=True), sort=10) == [3]


def test_an_estimate_that_is_no_time_counts_as_unknown() -> None:
    assert slots(*jobs(3), sort=float("nan")) == [3]
    assert slots(*jobs(3), sort=-5) == [3]


def test_a_job_takes_a_second_even_when_the_history_says_none() -> None:
    assert slots(*jobs(3600), sort=0) == [2]


def test_busy_slots_of_short_jobs_take_others_afterwards() -> None:
    (queue,) = grouped(*jobs(1000), sort=10)
    (done,) = reuse([queue], ending(*jobs(8, node="i-1", since=ago(5)), sort=10))
    assert done == 1000
    assert queue.slots(TARGET_S, done) == 0


def test_busy_slots_take_no_more_than_fit_into_the_target_time() -> None:
    (queue,) = grouped(*jobs(1000), sort=100)
    (done,) = reuse([queue], ending(*jobs(8, node="i-1"), sort=100))
    assert done == 8 * 17
    assert queue.slots(TARGET_S, done) == 48


def test_the_place_of_a_large_job_takes_several_small_ones() -> None:
    (queue,) = grouped(*jobs(1000, cores=1), sort=1000)
    (done,) = reuse([queue], ending(job("big", node="i-1", cores=8, memory_gb=8, disk_gb=8), sort=1000, big=60))
    assert done == 8


def test_the_place_of_a_small_job_takes_no_large_one() -> None:
    (queue,) = grouped(job(cores=2), sort=10)
    assert reuse([queue], ending(job(node="i-1"), sort=10)) == (0,)


def test_jobs_of_unknown_run_time_do_not_wait_for_others_to_end() -> None:
    (queue,) = grouped(job("new"), sort=10)
    assert reuse([queue], ending(job(node="i-1"), sort=10)) == (0,)


def test_place_on_a_spot_node_takes_no_job_that_must_not_be_interrupted() -> None:
    (queue,) = grouped(job(), sort=10)
    there = job(node="i-1", preemptible=True)
    assert reuse([queue], ending(there, spot=True, sort=10)) == (0,)
    (queue,) = grouped(job(preemptible=True), sort=10)
    assert reuse([queue], ending(there, spot=True, sort=10)) == (1,)


def test_jobs_that_overran_their_estimate_count_as_long() -> None:
    assert ending(job(node="i-1", since=ago(1000)), sort=10) == []


def test_jobs_a_little_over_their_estimate_are_about_to_end() -> None:
    (slot,) = ending(job(node="i-1", since=ago(15)), sort=10)
    assert slot.seconds == TARGET_S


def test_unknown_jobs_services_and_long_jobs_make_no_place() -> None:
    assert (
        ending(job("new", node="i-1"), job(node="i-1", service=True), job("long", node="i-1"), sort=10, long=9e9) == []
    )


def test_jobs_on_nodes_that_take_no_others_make_no_place() -> None:
    assert ending(job(node="i-drained"), sort=10) == []


def test_one_place_is_given_once() -> None:
    found = grouped(*jobs(2), *jobs(2, cores=2), sort=1000)
    there = ending(*jobs(2, node="i-1", cores=2), sort=100)
    assert reuse(found, there) == (0, 2)
    assert found[1].shape == shape(cores=2)
