"""The lower bound of what jobs cost, beside another solver and beside what simulations of the same jobs cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import MEMORY, SPOT, offer, policy, shape
from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.simulation.cost_bound import least_usd
from toilctl.autoscaler.simulation.simulate import simulate
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.autoscaler.simulation.workloads import ArrivalPattern, generate
from toilctl.values.capacity import Resources
from toilctl.values.node_types import NodeType

LARGE, MEDIUM = "m5.large", "m5.xlarge"


def traced(run_s: float = 3600, arrived_s: float = 0, **needed: float) -> TraceJob:
    return TraceJob("sort", shape(**needed), arrived_s, run_s)  # type: ignore[arg-type]


def on_offer(*node_types: str) -> dict[NodeType, Offer]:
    return {one.node_type: one for one in map(offer, node_types)}


def test_jobs_that_fill_a_node_cost_what_the_node_does() -> None:
    jobs = [traced(1800, cores=2), traced(5400, 70_000, cores=2)]
    assert least_usd(jobs, on_offer(LARGE)) == pytest.approx(2 * 0.096)


def test_node_is_paid_in_fractions_for_what_is_scarcest() -> None:
    memory_gb = offer(LARGE).resources.memory_mib / 1024 / 4
    assert least_usd([traced(cores=0.1, memory_gb=memory_gb)], on_offer(LARGE)) == pytest.approx(0.096 / 4, rel=1e-3)


def test_job_takes_all_that_it_needs_on_one_node() -> None:
    many, much = offer("c5.9xlarge"), offer(MEMORY)
    jobs = [traced(cores=36, memory_gb=1), traced(cores=1, memory_gb=200)] * 10
    share = 200 * 1024 / much.resources.memory_mib
    cost = 10 * (many.usd_per_hour + share * much.usd_per_hour)
    assert least_usd(jobs, on_offer("c5.9xlarge", MEMORY)) == pytest.approx(cost)


def test_many_shapes_and_node_types_are_bounded_all_the_same() -> None:
    nodes = {one.node_type: one for one in (offer(f"m5.large:{0.02 + number / 100}") for number in range(30))}
    jobs = [traced(cores=0.1 * (1 + number % 20), memory_gb=0.1 * (1 + number % 37)) for number in range(200)]
    jobs = [replace(job, shape=replace(job.shape, preemptible=True)) for job in jobs]
    cheapest = {min(nodes): nodes[min(nodes)]}
    assert 0 < least_usd(jobs, nodes) == pytest.approx(least_usd(jobs, cheapest), rel=0.02)


def test_no_jobs_cost_nothing() -> None:
    assert least_usd([], on_offer(SPOT, MEMORY)) == 0
    assert least_usd([], {}) == 0


def test_jobs_that_take_no_time_cost_nothing() -> None:
    assert least_usd([traced(0, cores=2), traced(0, preemptible=True)], on_offer(LARGE, SPOT)) == 0


def test_job_that_no_node_type_can_run_is_left_out() -> None:
    impossible = [traced(cores=64), traced(memory_gb=1000), traced(disk_gb=10_000)]
    assert least_usd(impossible, on_offer(LARGE)) == 0
    assert least_usd(impossible, {}) == 0
    assert least_usd([*impossible, traced(cores=2)], on_offer(LARGE)) == pytest.approx(0.096)


def test_job_that_must_not_be_interrupted_pays_for_on_demand() -> None:
    offers = on_offer(LARGE, "m5.large:0.05")
    assert least_usd([traced(cores=2, preemptible=True)], offers) == pytest.approx(0.05)
    assert least_usd([traced(cores=2, preemptible=False)], offers) == pytest.approx(0.096)
    assert least_usd([traced(cores=2, preemptible=False)], on_offer("m5.large:0.05")) == 0


def test_nodes_of_jobs_that_must_not_be_interrupted_run_others_beside_them_for_nothing() -> None:
    offers = on_offer(LARGE, "m5.large:0.05")
    memory = offer(LARGE).resources.memory_mib / 1024
    pinned = traced(cores=0.2, memory_gb=memory * 0.99)
    beside = traced(cores=1.8, memory_gb=memory * 0.01, preemptible=True)
    alone = least_usd([pinned], offers)
    assert least_usd([pinned, beside], offers) == pytest.approx(alone, rel=0.02)
    assert least_usd([pinned, beside, beside], offers) > alone + 0.04


def test_on_demand_that_is_cheaper_is_taken_for_all() -> None:
    assert least_usd([traced(cores=2, preemptible=True)], on_offer(LARGE, "m5.large:0.2")) == pytest.approx(0.096)


def test_resource_that_nobody_needs_or_has_does_not_matter() -> None:
    bare = replace(offer(LARGE), resources=Resources(2, 8192, 0))
    assert least_usd([traced(cores=2, disk_gb=0)], {bare.node_type: bare}) == pytest.approx(0.096)


def test_nodes_that_cost_nothing_make_jobs_cost_nothing() -> None:
    free = offer(LARGE, price=0.0)
    assert least_usd([traced(cores=2)] * 3, {free.node_type: free, **on_offer(MEDIUM)}) == 0


RUN_TIMES = st.sampled_from([0, 0.25, 1.5, 600, 3e6]) | st.floats(0, 1e5)
JOBS = st.lists(
    st.builds(
        traced,
        RUN_TIMES,
        st.integers(0, 4000),
        cores=st.sampled_from([0.1, 0.3, 1, 4, 16]),
        memory_gb=st.sampled_from([0, 0.5, 8, 100]),
        disk_gb=st.sampled_from([0, 1, 20]),
        preemptible=st.booleans(),
    ),
    max_size=12,
)  # fmt: skip
PRICES = st.sampled_from([0.05, 0.1, 0.6]) | st.floats(0.01, 5)
RESOURCES = st.builds(Resources, st.sampled_from([1, 2, 16, 36]), st.integers(512, 2**18), st.integers(0, 2**16))


@st.composite
def any_offers(draw: st.DrawFn) -> dict[NodeType, Offer]:
    found = {}
    for number in range(draw(st.integers(0, 6))):
        price = draw(PRICES)
        node_type = NodeType((f"x{number}.large",), price if draw(st.booleans()) else None)
        found[node_type] = Offer(node_type, draw(RESOURCES), price, 2)
    return found


def by_highs(jobs: Sequence[TraceJob], offers: Mapping[NodeType, Offer]) -> float:
    """Solve the linear program itself, not its dual: the cheapest hours of each node type in which all work is done."""
    highs, nodes = highspy.Highs(), list(offers.values())
    highs.setOptionValue("output_flag", False)
    # A column for the hours of each node type, and for each resource of it a row: what is taken is not more.
    for one in nodes:
        highs.addCol(one.usd_per_hour, 0.0, highspy.kHighsInf, 0, np.array([], dtype=np.int32), np.array([]))
    taken: list[dict[int, float]] = [{at: -1.0} for at in range(len(nodes)) for _ in range(3)]
    whole: list[list[int]] = []
    for job in jobs:
        places = [at for at, one in enumerate(nodes) if able(job, one)]
        if places and job.run_s:
            whole.append([])
        for at in places if job.run_s else ():
            column = highs.getNumCol()
            highs.addCol(0.0, 0.0, highspy.kHighsInf, 0, np.array([], dtype=np.int32), np.array([]))
            whole[-1].append(column)
            given = nodes[at].resources
            needed = (job.shape.cores, job.shape.memory_mib, job.shape.disk_mib)
            there = (given.cores, given.memory_mib, given.disk_mib)
            for number, (needs, has) in enumerate(zip(needed, there, strict=True)):
                taken[3 * at + number][column] = needs / has * job.run_s / 3600 if needs else 0.0
    for row in taken:
        columns = np.array(list(row), dtype=np.int32)
        highs.addRow(-highspy.kHighsInf, 0.0, len(row), columns, np.array(list(row.values())))
    for row in whole:
        highs.addRow(1.0, 1.0, len(row), np.array(row, dtype=np.int32), np.ones(len(row)))
    highs.run()
    assert highs.getModelStatus() in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kModelEmpty)
    return float(highs.getInfo().objective_function_value)


def able(job: TraceJob, offer: Offer) -> bool:
    return (
        job.shape.cores <= offer.resources.cores
        and job.shape.memory_mib <= offer.resources.memory_mib
        and job.shape.disk_mib <= offer.resources.disk_mib
        and (job.shape.preemptible or not offer.node_type.preemptible)
    )


@settings(max_examples=examples(200), deadline=None, derandomize=True)
@given(JOBS, any_offers())
def test_bound_is_the_optimum_that_another_solver_finds(jobs: list[TraceJob], offers: dict[NodeType, Offer]) -> None:
    assert least_usd(jobs, offers) == pytest.approx(by_highs(jobs, offers), rel=1e-5, abs=1e-6)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(JOBS, any_offers(), st.sampled_from([0.001, 0.5, 3, 1e4]))
def test_bound_grows_with_run_times_as_they_do(
    jobs: list[TraceJob], offers: dict[NodeType, Offer], factor: float
) -> None:
    longer = [replace(job, run_s=job.run_s * factor) for job in jobs]
    assert least_usd(longer, offers) == pytest.approx(factor * least_usd(jobs, offers), rel=1e-9)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(
    JOBS.map(lambda jobs: [replace(job, run_s=min(job.run_s, 20_000)) for job in jobs]),
    st.sampled_from([(SPOT, MEMORY), (MEMORY,), (LARGE, "m5.xlarge:0.1", MEMORY)]),
    st.integers(1, 5),
)
def test_no_simulation_without_boots_costs_less(jobs: list[TraceJob], kinds: tuple[str, ...], most: int) -> None:
    of, offers = policy(kinds, most, idle_timeout_s=0), on_offer(*kinds)
    found = simulate(jobs, of, offers, boot_s=0)
    # Nodes hold a millionth of a core more than they have.
    assert least_usd([run.job for run in found.runs], offers) <= found.usd * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("pattern", ArrivalPattern)
def test_simulation_of_a_generated_trace_costs_more(pattern: ArrivalPattern) -> None:
    jobs, offers = generate(pattern, 400, 20_000, 1).jobs, on_offer(SPOT, MEMORY)
    found = simulate(jobs, policy((SPOT, MEMORY), 20), offers, boot_s=0)
    assert len(found.runs) == len(jobs)
    assert 0 < least_usd(jobs, offers) < found.usd


def test_jobs_that_fill_nodes_to_the_end_are_simulated_at_the_bound() -> None:
    jobs, offers = [traced(cores=32, memory_gb=1)] * 3, on_offer(MEMORY)
    found = simulate(jobs, policy((MEMORY,), 3), offers, boot_s=0)
    assert found.usd == pytest.approx(least_usd(jobs, offers)) == pytest.approx(3 * 2.66)
