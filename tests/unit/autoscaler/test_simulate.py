"""Recorded jobs against the autoscaler's own decisions, in simulated time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toilctl.autoscaler.decide import decide
from toilctl.autoscaler.model import Plan, Snapshot
from toilctl.autoscaler.policy import Policy
from toilctl.autoscaler.simulate import simulate
from toilctl.autoscaler.simulated import Simulated, most_at_once
from toilctl.autoscaler.trace import TraceJob
from toilctl.errors import UsageError
from toilctl.node_types import NodeType

from .builders import MEMORY, SPOT, offer, policy, shape

BOOT_S = 120.0


def traced(arrived_s: float = 0, run_s: float = 600, name: str = "sort", **needed: float) -> TraceJob:
    return TraceJob(name, shape(**needed), arrived_s, run_s)  # type: ignore[arg-type]


def replay(jobs: Iterable[TraceJob], of: Policy, boot_s: float = BOOT_S) -> Simulated:
    return simulate(jobs, of, {one: offer(str(one)) for one in of.node_types}, boot_s)


def test_job_waits_for_one_node_to_boot() -> None:
    found = replay([traced(cores=4)], policy(["m5.xlarge"]))
    (life,), (run,) = found.lives, found.runs
    assert (life.launched_s, life.joined_s, life.ended_s, life.busy_s) == (0, 120, 720, 600)
    assert (run.started_s, found.makespan_s, found.waits.longest_s) == (120, 720, 120)
    assert found.usd == pytest.approx(0.192 * 720 / 3600)
    assert life.idle_s == 0


def test_idle_node_goes_after_its_timeout_and_a_later_job_gets_a_new_one() -> None:
    jobs = [traced(0, 100), traced(7200, 100)]
    found = replay(jobs, policy(["m5.large"], idle_timeout_s=300))
    first, second = found.lives
    # The job ends at 220 s; the first tick after 300 s more is at 540 s.
    assert (first.joined_s, first.ended_s, first.idle_s) == (120, 540, 320)
    assert (second.launched_s, second.ended_s) == (7200, 7420)
    assert most_at_once(found.lives) == 1


def test_node_of_the_minimum_stays_and_the_next_job_does_not_wait() -> None:
    found = replay([traced(0, 100), traced(7200, 100)], policy(["m5.large"], least=1))
    (life,) = found.lives
    assert (life.seconds, life.idle_s) == (7300, 7300 - 120 - 200)
    assert [run.waited_s for run in found.runs] == [120, 0]


def test_small_job_starts_where_an_earlier_one_has_no_room() -> None:
    jobs = [traced(0, 1000, cores=3), traced(200, 100, cores=4), traced(201, 100, cores=1)]
    found = replay(jobs, policy(["m5.xlarge"], most=1))
    assert [(run.job.shape.cores, run.started_s) for run in found.runs] == [(3, 120), (1, 201), (4, 1120)]


def test_jobs_of_one_shape_start_in_the_order_of_their_arrival() -> None:
    found = replay([traced(number, 60, cores=2) for number in (3, 1, 2)], policy(["m5.large"], most=1))
    assert [run.job.arrived_s for run in found.runs] == [1, 2, 3]


def test_job_that_fits_nowhere_is_infeasible_and_the_others_run() -> None:
    found = replay([traced(cores=64), traced(memory_gb=1), traced(500, cores=64)], policy(["m5.large"]))
    (one,) = found.infeasible
    assert (one.shape.cores, one.count, one.lacking) == (64, 2, "cores")
    assert [run.job.shape.cores for run in found.runs] == [1]
    assert found.stuck == 0


def test_job_that_must_not_be_interrupted_never_runs_on_spot() -> None:
    found = replay([traced(preemptible=False), traced(preemptible=True)], policy(["m5.large:0.05"]))
    assert [run.job.shape.preemptible for run in found.runs] == [True]
    assert [one.lacking for one in found.infeasible] == ["preemptible"]


def test_known_run_times_of_short_jobs_launch_fewer_nodes_than_unknown_ones() -> None:
    many = [traced(1000, 60, cores=2) for _ in range(40)]
    unknown = replay(many, policy(["m5.large"], most=40))
    known = replay([traced(0, 60, cores=2), *many], policy(["m5.large"], most=40))
    assert most_at_once(unknown.lives) == 40
    assert most_at_once(known.lives) < 10


def test_boot_that_takes_longer_than_the_deadline_is_refused() -> None:
    with pytest.raises(UsageError, match="none would ever run a job") as caught:
        replay([traced()], policy(["m5.large"], join_deadline_s=60))
    assert "--join-deadline" in caught.value.next_step


def test_nothing_comes_of_no_jobs() -> None:
    found = replay([], policy(["m5.large"], least=1))
    assert (found.lives, found.makespan_s, found.usd, found.waits.longest_s) == ((), 0, 0, 0)


JOBS = st.lists(
    st.builds(
        traced,
        st.integers(0, 4000),
        st.sampled_from([0, 1.5, 45, 600, 4000]),
        st.sampled_from(["sort", "merge"]),
        cores=st.sampled_from([0.1, 0.3, 1, 4, 32, 64]),
        memory_gb=st.sampled_from([0.5, 8, 100]),
        preemptible=st.booleans(),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


def overlapping(found: Simulated, instance_id: str) -> float:
    """Return how many cores of a node were in use at most, which is when some job started."""
    runs = [run for run in found.runs if run.instance_id == instance_id and run.job.run_s]
    return max(
        (sum(two.job.shape.cores for two in runs if two.started_s <= one.started_s < two.ended_s) for one in runs),
        default=0.0,
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(JOBS, st.tuples(st.integers(1, 3), st.integers(1, 2)), st.integers(0, 1), st.sampled_from([0, 0.1, 0.9]))
def test_whatever_arrives_every_feasible_job_runs_once_within_limits_and_the_cost_adds_up(
    jobs: Sequence[TraceJob], most: tuple[int, int], least: int, inertia: float
) -> None:
    of = policy((SPOT, MEMORY), most, least, beta_inertia=inertia)
    found = replay(jobs, of)
    # A node of MEMORY has 32 cores and 244 GiB, and is on demand.
    able = [one for one in jobs if one.shape.cores <= 32]
    assert sorted(map(id, able)) == sorted(id(run.job) for run in found.runs)
    assert sum(one.count for one in found.infeasible) == len(jobs) - len(able)
    assert found.stuck == 0
    for limits in of.limits:
        assert most_at_once(found.of(limits.node_type)) <= limits.max_nodes
    by_id = {life.instance_id: life for life in found.lives}
    for run in found.runs:
        life = by_id[run.instance_id]
        assert run.started_s >= run.job.arrived_s
        assert life.joined_s is not None
        assert life.joined_s <= run.started_s <= run.ended_s <= life.ended_s
        assert run.job.shape.preemptible or not life.node_type.preemptible
    for life in found.lives:
        assert overlapping(found, life.instance_id) <= offer(str(life.node_type)).resources.cores + 1e-6
        assert 0 <= life.busy_s <= life.seconds
        assert life.idle_s >= -1e-6
    seconds = {kind: sum(life.seconds for life in found.of(kind)) for kind in of.node_types}
    prices = {kind: offer(str(kind)).usd_per_hour for kind in of.node_types}
    assert math.isclose(found.usd, sum(seconds[kind] / 3600 * prices[kind] for kind in seconds), abs_tol=1e-9)
    assert replay(jobs, of) == found


@settings(max_examples=15, deadline=None, derandomize=True)
@given(JOBS)
# The larger one comes first, and both are found at once when the ticks between are left out.
@example(
    [
        *[traced(0, 600, cores=0.1, memory_gb=0.5)] * 9,
        traced(0, 600, cores=32, memory_gb=0.5, preemptible=True),
        traced(391, 0, cores=64, memory_gb=8),
        traced(421, 0, cores=64, memory_gb=0.5),
    ]
)
def test_ticks_that_are_skipped_would_have_decided_nothing(jobs: Sequence[TraceJob]) -> None:
    from toilctl.autoscaler import simulate as module

    of = policy((SPOT, MEMORY), 1, (0, 1), beta_inertia=0.1)
    skipping = replay(jobs, of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Simulation, "_next_tick", lambda _, tick, __: tick + 1)
        patch.setattr(module._Simulation, "_saturated", lambda _: False)
        assert replay(jobs, of) == skipping


def test_spot_and_on_demand_are_counted_apart() -> None:
    found = replay([traced(cores=36, preemptible=True), traced(memory_gb=200)], policy((SPOT, MEMORY)))
    assert [len(found.of(NodeType.parse(kind))) for kind in (SPOT, MEMORY)] == [1, 1]


def test_cluster_that_is_full_and_busy_is_decided_on_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    from toilctl.autoscaler import simulate as module

    decisions = []

    def counting(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        decisions.append(now)
        return decide(snapshot, of, now)

    monkeypatch.setattr(module, "decide", counting)
    found = replay([traced(number, 600, cores=2) for number in range(30)], policy(["m5.large"], most=1))
    assert found.makespan_s == 120 + 30 * 600
    assert len(decisions) < 20
