"""Nodes and jobs in simulated time, without anybody who decides."""

from __future__ import annotations

from tests.unit.autoscaler.builders import offer, shape
from toilctl.autoscaler.model.snapshot import NoticeKind, Offering, SpotNotice
from toilctl.autoscaler.simulation.engine import MOST_LOSSES, SimulatedEngine
from toilctl.autoscaler.simulation.node import SimulatedNode, at, seconds
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.cluster import NodeState
from toilctl.values.jobs import Demand, Job

OFFERING = Offering("m5.large", "us-west-2a", spot=True)


def joined(engine: SimulatedEngine, now_s: float = 0) -> SimulatedNode:
    """Return a new node with room for one job of two cores."""
    node = engine.launch(offer("m5.large:0.05"), OFFERING, now_s)
    engine.join(node, now_s)
    return node


def arrived(engine: SimulatedEngine, arrived_s: float) -> TraceJob:
    job = TraceJob("sort", shape(cores=2, preemptible=True), arrived_s, 600)
    engine.arrive(job)
    return job


def started(engine: SimulatedEngine, now_s: float) -> list[TraceJob]:
    return [job for _, _, job in engine.place(now_s)]


def test_moment_is_told_in_seconds_again() -> None:
    assert seconds(at(86400.5)) == 86400.5


def test_jobs_that_lost_their_nodes_one_after_the_other_start_again_by_their_arrival() -> None:
    engine = SimulatedEngine()
    nodes = [joined(engine) for _ in range(2)]
    jobs = [arrived(engine, number) for number in range(4)]
    assert started(engine, 3) == jobs[:2]
    for node in nodes:
        assert engine.remove(node, 100, interrupted=True).interrupted
    assert [(run.job, run.seconds) for run in engine.lost] == [(job, 97) for job in jobs[:2]]
    assert (engine.waiting, engine.running, len(engine.runs)) == (4, 0, 0)
    for _ in jobs:
        joined(engine, 200)
    assert started(engine, 200) == jobs
    assert [run.started_s for run in engine.runs.values()] == [200] * 4


def test_job_that_lost_its_node_waits_as_if_it_had_never_run() -> None:
    engine = SimulatedEngine()
    node = joined(engine)
    arrived(engine, 5)
    before = engine.demand({})
    assert started(engine, 60)
    assert engine.demand({}) != before
    engine.remove(node, 100)
    assert engine.demand({}) == before


def test_job_is_given_up_with_its_last_loss() -> None:
    engine = SimulatedEngine()
    job = arrived(engine, 0)
    for number in range(MOST_LOSSES):
        node = joined(engine, number)
        assert started(engine, number) == [job]
        engine.remove(node, number + 1, interrupted=True)
    assert (engine.given_up, engine.waiting, engine.running, len(engine.lost)) == (1, 0, 0, MOST_LOSSES)
    assert engine.demand({}) == Demand()


def test_demand_names_running_jobs_and_counts_waiting_ones_that_are_alike() -> None:
    engine = SimulatedEngine()
    node = joined(engine)
    for number in range(3):
        arrived(engine, number)
    engine.arrive(TraceJob("merge", shape(cores=1), 4, 60, service=True))
    assert len(started(engine, 5)) == 1
    demand = engine.demand({"sort": 600})
    (running,) = demand.jobs
    needed = shape(cores=2, preemptible=True)
    assert running == Job("job-2", "sort", needed, node.instance_id, at(5))
    assert set(demand.counted) == {(Job("", "sort", needed), 2), (Job("", "merge", shape(cores=1), service=True), 1)}
    assert demand.run_times_s == {"sort": 600}


def test_demand_stays_as_it_was_told_while_jobs_come_and_go() -> None:
    engine = SimulatedEngine()
    arrived(engine, 0)
    before = engine.demand({})
    arrived(engine, 1)
    assert [count for _, count in before.counted] == [1]
    assert engine.drop(shape(cores=2, preemptible=True)) == 2
    assert engine.demand({}) == Demand()


def test_node_that_goes_while_it_boots_is_not_counted_any_more() -> None:
    engine = SimulatedEngine()
    node = engine.launch(offer("m5.large:0.05"), OFFERING, 0)
    assert engine.booting == 1
    life = engine.remove(node, 60, interrupted=True)
    assert (engine.booting, life.joined_s, life.busy_s, life.idle_s) == (0, None, 0, 0)


def test_node_that_goes_when_its_job_ends_takes_no_other() -> None:
    engine = SimulatedEngine()
    node = joined(engine)
    jobs = [arrived(engine, number) for number in range(2)]
    assert started(engine, 1) == jobs[:1]
    (job_id,) = node.jobs
    engine.end(node, job_id, 601)
    engine.remove(node, 601, interrupted=True)
    assert started(engine, 601) == []
    assert (engine.lost, engine.waiting) == ([], 1)


def test_node_that_is_given_up_takes_no_other_job_and_costs_money_to_its_end() -> None:
    engine = SimulatedEngine()
    node = joined(engine)
    jobs = [arrived(engine, number) for number in range(2)]
    assert started(engine, 2) == jobs[:1]
    node.warn(60, 180)
    node.drain()
    engine.evacuate(node, 150)
    assert [(run.job, run.seconds) for run in engine.lost] == [(jobs[0], 148)]
    assert started(engine, 150) == []
    assert (engine.waiting, engine.running, engine.doomed) == (2, 0, True)
    life = engine.remove(node, 180, interrupted=True)
    assert (life.busy_s, life.noticed_s, engine.doomed) == (148, 60, False)
    assert engine.usd(999) == life.usd == 180 * 0.05 / 3600


def test_notice_is_in_a_nodes_view() -> None:
    engine = SimulatedEngine()
    node = joined(engine)
    assert (node.view().notice, node.view().engine_state) == (None, NodeState.JOINED)
    node.warn(60, 180)
    node.drain()
    assert node.view().notice == SpotNotice(NoticeKind.TERMINATE, at(60), at(180))
    assert node.view().engine_state is NodeState.DRAINING
