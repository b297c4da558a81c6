"""What running jobs say of those that wait."""

from __future__ import annotations

import pytest

from tests.unit.autoscaler.builders import MEMORY, NOW, SPOT, ago, busy, job, jobs, policy, snapshot
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.decide.run_times import raised
from toilctl.values.jobs import Job

HOUR_S = 3600


def running(*ages_s: float, **more: object) -> list[Job]:
    return [job(node="i-1", since=ago(age_s), **more) for age_s in ages_s]  # type: ignore[arg-type]


def test_history_of_seconds_does_not_hide_jobs_that_run_for_hours() -> None:
    there = [
        busy(f"i-{number}", SPOT, cores=36, name="CWLJob", preemptible=True, since=ago(5 * HOUR_S))
        for number in range(5)
    ]
    waiting = jobs(15, name="CWLJob", cores=36, preemptible=True)
    seen = snapshot([*waiting, *(one for _, run in there for one in run)], [one for one, _ in there], {"CWLJob": 5})
    (launch,) = decide(seen, policy([SPOT, MEMORY], most=100), NOW).launches
    assert (str(launch.node_type), launch.count) == (SPOT, 15)


def test_job_that_overruns_raises_the_estimate_at_once() -> None:
    assert raised({"sort": 5}, running(40), NOW) == {"sort": 80}
    assert raised({"sort": 600}, running(1300), NOW) == {"sort": 2600}


def test_jobs_a_little_over_their_estimate_change_nothing() -> None:
    assert raised({"sort": 5}, running(30), NOW) == {"sort": 5}
    assert raised({"sort": 600}, running(1100), NOW) == {"sort": 600}


@pytest.mark.parametrize(("ages_s", "expected"), [((900, 1), 1800), ((900, 1, 1), 5), ((900, 700, 1), 1400)])
def test_estimate_follows_half_of_those_that_run(ages_s: tuple[float, ...], expected: float) -> None:
    assert raised({"sort": 5}, running(*ages_s), NOW) == {"sort": expected}


def test_other_names_and_services_say_nothing() -> None:
    there = [*running(900, name="merge"), *running(900, service=True), job(node="i-1")]
    assert raised({"sort": 5}, there, NOW) == {"sort": 5}


def test_what_is_not_known_stays_unknown() -> None:
    assert raised({}, running(900), NOW) == {}
