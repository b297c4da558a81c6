"""On-demand nodes in place of spot nodes that could not be had for too long, and the way back."""

from __future__ import annotations

from tests.unit.autoscaler.builders import MEMORY, NOW, SPOT, ago, aside, busy, job, jobs, policy, snapshot, types
from toilctl.autoscaler.decide import decide
from toilctl.autoscaler.model import Launch, Reason
from toilctl.node_types import NodeType

OTHER_SPOT = "m5.xlarge:0.1"


def short(since_s: float, count: int = 1, *kinds: str, **more):
    kinds = kinds or (SPOT,)
    refused = [one for kind in kinds for one in aside(kind)]
    since = {NodeType.parse(kind): ago(since_s) for kind in kinds}
    return snapshot(jobs(count, cores=32, preemptible=True), set_aside=refused, short_since=since, **more)


def launched(plan) -> dict[str, int]:
    return types({one.node_type: one.count for one in plan.launches})


def test_on_demand_nodes_take_the_place_of_spot_that_was_lacking_for_too_long():
    plan = decide(short(600), policy(spot_fallback_after_s=600), NOW)
    assert plan.launches == (Launch(NodeType.parse(MEMORY), 1, Reason.SPOT_FALLBACK),)
    assert any("for so long that on-demand nodes take its place" in note for note in plan.notes)


def test_jobs_wait_for_spot_until_then_and_for_ever_without_a_bound():
    assert launched(decide(short(599), policy(spot_fallback_after_s=600), NOW)) == {}
    assert launched(decide(short(99999), policy(), NOW)) == {}


def test_all_slots_get_on_demand_nodes_whatever_the_share_of_compensation():
    plan = decide(short(600, 4), policy(spot_fallback_after_s=600, preemptible_compensation=0.25), NOW)
    assert launched(plan) == {MEMORY: 4}
    assert launched(decide(short(500, 4), policy(spot_fallback_after_s=600, preemptible_compensation=0.25), NOW)) == {
        MEMORY: 1
    }


def test_another_spot_node_type_is_asked_before():
    rules = policy([SPOT, OTHER_SPOT, MEMORY], spot_fallback_after_s=600)
    small = snapshot(
        jobs(1, cores=1, preemptible=True), set_aside=aside(SPOT), short_since={NodeType.parse(SPOT): ago(9999)}
    )
    assert launched(decide(small, rules, NOW)) == {OTHER_SPOT: 1}
    both = snapshot(
        jobs(1, cores=1, preemptible=True),
        set_aside=[*aside(SPOT), *aside(OTHER_SPOT)],
        short_since={NodeType.parse(SPOT): ago(9999), NodeType.parse(OTHER_SPOT): ago(60)},
    )
    assert launched(decide(both, rules, NOW)) == {}


def test_spot_is_asked_for_again_when_its_time_is_over():
    over = snapshot(jobs(1, cores=32, preemptible=True), short_since={NodeType.parse(SPOT): ago(9999)})
    assert launched(decide(over, policy(spot_fallback_after_s=600), NOW)) == {SPOT: 1}


def test_spot_at_its_maximum_is_not_lacking():
    there, running = busy("i-1", SPOT, preemptible=True)
    waiting = [*running, *jobs(1, cores=32, preemptible=True)]
    plan = decide(
        snapshot(waiting, [there], set_aside=aside(SPOT), short_since={NodeType.parse(SPOT): ago(9999)}),
        policy(most=(1, 10), spot_fallback_after_s=600), NOW,
    )  # fmt: skip
    assert launched(plan) == {}
    assert plan.waiting[0].reason is Reason.MAXIMUM


def test_fallback_never_takes_jobs_that_may_not_be_interrupted_into_account():
    plan = decide(
        snapshot([job(cores=32)], set_aside=aside(SPOT), short_since={NodeType.parse(SPOT): ago(9999)}),
        policy(spot_fallback_after_s=600), NOW,
    )  # fmt: skip
    assert plan.launches == (Launch(NodeType.parse(MEMORY), 1, Reason.DEMAND),)
