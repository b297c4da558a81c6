"""The record of spot nodes: interruptions, emptied offerings, and the work that was lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.autoscaler.builders import MEMORY, NOW, SPOT, ZONE, ago, busy, node
from toilctl.autoscaler.memory.spot_history import EMPTIED_S, SpotHistory
from toilctl.autoscaler.model.snapshot import NoticeKind, Offering, SpotNotice, SpotRecord

OFFERING = Offering("c4.8xlarge", ZONE, spot=True)
END = NOW + timedelta(seconds=120)
DOOM, RISK = SpotNotice(NoticeKind.TERMINATE, NOW, END), SpotNotice(NoticeKind.REBALANCE, NOW)


def later(seconds: float):
    return NOW + timedelta(seconds=seconds)


def working(notice=None, hours=1.0, cores=36.0):
    there, running = busy("i-1", SPOT, cores=cores, preemptible=True, since=ago(3600 * hours))
    return replace(there, notice=notice), running


def test_interruption_is_new_once_and_its_offering_avoided_for_a_while():
    history = SpotHistory()
    there, running = working(DOOM)
    history.see([there], running, NOW)
    (one,) = history.new()
    assert (one.instance_id, one.offering, one.kind, one.takes_at) == ("i-1", OFFERING, NoticeKind.TERMINATE, END)
    assert [(found.offering, found.code) for found in history.emptied(NOW)] == [(OFFERING, "SpotInterruption")]
    history.see([there], running, later(30))
    history.taken(["i-1"], later(60))
    assert history.new() == ()
    assert history.emptied(later(EMPTIED_S)) == ()
    assert [record.interruptions for record in history.records] == [1]


def test_recommendation_is_no_interruption_and_an_end_after_it_is_one():
    history = SpotHistory()
    there, running = working(RISK)
    history.see([there], running, NOW)
    assert [one.kind for one in history.new()] == [NoticeKind.REBALANCE]
    assert [record.interruptions for record in history.records] == [0]
    assert history.emptied(NOW)[0].code == "RebalanceRecommendation"
    history.see([replace(there, notice=DOOM)], running, later(30))
    assert [one.kind for one in history.new()] == [NoticeKind.TERMINATE]
    assert [record.interruptions for record in history.records] == [1]


def test_node_that_is_gone_without_notice_was_interrupted_too():
    history = SpotHistory()
    there, running = working()
    history.see([there], running, NOW)
    history.taken(["i-1", "i-unknown"], later(30))
    (one,) = history.new()
    assert (one.kind, one.takes_at, one.at) == (NoticeKind.TERMINATE, None, later(30))


def test_lost_work_is_what_jobs_had_run_by_their_share_of_the_node():
    history = SpotHistory()
    there, running = working(hours=2, cores=18)
    history.see([there], running, NOW)
    history.taken(["i-1"], later(30))
    (record,) = history.records
    cores = there.resources.cores
    assert record.lost_node_hours == pytest.approx(2 * 18 / cores)


def test_hours_of_spot_nodes_add_up_and_others_do_not_count():
    history = SpotHistory()
    nodes = [node("i-1", SPOT), node("i-2", SPOT), node("i-3", MEMORY)]
    for seconds in (0, 1800, 3600):
        history.see(nodes, [], later(seconds))
    assert history.records == (SpotRecord("c4.8xlarge", ZONE, node_hours=2.0),)


def test_spot_is_dearer_the_more_work_is_lost_with_it():
    history = SpotHistory()
    assert history.loss_factor("c4.8xlarge") == 1
    history.restore([SpotRecord("c4.8xlarge", ZONE, 1, 0, 0)])
    assert 1 < history.loss_factor("c4.8xlarge") < 1.01
    history.restore([SpotRecord("c4.8xlarge", ZONE, 1000, 100, 50), SpotRecord("c4.8xlarge", "us-west-2b", 1000, 0, 0)])
    assert history.loss_factor("c4.8xlarge") == pytest.approx(1 + 100.5 / 2100 * (50.25 / 100.5 + 0.07))


def test_what_is_remembered_of_gone_nodes_does_not_grow():
    history = SpotHistory()
    for number in range(5):
        at = later(number * EMPTIED_S * 2)
        history.see([replace(node(f"i-{number}", SPOT), notice=DOOM)], [], at)
        history.see([], [], at + timedelta(seconds=EMPTIED_S + 1))
        assert history._heard == {}
