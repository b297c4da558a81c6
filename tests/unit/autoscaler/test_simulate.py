"""Recorded jobs against the autoscaler's own decisions, in simulated time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toilctl.autoscaler.decide import decide
from toilctl.autoscaler.hazards import NONE, Hazards, Shortages
from toilctl.autoscaler.interrupted import EVACUATE_S
from toilctl.autoscaler.model import NOTICE_S, Offering, Snapshot
from toilctl.autoscaler.plan import Launch, Plan, Reason, Replace, ScaleIn
from toilctl.autoscaler.policy import Policy
from toilctl.autoscaler.refused import SET_ASIDE_S
from toilctl.autoscaler.simulate import simulate
from toilctl.autoscaler.simulate_engine import MOST_LOSSES
from toilctl.autoscaler.simulated import Simulated, most_at_once
from toilctl.autoscaler.trace import TraceJob
from toilctl.errors import UsageError
from toilctl.node_types import NodeType

from .builders import MEMORY, SPOT, offer, policy, shape
from .worlds import counts_until

BOOT_S = 120.0


def traced(arrived_s: float = 0, run_s: float = 600, name: str = "sort", **needed: float) -> TraceJob:
    return TraceJob(name, shape(**needed), arrived_s, run_s)  # type: ignore[arg-type]


def replay(
    jobs: Iterable[TraceJob], of: Policy, boot_s: float = BOOT_S, hazards: Hazards = NONE, **how: Any
) -> Simulated:
    return simulate(jobs, of, {one: offer(str(one)) for one in of.node_types}, boot_s, hazards, **how)


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


HAZARDS = st.builds(
    Hazards, st.sampled_from([0, 0.5, 5, 60]), st.sampled_from([0, 0.2, 0.6, 0.95]), st.integers(0, 1000)
)  # fmt: skip
BOTH = "c4.8xlarge/c5.9xlarge:0.6"
ZONES = ("us-west-2a", "us-west-2b")


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
    shortages, numbers, gone = Shortages(hazards), Counter[Offering](), {}
    for life in found.lives:
        offering = Offering(life.instance_type, life.zone, life.node_type.preemptible)
        assert not shortages.short(offering, life.launched_s)
        numbers[offering] += 1
        taken_s = life.launched_s + hazards.lifetime_s(offering, numbers[offering])
        assert life.ended_s == taken_s if life.interrupted else life.ended_s <= taken_s
        if life.interrupted:
            assert life.node_type.preemptible
            gone[life.instance_id] = life.ended_s
    assert len(gone) == found.interruptions
    assert all(gone[run.instance_id] - EVACUATE_S <= run.ended_s <= gone[run.instance_id] for run in found.lost)
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


@settings(max_examples=40, deadline=None, derandomize=True)
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


@settings(max_examples=30, deadline=None, derandomize=True)
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


def test_on_demand_nodes_take_the_place_of_spot_that_is_lacking_and_make_way_for_it_again() -> None:
    jobs = [traced(240 * at, 1200, cores=32, preemptible=True) for at in range(40)]
    hazards = Hazards(short_share=0.7, seed=0)

    def lives(**tuning: float) -> tuple[list[float], list[float]]:
        """Return when on-demand and spot nodes ended."""
        found = replay(jobs, policy((SPOT, MEMORY), (8, 4), **tuning), hazards=hazards)
        assert (len(found.runs), found.stuck) == (40, 0)
        durable, spot = ([life.ended_s for life in found.of(NodeType.parse(kind))] for kind in (MEMORY, SPOT))
        return durable, spot

    assert lives()[0] == lives(spot_fallback_after_s=99999)[0] == []
    durable, spot = lives(spot_fallback_after_s=60)
    assert durable
    assert max(durable) < max(spot) - 1200


def test_job_that_fits_nowhere_is_found_while_all_nodes_are_busy() -> None:
    found = replay([traced(0, 100, cores=2), traced(150, cores=64)], policy(["m5.large"], most=1))
    assert [one.count for one in found.infeasible] == [1]
    # It holds up nothing: the node goes with the last job.
    assert [life.ended_s for life in found.lives] == [220]


def test_spot_and_on_demand_are_counted_apart() -> None:
    found = replay([traced(cores=36, preemptible=True), traced(memory_gb=200)], policy((SPOT, MEMORY)))
    assert [len(found.of(NodeType.parse(kind))) for kind in (SPOT, MEMORY)] == [1, 1]


def test_cluster_that_is_full_and_busy_is_decided_on_seldom() -> None:
    decisions = []

    def counting(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        decisions.append(now)
        return decide(snapshot, of, now)

    jobs = [traced(number, 600, cores=2) for number in range(30)]
    found = replay(jobs, policy(["m5.large"], most=1), decide=counting)
    assert found.makespan_s == 120 + 30 * 600
    assert len(decisions) < 20


def lifetimes(hazards: Hazards, kind: str, count: int) -> list[float]:
    return [hazards.lifetime_s(Offering(kind, ZONES[0], spot=True), number) for number in range(1, count + 1)]


def test_node_that_is_interrupted_gives_its_jobs_back() -> None:
    # The first node lives for some 22 minutes, the second for two hours.
    hazards = next(
        one
        for one in (Hazards(1, seed=seed) for seed in range(1000))
        if 1000 < (lives := lifetimes(one, "m5.large", 2))[0] < 1400 and lives[1] > 7200
    )
    first_s, _ = lifetimes(hazards, "m5.large", 2)
    jobs = [traced(number, 2000, cores=1, preemptible=True) for number in range(4)]
    found = replay(jobs, policy(["m5.large:0.05"], most=1), hazards=hazards)
    gone, last = found.lives
    busy_s = first_s - EVACUATE_S - 120
    assert (gone.interrupted, gone.ended_s) == (True, first_s)
    assert gone.busy_s == pytest.approx(busy_s)
    assert (last.interrupted, found.interruptions) == (False, 1)
    # Two ran side by side, began again first, and the younger two came after them.
    assert [run.job for run in found.lost] == [jobs[1], jobs[0]]
    assert found.lost_s == pytest.approx(2 * busy_s)
    assert [run.job for run in found.runs] == jobs
    # Two minutes before the first goes, EC2 says so, and the second is launched at once, above the maximum of one.
    assert last.launched_s == pytest.approx(first_s - NOTICE_S)
    starts = [0, 0, 2000, 2000]
    assert [run.started_s - first_s for run in found.runs] == pytest.approx(starts)


def test_job_that_nodes_never_live_long_enough_for_is_given_up() -> None:
    jobs = [traced(0, 100_000, preemptible=True), traced(1, 60, preemptible=True)]
    found = replay(jobs, policy(["m5.large:0.05"]), hazards=Hazards(10))
    assert [run.job for run in found.runs] == jobs[1:]
    assert found.stuck == 1
    assert sum(run.job is jobs[0] for run in found.lost) == MOST_LOSSES


@pytest.mark.parametrize("hazards", [Hazards(10_000), Hazards(short_share=1 - 1e-9)])
def test_simulation_ends_when_no_node_can_be_had_for_long_enough(hazards: Hazards) -> None:
    found = replay([traced(preemptible=True)] * 3, policy(["m5.large:0.05"], scale_interval_s=180), hazards=hazards)
    assert (found.runs, found.stuck) == ((), 3)


def seed_with(short: Sequence[bool], kind: NodeType, zones: Sequence[str]) -> Hazards:
    """Return hazards whose shortages at the beginning are these, by instance type and zone, and last for a while."""
    offerings = [Offering(one, zone, kind.preemptible) for one in kind.instance_types for zone in zones]

    def suits(hazards: Hazards) -> bool:
        shortages = Shortages(hazards)
        return all(
            shortages.short(offering, at_s) == there
            for offering, there in zip(offerings, short, strict=True) for at_s in range(0, 400, 10)
        )  # fmt: skip

    return next(one for one in (Hazards(short_share=0.5, seed=seed) for seed in range(10_000)) if suits(one))


def test_launch_takes_the_first_offering_with_capacity_and_views_show_it() -> None:
    hazards = seed_with((True, True, True, False), NodeType.parse(BOTH), ZONES)
    seen: list[Snapshot] = []

    def watching(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        seen.append(snapshot)
        return decide(snapshot, of, now)

    found = replay([traced(preemptible=True)], policy([BOTH], zones=ZONES), hazards=hazards, decide=watching)
    (life,) = found.lives
    assert (life.instance_type, life.zone, found.refusals) == ("c5.9xlarge", ZONES[1], 3)
    assert [(one.instance_type, one.zone) for one in seen[1].nodes] == [("c5.9xlarge", ZONES[1])]
    refused = [("c4.8xlarge", ZONES[0]), ("c4.8xlarge", ZONES[1]), ("c5.9xlarge", ZONES[0])]
    assert [(one.offering.instance_type, one.offering.zone) for one in seen[1].set_aside] == refused
    assert {one.code for one in seen[1].set_aside} == {"InsufficientInstanceCapacity"}


def test_nothing_is_decided_while_all_nodes_work_and_the_others_are_refused() -> None:
    hazards = Hazards(2, 0.6, seed=3)
    jobs = [traced(number, 300, cores=2, preemptible=True) for number in range(60)]
    of = policy(["m5.large:0.05"], most=3, beta_inertia=0.9)
    decisions = []

    def counting(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        decisions.append(now)
        return decide(snapshot, of, now)

    found = replay(jobs, of, hazards=hazards, decide=counting)
    seldom = len(decisions)
    assert replay(jobs, of, hazards=hazards, decide=counting, every_tick=True) == found
    # Smoothed numbers come to rest in 200 ticks, and nothing is refused for longer than six.
    assert found.refusals > 10
    assert found.interruptions > 2
    # While EC2 is about to take a node away, every tick counts.
    assert seldom < (len(decisions) - seldom) / 3


def test_what_was_refused_is_asked_for_again_when_it_is_no_longer_set_aside() -> None:
    hazards = seed_with((True,), NodeType.parse("m5.large"), ZONES[:1])
    asked_s: list[float] = []
    begin: list[datetime] = []

    def watching(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        plan = decide(snapshot, of, now)
        begin.append(now)
        asked_s.extend((now - begin[0]).total_seconds() for _ in plan.launches)
        return plan

    found = replay([traced()], policy(["m5.large"]), hazards=hazards, decide=watching)
    assert asked_s == [SET_ASIDE_S * number for number in range(found.refusals + 1)]
    assert found.refusals >= 3
    assert [life.launched_s for life in found.lives] == asked_s[-1:]


def test_nothing_is_stuck_while_something_is_set_aside() -> None:
    kind = NodeType.parse("m5.large")
    hazards = next(one for seed in range(1000) if (one := Hazards(short_share=0.5, seed=seed)) and _short_at_first(one))

    def patient(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        asks = not snapshot.nodes and now.minute % 6 == 0 and now.second == 0
        return Plan(launches=(Launch(kind, 1),) if asks else ())

    found = replay([traced()], policy(["m5.large"], scale_interval_s=1), hazards=hazards, decide=patient)
    # Of the six minutes in which nothing happens, three pass before it could.
    assert (found.refusals, found.stuck, [life.launched_s for life in found.lives]) == (1, 0, [360])


def _short_at_first(hazards: Hazards) -> bool:
    shortages, offering = Shortages(hazards), Offering("m5.large", "us-west-2a", spot=False)
    return shortages.short(offering, 0) and not shortages.short(offering, 360)


def test_offerings_that_a_launch_leaves_out_are_not_asked_for() -> None:
    kind = NodeType.parse(BOTH)
    left_out = tuple(Offering("c4.8xlarge", zone, spot=True) for zone in ZONES)

    def without(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        return Plan(launches=() if snapshot.nodes else (Launch(kind, 1, Reason.DEMAND, left_out),))

    found = replay([traced(preemptible=True)], policy([BOTH], zones=ZONES), decide=without)
    assert [(life.instance_type, life.zone) for life in found.lives] == [("c5.9xlarge", ZONES[0])]


def test_another_algorithm_decides_in_its_place_and_at_every_tick_if_it_must() -> None:
    kind, ticks = NodeType.parse("m5.large"), []

    def two_at_once(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        ticks.append(now)
        return Plan(launches=() if snapshot.nodes else (Launch(kind, 2),))

    found = replay([traced(0, 6000)], policy(["m5.large"]), decide=two_at_once)
    assert [life.launched_s for life in found.lives] == [0, 0]
    seldom = len(ticks)
    assert replay([traced(0, 6000)], policy(["m5.large"]), decide=two_at_once, every_tick=True) == found
    # One each 30 s from 0 to 6,120 s, when the job ends.
    assert len(ticks) - seldom == 205
    assert seldom < 20


def test_scaled_in_node_goes_when_it_is_idle_and_replaced_one_at_once() -> None:
    kind = NodeType.parse("m5.large")

    def ending(snapshot: Snapshot, of: Policy, now: datetime) -> Plan:
        nodes = [one for one in snapshot.nodes if one.running]
        launches = () if snapshot.nodes else (Launch(kind, 1),)
        scale_in = tuple(ScaleIn((one.instance_id,), Reason.IDLE) for one in nodes)
        late = [one for one in nodes if (now - one.launched_at).total_seconds() == 300 and one.instance_id == "i-2"]
        return Plan(launches, scale_in=scale_in, replace=tuple(Replace(one.instance_id, Reason.LOST) for one in late))

    found = replay([traced(0, 600)], policy(["m5.large"]), decide=ending)
    assert [(life.ended_s, life.interrupted) for life in found.lives] == [(300, False), (1020 + 30, False)]
    assert [(run.started_s, run.ended_s) for run in found.lost] == [(120, 300)]
    assert [run.started_s for run in found.runs] == [450]
    assert found.interruptions == 0
