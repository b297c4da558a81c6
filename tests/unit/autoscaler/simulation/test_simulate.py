"""The autoscaler's decisions in simulated time."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.unit.autoscaler.builders import MEMORY, SPOT, policy
from tests.unit.autoscaler.simulation.replays import replay, traced
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.plan import ScalingPlan
from toilctl.autoscaler.model.snapshot import Snapshot
from toilctl.autoscaler.simulation import trace
from toilctl.autoscaler.simulation.hazards import Hazards
from toilctl.autoscaler.simulation.outcome import most_at_once
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy


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
    assert caught.value.facts == {"boot_s": 120, "join_deadline_s": 60}
    assert not caught.value.next_step


def test_nothing_comes_of_no_jobs() -> None:
    found = replay([], policy(["m5.large"], least=1))
    assert (found.lives, found.makespan_s, found.usd, found.waits.longest_s) == ((), 0, 0, 0)


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

    def counting(snapshot: Snapshot, of: Policy, now: datetime) -> ScalingPlan:
        decisions.append(now)
        return decide(snapshot, of, now)

    jobs = [traced(number, 600, cores=2) for number in range(30)]
    found = replay(jobs, policy(["m5.large"], most=1), decide=counting)
    assert found.makespan_s == 120 + 30 * 600
    assert len(decisions) < 20


def scattered(name: str) -> list[TraceJob]:
    """Four waves of a hundred shards, as a recording has them."""
    header = {"toilctl": 1, "started": 0, "generation": 1}
    events: list[object] = [header]
    for number in range(400):
        at_s, key = number // 100 * 3600, str(number)
        events += [["q", key, name.format(number % 100), 1, 2**30, 2**30, 0, 0, at_s], ["e", key, 0, 5, at_s + 5]]
    return list(trace.read({"run": [json.dumps(one) for one in events]}).jobs)


@pytest.mark.parametrize("name", ["sort", "main.{}.sort", "main.scattered.{}.command"])
def test_shards_with_names_of_their_own_cost_as_much_as_with_one(name: str) -> None:
    found = replay(scattered(name), policy(["m5.large"], most=100), boot_s=240)
    assert (len(found.runs), len(found.lives)) == (400, 53)
    assert found.usd == pytest.approx(0.82, abs=0.01)
