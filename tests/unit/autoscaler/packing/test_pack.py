from __future__ import annotations

from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.packing.pack import Bin, Candidate, Group, fill, fits, lacking, pack
from toilctl.values.capacity import Resources
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType

SMALL = NodeType.parse("c5.large")
LARGE = NodeType.parse("c5.4xlarge")
SPOT = NodeType.parse("c5.4xlarge:0.3")
ALL = frozenset({SMALL, LARGE, SPOT})


def shape(cores: float = 1, memory_gb: int = 1, disk_gb: int = 1, preemptible: bool = False) -> Shape:
    return Shape(cores, memory_gb * 1024, disk_gb * 1024, preemptible)


def group(slots: int = 1, urgent: bool = False, allowed: frozenset[NodeType] = ALL, **needed: object) -> Group:
    return Group(shape(**needed), slots, allowed, urgent)  # type: ignore[arg-type]


def a_bin(key: str, cores: float = 4, memory_gb: int = 100, spot: bool = False) -> Bin:
    return Bin(key, Resources(cores, memory_gb * 1024, 100 * 1024), SPOT if spot else LARGE)


def candidate(node_type: NodeType, cores: int, price: float, room: int = 100) -> Candidate:
    return Candidate(Offer(node_type, Resources(cores, cores * 2048, 100 * 1024), price, cores), room)


def test_jobs_that_need_all_of_a_node_fit() -> None:
    assert fits(shape(2, 4, 1), Resources(2, 4096, 1024))


def test_what_a_node_has_too_little_of_is_named() -> None:
    node = Resources(2, 4096, 2048)
    assert lacking(shape(2.1, 4, 1), node) == ("cores",)
    assert lacking(shape(2, 5, 1), node) == ("memory",)
    assert lacking(shape(2, 4, 3), node) == ("disk",)
    assert lacking(shape(2, 4, 2), node) == ()


def test_tenths_of_a_core_add_up() -> None:
    assert fill([group(10, cores=0.1)], [a_bin("a", cores=1)]).placed == (10,)


def test_big_jobs_get_a_node_that_is_there_before_small_ones() -> None:
    filled = fill([group(8, cores=1), group(1, cores=4)], [a_bin("a", cores=4)])
    assert filled.placed == (0, 1)


def test_urgent_jobs_get_a_node_that_is_there_before_big_ones() -> None:
    filled = fill([group(1, cores=4), group(8, cores=1, urgent=True)], [a_bin("a", cores=4)])
    assert filled.placed == (0, 4)


def test_a_node_is_filled_up_before_the_next_is_touched() -> None:
    filled = fill([group(3), group(1, cores=1, memory_gb=2)], [a_bin("a"), a_bin("b")])
    assert filled.used == {"a": 4}


def test_jobs_that_must_not_be_interrupted_stay_off_preemptible_nodes() -> None:
    assert fill([group(1)], [a_bin("a", spot=True)]).placed == (0,)


def test_preemptible_jobs_leave_the_other_nodes_to_jobs_that_have_no_choice() -> None:
    filled = fill([group(4, preemptible=True), group(4)], [a_bin("a"), a_bin("b", spot=True)])
    assert filled.placed == (4, 4)


def test_the_cheapest_node_type_that_fits_is_launched() -> None:
    packing = pack([group(1)], [candidate(LARGE, 16, 0.68), candidate(SMALL, 2, 0.085)], {})
    assert packing.nodes == {SMALL: 1}


def test_spot_is_launched_for_preemptible_jobs_only() -> None:
    spot, on_demand = candidate(SPOT, 16, 0.3), candidate(LARGE, 16, 0.68)
    assert pack([group(16, preemptible=True)], [on_demand, spot], {}).nodes == {SPOT: 1}
    assert pack([group(16)], [on_demand, spot], {}).nodes == {LARGE: 1}


def test_no_node_type_is_launched_for_a_job_that_may_not_cause_it() -> None:
    packing = pack([group(1, allowed=frozenset({LARGE}))], [candidate(SMALL, 2, 0.085)], {})
    assert (packing.nodes, packing.placed) == ({}, (0,))


def test_no_more_nodes_are_launched_than_there_is_room_for() -> None:
    packing = pack([group(100)], [candidate(SMALL, 2, 0.085, room=3)], {})
    assert (packing.nodes, packing.placed) == ({SMALL: 3}, (6,))


def test_the_quota_bounds_launches_of_its_market_alone() -> None:
    candidates = [candidate(LARGE, 16, 0.68), candidate(SPOT, 16, 0.3)]
    packing = pack([group(100), group(100, preemptible=True)], candidates, {True: 40})
    assert packing.nodes[SPOT] == 2
    assert packing.placed[0] == 100


def test_a_big_job_gets_the_last_node_before_small_ones() -> None:
    packing = pack([group(16), group(1, cores=16)], [candidate(LARGE, 16, 0.68, room=1)], {})
    assert packing.placed == (0, 1)


def test_small_jobs_are_placed_though_a_big_one_fits_nowhere() -> None:
    packing = pack([group(4), group(1, cores=99)], [candidate(LARGE, 16, 0.68)], {})
    assert packing.placed == (4, 0)


def test_nothing_to_place_launches_nothing() -> None:
    assert pack([], [candidate(LARGE, 16, 0.68)], {}).nodes == {}
    assert pack([group(0)], [candidate(LARGE, 16, 0.68)], {}).nodes == {}
