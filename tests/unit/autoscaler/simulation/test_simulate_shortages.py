"""Simulations with interruptions, and with what cannot be had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from tests.unit.autoscaler.builders import policy
from tests.unit.autoscaler.simulation.replays import BOTH, ZONES, replay, traced
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.decide.interruptions import EVACUATE_S
from toilctl.autoscaler.memory.refusals import SET_ASIDE_S
from toilctl.autoscaler.model.plan import ScaleIn, ScaleOut, ScalingPlan
from toilctl.autoscaler.model.reasons import EndReason, LaunchReason
from toilctl.autoscaler.model.snapshot import NOTICE_S, Offering, Snapshot
from toilctl.autoscaler.simulation.engine import MOST_LOSSES
from toilctl.autoscaler.simulation.hazards import Hazards, Shortages
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy


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

    def watching(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
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

    def counting(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
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

    def watching(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
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

    def patient(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        asks = not snapshot.nodes and now.minute % 6 == 0 and now.second == 0
        return ScalingPlan(launches=(ScaleOut(kind, 1),) if asks else ())

    found = replay([traced()], policy(["m5.large"], scale_interval_s=1), hazards=hazards, decide=patient)
    # Of the six minutes in which nothing happens, three pass before it could.
    assert (found.refusals, found.stuck, [life.launched_s for life in found.lives]) == (1, 0, [360])


def _short_at_first(hazards: Hazards) -> bool:
    shortages, offering = Shortages(hazards), Offering("m5.large", "us-west-2a", spot=False)
    return shortages.short(offering, 0) and not shortages.short(offering, 360)


def test_offerings_that_a_launch_leaves_out_are_not_asked_for() -> None:
    kind = NodeType.parse(BOTH)
    left_out = tuple(Offering("c4.8xlarge", zone, spot=True) for zone in ZONES)

    def without(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        return ScalingPlan(launches=() if snapshot.nodes else (ScaleOut(kind, 1, LaunchReason.DEMAND, left_out),))

    found = replay([traced(preemptible=True)], policy([BOTH], zones=ZONES), decide=without)
    assert [(life.instance_type, life.zone) for life in found.lives] == [("c5.9xlarge", ZONES[0])]


def test_another_algorithm_decides_in_its_place_and_at_every_tick_if_it_must() -> None:
    kind, ticks = NodeType.parse("m5.large"), []

    def two_at_once(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        ticks.append(now)
        return ScalingPlan(launches=() if snapshot.nodes else (ScaleOut(kind, 2),))

    found = replay([traced(0, 6000)], policy(["m5.large"]), decide=two_at_once)
    assert [life.launched_s for life in found.lives] == [0, 0]
    seldom = len(ticks)
    assert replay([traced(0, 6000)], policy(["m5.large"]), decide=two_at_once, every_tick=True) == found
    # One each 30 s from 0 to 6,120 s, when the job ends.
    assert len(ticks) - seldom == 205
    assert seldom < 20


def test_scaled_in_node_goes_when_it_is_idle_and_replaced_one_at_once() -> None:
    kind = NodeType.parse("m5.large")

    def ending(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        nodes = [one for one in snapshot.nodes if one.running]
        launches = () if snapshot.nodes else (ScaleOut(kind, 1),)
        scale_in = tuple(ScaleIn((one.instance_id,), EndReason.IDLE) for one in nodes)
        late = [one for one in nodes if (now - one.launched_at).total_seconds() == 300 and one.instance_id == "i-2"]
        return ScalingPlan(launches, scale_in=scale_in, replace={one.instance_id: EndReason.LOST for one in late})

    found = replay([traced(0, 600)], policy(["m5.large"]), decide=ending)
    assert [(life.ended_s, life.interrupted) for life in found.lives] == [(300, False), (1020 + 30, False)]
    assert [(run.started_s, run.ended_s) for run in found.lost] == [(120, 300)]
    assert [run.started_s for run in found.runs] == [450]
    assert found.interruptions == 0
