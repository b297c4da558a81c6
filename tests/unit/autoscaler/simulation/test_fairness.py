"""Nobody is starved and nothing flaps, whatever arrives: the autoscaler's own decisions in simulated time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import example, given, settings

from tests.examples import examples
from tests.unit.autoscaler.builders import MEMORY, SPOT, policy, shape
from tests.unit.autoscaler.worlds import (
    Wait,
    Works,
    World,
    calm,
    counts_until,
    interrupted,
    overtaken,
    runs_on,
    scarce,
    short,
    taken,
    waits,
    worlds,
)
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.plan import ScaleIn, ScalingPlan
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.snapshot import Snapshot
from toilctl.autoscaler.simulation.engine import MOST_LOSSES
from toilctl.autoscaler.simulation.outcome import NodeLife, Simulated
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.scaling_policy import Policy

ROUNDING_S = 1e-3


def unexplained_s(world: World, found: Simulated, works: Works, wait: Wait) -> float:
    """Return by how much a wait is longer than it may be; not above 0 when the job was not starved.

    While a job waits, all nodes that the policy allows it are there and boot or work. All other time is: until the
    next decision; the boot that it leads to; and the target time, within which short jobs may wait for a place on a
    node that works. The first two begin again when EC2 takes a node away, or refuses one, for as long as it does; and
    with each older job, which the engine may start on the node that was launched for this one. So with W seconds of
    boots and work on at most M nodes meanwhile, no job waits for longer than W / M and these, however many younger jobs
    there are.
    """
    tuning = world.policy.tuning
    again = taken(world, found, wait) + overtaken(found, wait)
    refused_s = 0.0
    if world.hazards.short_share:
        refused_s, spells = short(world, wait)
        again += spells
    within_s = (1 + again) * (tuning.scale_interval_s + world.boot_s) + tuning.target_time_s
    return wait.seconds - works.full(world, wait) - refused_s - within_s - ROUNDING_S


def check_fair(world: World, found: Simulated) -> None:
    """Every feasible job ran, unless it lost its place too often, and none waited for longer than it may."""
    ran = Counter(id(one.job) for one in found.runs)
    lost = Counter(id(one.job) for one in found.lost)
    for job in world.feasible():
        assert ran[id(job)] == 1 or lost[id(job)] == MOST_LOSSES
    works = Works(found)
    for wait in waits(found):
        assert unexplained_s(world, found, works, wait) <= 0, wait


def small(name: str, cores: float, preemptible: bool, arrived_s: float, run_s: float) -> TraceJob:
    return TraceJob(name, shape(cores, 0.5, 1, preemptible), arrived_s, run_s)


OVERTAKEN = World(
    [
        small("long", 0.3, True, 0, 1200), small("long", 0.3, True, 0, 1200), small("long", 4, False, 1, 1200),
        small("any", 0.3, False, 95, 3000), small("any", 4, False, 101, 5),
    ],
    policy([SPOT, "m5.xlarge", MEMORY], (1, 1, 2), target_time_s=60, scale_interval_s=10), boot_s=240,
)  # fmt: skip
"""The node for the third job joins before that for the first two, which begin there; another boots for others only."""


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@example(OVERTAKEN)
@given(worlds(calm))
def test_no_job_waits_while_there_could_be_a_node_for_it(world: World) -> None:
    found = world.run()
    check_fair(world, found)
    assert found.stuck == 0


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(worlds(interrupted))
def test_no_job_is_starved_where_ec2_takes_nodes_away(world: World) -> None:
    check_fair(world, world.run())


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(worlds(scarce))
def test_no_job_is_starved_where_ec2_has_no_capacity_for_spells(world: World) -> None:
    check_fair(world, world.run())


def stream(count: int, every_s: float, run_s: float) -> list[TraceJob]:
    """Return small jobs, one after the other."""
    return [TraceJob("small", shape(1, 1), number * every_s, run_s) for number in range(count)]


def test_bound_finds_a_shape_that_others_starve() -> None:
    """The large job gets no node as long as small ones come, though its node type has none at all."""
    large = TraceJob("large", shape(16, 100), 40.0, 60.0)
    world = World([*stream(200, 60, 50), large], policy(["m5.large", MEMORY], most=3))

    def unfair(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        plan = decide(snapshot, of, now)
        if any(one.name == "small" for one in snapshot.demand.jobs):
            return replace(plan, launches=tuple(one for one in plan.launches if str(one.node_type) != MEMORY))
        return plan

    check_fair(world, world.run())
    found = world.run(decide=unfair)
    assert found.stuck == 0
    with pytest.raises(AssertionError, match="large"):
        check_fair(world, found)


def removed(found: Simulated) -> list[NodeLife]:
    """Return the nodes that the autoscaler let go."""
    end_s = max(one.ended_s for one in found.lives) if found.lives else 0.0
    return [one for one in found.lives if not one.interrupted and one.ended_s < end_s]


def check_calm(world: World, found: Simulated) -> None:
    """No node goes before it was idle for the idle timeout, nor below the minimum."""
    timeout_s = world.policy.tuning.idle_timeout_s
    for life in removed(found):
        assert life.joined_s is not None
        idle_since_s = max((one.ended_s for one in runs_on(found, life.instance_id)), default=life.joined_s)
        assert life.ended_s - idle_since_s >= timeout_s - ROUNDING_S, life
        there = [one for one in found.of(life.node_type) if one.launched_s <= life.ended_s < counts_until(one)]
        assert len(there) >= world.policy.limits_of(life.node_type).min_nodes


def check_no_node_is_launched_beside_an_idle_one(world: World, found: Simulated) -> None:
    """A node is launched for the minimum, or else because no node of its type, which is as large, is idle."""
    for life in found.lives:
        same = [
            one for one in found.of(life.node_type)
            if one.launched_s < life.launched_s < counts_until(one) and one is not life
        ]  # fmt: skip
        if len(same) < world.policy.limits_of(life.node_type).min_nodes:
            continue
        for other in same:
            booting = other.joined_s is None or other.joined_s >= life.launched_s
            works = any(one.started_s <= life.launched_s <= one.ended_s for one in runs_on(found, other.instance_id))
            assert booting or works, (life, other)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(worlds(calm | interrupted | scarce))
def test_no_node_goes_before_its_idle_timeout_and_none_is_launched_beside_an_idle_one(world: World) -> None:
    found = world.run()
    check_calm(world, found)
    check_no_node_is_launched_beside_an_idle_one(world, found)


def test_nodes_that_flap_are_found() -> None:
    """A node that goes as soon as it is idle is launched again for the next job."""
    world = World(stream(20, 100, 10), policy(["m5.large"], most=1))

    def hasty(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        plan = decide(snapshot, of, now)
        idle = tuple(one.instance_id for one in snapshot.nodes if one.idle_since)
        return replace(plan, scale_in=(ScaleIn(idle, EndReason.IDLE),) if idle else ())

    check_calm(world, world.run())
    assert len(world.run().lives) == 1
    with pytest.raises(AssertionError):
        check_calm(world, world.run(decide=hasty))


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(worlds(calm | interrupted | scarce))
def test_nodes_are_never_more_than_the_limits_allow(world: World) -> None:
    found = world.run()
    for limits in world.policy.limits:
        changes = sorted(
            change for one in found.of(limits.node_type) for change in ((one.launched_s, 1), (counts_until(one), -1))
        )
        there = 0
        for _, change in changes:
            there += change
            assert there <= limits.max_nodes


@settings(max_examples=examples(25), deadline=None, derandomize=True)
@given(worlds(calm | interrupted | scarce))
def test_same_world_always_ends_the_same(world: World) -> None:
    def twice(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        plan = decide(snapshot, of, now)
        assert decide(replace(snapshot, offers=dict(reversed(snapshot.offers.items()))), of, now) == plan
        return plan

    found = world.run(decide=twice)
    assert world.run() == found
    assert world.run(every_tick=True) == found
