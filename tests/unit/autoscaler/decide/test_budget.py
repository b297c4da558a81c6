"""What is launched where the cluster may cost so much per hour, or in all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import (
    MEMORY,
    NOW,
    SPOT,
    aside,
    busy,
    job,
    jobs,
    node,
    offer,
    policy,
    snapshot,
    types,
)
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.values.cluster import NodeState


def launched(plan) -> dict[str, int]:
    return types({one.node_type: one.count for one in plan.launches})


def usd(plan) -> float:
    """What the launches cost at the most."""
    prices = {MEMORY: 2.66, SPOT: 0.6, "m5.large": 0.096, "m5.xlarge": 0.192}
    return sum(prices[str(one.node_type)] * one.count for one in plan.launches)


def why(plan):
    (waiting,) = plan.waiting
    return waiting.reason, waiting.next_step


def test_as_many_nodes_are_launched_as_the_cost_per_hour_allows():
    plan = decide(snapshot(jobs(10, cores=32)), policy([MEMORY], max_usd_per_hour=6), NOW)
    assert launched(plan) == {MEMORY: 2}
    reason, text = why(plan)
    assert reason is WaitReason.COST_PER_HOUR
    assert text == (
        "2 r3.8xlarge are being launched, and the rest waits: the cluster may cost $6.00 per hour, costs $5.32 at the "
        "most, and a r3.8xlarge would add $2.66; it runs when a node has room."
    )
    assert plan.waiting[0].advice == (Advice.RAISE_COST_PER_HOUR,)


def test_leader_and_present_and_requested_nodes_count():
    there, running = busy("i-1", MEMORY)
    full = snapshot([*running, *jobs(3, cores=32)], [there], leader_usd_per_hour=0.05)
    assert launched(decide(full, policy([MEMORY], max_usd_per_hour=5.38), NOW)) == {MEMORY: 1}
    assert launched(decide(full, policy([MEMORY], max_usd_per_hour=5.36), NOW)) == {}
    asked = replace(full, requested={there.node_type: 1})
    assert launched(decide(asked, policy([MEMORY], max_usd_per_hour=8.04), NOW)) == {MEMORY: 1}
    assert launched(decide(asked, policy([MEMORY], max_usd_per_hour=8.02), NOW)) == {}


def test_spot_counts_at_its_bid_whatever_the_market_asks():
    cheap = replace(offer(SPOT, price=0.1), most_usd_per_hour=0.6)
    there = node("i-1", SPOT, usd_per_hour=0.1, running=("x",))
    seen = snapshot(jobs(9, cores=32, preemptible=True), [there], offers=[cheap])
    assert launched(decide(seen, policy([SPOT], max_usd_per_hour=1.9), NOW)) == {SPOT: 2}


def test_volumes_and_addresses_of_spot_nodes_count_beside_their_bids():
    cheap = replace(offer(SPOT, price=0.1), most_usd_per_hour=0.61, beside_usd_per_hour=0.01)
    there = node("i-1", SPOT, usd_per_hour=0.11, running=("x",), beside_usd_per_hour=0.01)
    seen = snapshot(jobs(9, cores=32, preemptible=True), [there], offers=[cheap])
    assert launched(decide(seen, policy([SPOT], max_usd_per_hour=1.84), NOW)) == {SPOT: 2}
    assert launched(decide(seen, policy([SPOT], max_usd_per_hour=1.82), NOW)) == {SPOT: 1}


def test_minimum_is_fulfilled_as_far_as_the_money_lasts():
    plan = decide(snapshot(), policy([MEMORY], least=3, max_usd_per_hour=6), NOW)
    assert launched(plan) == {MEMORY: 2}
    assert any("shall be at least 3" in note and "$6.00 per hour" in note for note in plan.notes)


def test_each_node_type_gets_its_share_of_the_money():
    wanted = [*jobs(20, cores=32, memory_gb=200), *jobs(20, cores=2, memory_gb=6)]
    plan = decide(snapshot(wanted), policy(["m5.large", MEMORY], max_usd_per_hour=3.2), NOW)
    assert launched(plan).keys() == {"m5.large", MEMORY}
    assert usd(plan) <= 3.2


def test_node_type_without_a_known_price_is_not_launched_under_a_bound():
    unknown = replace(offer(MEMORY), price_estimated=True)
    unknown = replace(unknown, most_usd_per_hour=None)
    plan = decide(snapshot([job()], offers=[unknown]), policy([MEMORY], max_usd_per_hour=100), NOW)
    assert launched(plan) == {}
    assert "the price of a r3.8xlarge is not known" in why(plan)[1]
    assert launched(decide(snapshot([job()], offers=[unknown]), policy([MEMORY]), NOW)) == {MEMORY: 1}
    assert launched(decide(snapshot([job()], offers=[unknown]), policy([MEMORY], budget_usd=5), NOW)) == {MEMORY: 1}


def test_nothing_is_launched_once_the_budget_is_spent_and_nothing_is_ended():
    there, running = busy("i-1", MEMORY)
    spent = snapshot([*running, job(cores=32)], [there], spent_usd=50.004)
    plan = decide(spent, policy([MEMORY], least=2, budget_usd=50), NOW)
    assert (launched(plan), plan.scale_in, plan.replace) == ({}, (), {})
    reason, text = why(plan)
    assert reason is WaitReason.BUDGET
    assert "$50.00 of its budget of $50.00" in text
    assert plan.waiting[0].advice == (Advice.RAISE_BUDGET,)
    note = "The cluster has cost $50.00 of its budget of $50.00, so nothing more is launched."
    assert note in plan.notes
    assert plan.advice == {note: (Advice.RAISE_BUDGET,)}
    assert launched(decide(replace(spent, spent_usd=49.99), policy([MEMORY], budget_usd=50), NOW)) == {MEMORY: 1}


def test_drained_node_is_taken_back_although_the_money_is_spent():
    there = node("i-1", MEMORY, state=NodeState.DRAINING)
    plan = decide(snapshot([job()], [there], spent_usd=9), policy([MEMORY], budget_usd=5), NOW)
    assert plan.undrain == ("i-1",)


def test_on_demand_nodes_that_compensate_are_within_the_bound_too():
    short = snapshot(jobs(9, cores=32, preemptible=True), set_aside=aside(SPOT))
    plan = decide(short, policy(preemptible_compensation=1, max_usd_per_hour=6), NOW)
    assert launched(plan) == {MEMORY: 2}


@pytest.mark.parametrize("beta", [0, 0.5])
@settings(deadline=None, max_examples=examples(150))
@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 4, 20, 32]), st.sampled_from([1, 7, 100]), st.booleans()), max_size=40),
    st.floats(0.01, 12),
    st.integers(0, 3),
    st.lists(st.sampled_from([MEMORY, SPOT, "m5.large", "m5.xlarge"]), max_size=3),
)
def test_launches_never_cost_more_than_is_left(beta, wanted, most_usd, least, there):
    nodes = [node(f"i-{number}", kind, running=("x",)) for number, kind in enumerate(there)]
    waiting = [job(cores=cores, memory_gb=memory, preemptible=spot) for cores, memory, spot in wanted]
    rules = policy([SPOT, MEMORY, "m5.large", "m5.xlarge"], least=least, max_usd_per_hour=most_usd, beta_inertia=beta)
    plan = decide(snapshot(waiting, nodes, leader_usd_per_hour=0.05), rules, NOW)
    assert plan.launches == () or plan.money.most_usd_per_hour + usd(plan) <= most_usd + 1e-6
