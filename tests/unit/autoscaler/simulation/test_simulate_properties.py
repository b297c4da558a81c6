"""Whatever arrives: properties of simulations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import MEMORY, offer, policy
from tests.unit.autoscaler.simulation.replays import BOTH, ZONES, replay, traced
from tests.unit.autoscaler.worlds import counts_until
from toilctl.autoscaler.decide.interruptions import EVACUATE_S
from toilctl.autoscaler.model.snapshot import Offering
from toilctl.autoscaler.simulation.engine import MOST_LOSSES
from toilctl.autoscaler.simulation.hazards import NONE, Hazards, Shortages
from toilctl.autoscaler.simulation.outcome import Simulated, most_at_once
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.scaling_policy import Policy

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


HAZARDS = st.builds(
    Hazards, st.sampled_from([0, 0.5, 5, 60]), st.sampled_from([0, 0.2, 0.6, 0.95]), st.integers(0, 1000)
)  # fmt: skip


def overlapping(found: Simulated, instance_id: str) -> float:
    """Return how many cores of a node were in use at most, which is when some job started."""
    runs = [one for one in (*found.runs, *found.lost) if one.instance_id == instance_id and one.ended_s > one.started_s]
    return max(
        (sum(two.job.shape.cores for two in runs if two.started_s <= one.started_s < two.ended_s) for one in runs),
        default=0.0,
    )


def check_runs(found: Simulated) -> None:
    """Every run, also one in vain, is on a node that was there and allowed for it."""
    by_id = {life.instance_id: life for life in found.lives}
    for run in (*found.runs, *found.lost):
        life = by_id[run.instance_id]
        assert run.started_s >= run.job.arrived_s
        assert life.joined_s is not None
        assert life.joined_s <= run.started_s <= run.ended_s <= life.ended_s
        assert run.job.shape.preemptible or not life.node_type.preemptible


def check_lives(found: Simulated, of: Policy) -> None:
    """Nodes are within limits, do no more than they can, and cost adds up."""
    for limits in of.limits:
        counted = [replace(one, ended_s=counts_until(one)) for one in found.of(limits.node_type)]
        assert most_at_once(counted) <= limits.max_nodes
    for life in found.lives:
        assert overlapping(found, life.instance_id) <= offer(str(life.node_type)).resources.cores + 1e-6
        assert 0 <= life.busy_s <= life.seconds
        assert life.idle_s >= -1e-6
    seconds = {kind: sum(life.seconds for life in found.of(kind)) for kind in of.node_types}
    prices = {kind: offer(str(kind)).usd_per_hour for kind in of.node_types}
    assert math.isclose(found.usd, sum(seconds[kind] / 3600 * prices[kind] for kind in seconds), abs_tol=1e-9)


def check_hazards(found: Simulated, hazards: Hazards) -> None:
    """Nodes went when they had to, with what ran there, and came from where there was capacity."""
    shortages, numbers, taken = Shortages(hazards), Counter[Offering](), {}
    for life in found.lives:
        offering = Offering(life.instance_type, life.zone, life.node_type.preemptible)
        assert not shortages.short(offering, life.launched_s)
        numbers[offering] += 1
        taken_s = life.launched_s + hazards.lifetime_s(offering, numbers[offering])
        assert life.ended_s == taken_s if life.interrupted else life.ended_s <= taken_s
        assert life.node_type.preemptible or not life.interrupted
        # Whoever gives up the last job ends the simulation, between a node's notice and its end, too.
        if life.noticed_s is not None:
            taken[life.instance_id] = taken_s
    assert sum(life.interrupted for life in found.lives) == found.interruptions
    for run in found.lost:
        # Moments of decisions have microseconds.
        assert taken[run.instance_id] - EVACUATE_S - 1e-6 <= run.ended_s <= taken[run.instance_id]
    assert found.lost_s == pytest.approx(sum(run.ended_s - run.started_s for run in found.lost))
    losses = Counter(id(run.job) for run in found.lost)
    assert max(losses.values(), default=0) <= MOST_LOSSES


def check_order(found: Simulated) -> None:
    """No job starts while an older one of its shape waits, whether for the first time or again."""
    ended = {id(run.job): run.ended_s for run in found.runs}
    everything = (*found.runs, *found.lost)
    for run in everything:
        alike = [one for one in everything if one.job.shape == run.job.shape and one.started_s > run.started_s]
        for late in (one for one in alike if one.job.arrived_s < run.job.arrived_s):
            there = [one for one in everything if one.job is late.job and one.started_s <= run.started_s <= one.ended_s]
            assert there or ended.get(id(late.job), math.inf) <= run.started_s


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(
    JOBS, st.tuples(st.integers(1, 3), st.integers(1, 2)), st.integers(0, 1), st.sampled_from([0, 0.1, 0.9]),
    st.sampled_from([0, 0.5]), st.just(NONE) | HAZARDS,
)  # fmt: skip
def test_whatever_arrives_every_feasible_job_runs_once_within_limits_and_the_cost_adds_up(
    jobs: Sequence[TraceJob], most: tuple[int, int], least: int, inertia: float, share: float, hazards: Hazards
) -> None:
    of = policy((BOTH, MEMORY), most, least, ZONES, beta_inertia=inertia, preemptible_compensation=share)
    found = replay(jobs, of, hazards=hazards)
    # A node of MEMORY has 32 cores and 244 GiB, and is on demand.
    able = Counter(id(one) for one in jobs if one.shape.cores <= 32)
    ran = Counter(id(run.job) for run in found.runs)
    assert ran <= able
    assert (able - ran).total() == found.stuck
    assert sum(one.count for one in found.infeasible) == len(jobs) - able.total()
    if hazards == NONE:
        assert (found.stuck, found.lost, found.interruptions, found.refusals) == (0, (), 0, 0)
    check_runs(found)
    check_lives(found, of)
    check_hazards(found, hazards)
    check_order(found)
    assert replay(jobs, of, hazards=hazards) == found


@settings(max_examples=examples(30), deadline=None, derandomize=True)
@given(JOBS, st.just(NONE) | HAZARDS, st.sampled_from([(1, 0.1, 0), (4, 0.1, 600), (4, 0.9, 0), (2, 0.1, 60)]))
# The larger one comes first, and both are found at once when the ticks between are left out.
@example(
    [
        *[traced(0, 600, cores=0.1, memory_gb=0.5)] * 9,
        traced(0, 600, cores=32, memory_gb=0.5, preemptible=True),
        traced(391, 0, cores=64, memory_gb=8),
        traced(421, 0, cores=64, memory_gb=0.5),
    ],
    NONE,
    (1, 0.1, 0),
)
# The minimum cannot be had at first, and nothing waits for it.
@example([traced(0, 0, cores=4, memory_gb=8), traced(4000, 0, cores=4, memory_gb=8)], Hazards(5, 0.6, 3), (1, 0.1, 0))
def test_ticks_that_are_skipped_would_have_decided_nothing(
    jobs: Sequence[TraceJob], hazards: Hazards, eager: tuple[int, float, float]
) -> None:
    most, inertia, after_s = eager
    of = policy(
        (BOTH, MEMORY), most, (1, 1), ZONES, beta_inertia=inertia, preemptible_compensation=0 if after_s else 0.5,
        spot_fallback_after_s=after_s,
    )  # fmt: skip
    assert replay(jobs, of, hazards=hazards) == replay(jobs, of, hazards=hazards, every_tick=True)
