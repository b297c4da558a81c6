"""On-demand nodes in place of spot nodes that could not be had for too long, and the way back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.autoscaler.builders import MEMORY, NOW, SPOT, ago, aside, busy, job, jobs, policy, snapshot, types
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.plan import ScaleIn, ScaleOut
from toilctl.autoscaler.model.reasons import EndReason, LaunchReason, WaitReason
from toilctl.values.cluster import NodeState
from toilctl.values.node_types import NodeType

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
    assert plan.launches == (ScaleOut(NodeType.parse(MEMORY), 1, LaunchReason.SPOT_FALLBACK),)
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
    assert plan.waiting[0].reason is WaitReason.MAXIMUM


def test_fallback_never_takes_jobs_that_may_not_be_interrupted_into_account():
    plan = decide(
        snapshot([job(cores=32)], set_aside=aside(SPOT), short_since={NodeType.parse(SPOT): ago(9999)}),
        policy(spot_fallback_after_s=600), NOW,
    )  # fmt: skip
    assert plan.launches == (ScaleOut(NodeType.parse(MEMORY), 1, LaunchReason.DEMAND),)


def mixed(spot_there: bool = True, queue: int = 5, preemptible: bool = True, **more):
    """An on-demand node that runs preemptible jobs, a spot node beside it, and more jobs that wait."""
    durable, on_it = busy("i-1", MEMORY, preemptible=True)
    spot, on_spot = busy("i-2", SPOT, preemptible=True)
    waiting = jobs(queue, cores=32, preemptible=preemptible)
    nodes = [durable, spot] if spot_there else [durable]
    return snapshot([*on_it, *(on_spot if spot_there else []), *waiting], nodes, **more)


def goes(plan) -> list[str]:
    return [one for group in plan.scale_in if group.reason is EndReason.RETURN_TO_SPOT for one in group.instance_ids]


FALLBACK = {"spot_fallback_after_s": 600}


def test_on_demand_node_makes_way_for_spot_ones_once_they_are_to_be_had():
    plan = decide(mixed(), policy(**FALLBACK), NOW)
    assert goes(plan) == ["i-1"]
    assert launched(plan).keys() == {SPOT}


@pytest.mark.parametrize(
    "seen",
    [
        mixed(spot_there=False),
        mixed(queue=0),
        mixed(preemptible=False),
        mixed(set_aside=aside(SPOT)),
        mixed(short_since={NodeType.parse(SPOT): ago(60)}),
    ],
)
def test_on_demand_node_stays_while_spot_may_be_lacking_or_it_is_needed_for_others(seen):
    assert goes(decide(seen, policy(**FALLBACK), NOW)) == []


def test_on_demand_node_stays_where_nobody_asked_for_a_fallback_or_for_its_minimum():
    assert goes(decide(mixed(), policy(), NOW)) == []
    assert goes(decide(mixed(), policy(least=(0, 1), **FALLBACK), NOW)) == []


def test_on_demand_nodes_go_one_by_one_and_are_not_taken_back_while_spot_is_to_be_had():
    draining, on_it = busy("i-3", MEMORY, preemptible=True)
    seen = mixed()
    seen = replace(
        seen,
        nodes=(*seen.nodes, replace(draining, engine_state=NodeState.DRAINING)),
        demand=replace(seen.demand, jobs=(*seen.demand.jobs, *on_it)),
    )
    plan = decide(seen, policy(**FALLBACK), NOW)
    assert (goes(plan), plan.undrain) == ([], ())
    empty = replace(draining, engine_state=NodeState.DRAINING, running=())
    seen_empty = replace(seen, nodes=(*seen.nodes[:2], empty))
    plan = decide(replace(seen_empty, demand=mixed().demand), policy(**FALLBACK), NOW)
    assert plan.undrain == ()
    assert ScaleIn(("i-3",), EndReason.INTERRUPTED_DRAIN) in plan.scale_in
    lacking = replace(seen, set_aside=tuple(aside(SPOT)), short_since={NodeType.parse(SPOT): ago(60)})
    smaller = [replace(one, shape=replace(one.shape, cores=1)) for one in lacking.demand.jobs]
    lacking = replace(lacking, demand=replace(lacking.demand, jobs=tuple(smaller)))
    assert decide(lacking, policy(**FALLBACK, most=(10, 2)), NOW).launches == ()
