"""What holds for any jobs and any node types. A checker of its own packs the jobs that were placed once more."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checkout import ROOT
from tests.examples import examples
from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.packing.pack import Bin, Candidate, Group, Packing, fill, fits, pack
from toilctl.values.capacity import Resources
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType

NODE_TYPES = [NodeType.parse(text) for text in ("a1.large", "b1.large", "c1.large:0.1", "d1.large:0.2", "e1.large")]

shapes = st.builds(
    Shape,
    st.integers(1, 80).map(lambda tenths: tenths / 10),
    st.integers(1, 64).map(lambda gib: gib * 512),
    st.integers(0, 50).map(lambda gib: gib * 1024),
    st.booleans(),
)
groups = st.lists(
    st.builds(Group, shapes, st.integers(0, 40), st.frozensets(st.sampled_from(NODE_TYPES)), st.booleans()), max_size=8
)
resources = st.builds(Resources, st.integers(1, 16), st.integers(1024, 65536), st.integers(1024, 102400))


@st.composite
def candidates(draw: st.DrawFn, rooms: st.SearchStrategy[int]) -> list[Candidate]:
    found = []
    for node_type in draw(st.lists(st.sampled_from(NODE_TYPES), unique=True, min_size=1)):
        given_, price = draw(resources), draw(st.integers(1, 300)) / 100
        found.append(Candidate(Offer(node_type, given_, price, int(given_.cores)), draw(rooms)))
    return found


plenty = candidates(st.just(10_000))
scarce = candidates(st.integers(0, 5))
quotas = st.dictionaries(st.booleans(), st.integers(0, 40).map(float))


def can_cause(group: Group, candidate: Candidate) -> bool:
    offer = candidate.offer
    return (
        offer.node_type in group.allowed
        and (group.shape.preemptible or not offer.node_type.preemptible)
        and fits(group.shape, offer.resources)
    )


def cost(packing: Packing, among: Sequence[Candidate]) -> float:
    prices = {one.offer.node_type: one.offer.usd_per_hour for one in among}
    return sum(prices[node_type] * count for node_type, count in packing.nodes.items())


def check(packing: Packing, jobs: Sequence[Group], among: Sequence[Candidate], vcpus_left: dict[bool, float]) -> None:
    """Load each node with what it is meant to run, job by job, and count everything again."""
    offers = {one.offer.node_type: one for one in among}
    placed, nodes = [0] * len(jobs), dict.fromkeys(offers, 0)
    for loaded in packing.loaded:
        offer = offers[loaded.node_type].offer
        running = [jobs[number] for number, count in loaded.slots for _ in range(count)]
        assert sum(round(job.shape.cores * 10) for job in running) <= offer.resources.cores * 10
        assert sum(job.shape.memory_mib for job in running) <= offer.resources.memory_mib
        assert sum(job.shape.disk_mib for job in running) <= offer.resources.disk_mib
        assert all(can_cause(job, offers[loaded.node_type]) for job in running)
        nodes[loaded.node_type] += loaded.nodes
        for number, count in loaded.slots:
            placed[number] += count * loaded.nodes
    assert packing.placed == tuple(placed)
    assert packing.nodes == {node_type: count for node_type, count in nodes.items() if count}
    assert all(count <= group.slots for count, group in zip(placed, jobs, strict=True))
    assert all(count <= offers[node_type].room for node_type, count in nodes.items())
    for preemptible, vcpus in vcpus_left.items():
        bought = sum(n * offers[one].offer.vcpus for one, n in nodes.items() if one.preemptible == preemptible)
        assert bought <= vcpus


@settings(max_examples=examples(60), deadline=None)
@given(groups, st.one_of(plenty, scarce), quotas)
def test_jobs_fit_onto_the_nodes_within_limits_and_quota(
    jobs: list[Group], among: list[Candidate], vcpus_left: dict[bool, float]
) -> None:
    check(pack(jobs, among, vcpus_left), jobs, among, vcpus_left)


@settings(max_examples=examples(50), deadline=None)
@given(groups, plenty)
def test_all_that_fits_is_placed_where_nothing_limits_it(jobs: list[Group], among: list[Candidate]) -> None:
    placed = pack(jobs, among, {}).placed
    able = [any(can_cause(group, one) for one in among) for group in jobs]
    assert placed == tuple(group.slots if fit else 0 for group, fit in zip(jobs, able, strict=True))


@settings(max_examples=examples(50), deadline=None)
@given(groups, scarce, quotas)
def test_no_job_waits_for_a_node_that_there_is_room_for(
    jobs: list[Group], among: list[Candidate], vcpus_left: dict[bool, float]
) -> None:
    packing = pack(jobs, among, vcpus_left)
    for group, placed in zip(jobs, packing.placed, strict=True):
        for one in among if placed < group.slots else []:
            offer = one.offer
            used = sum(
                other.offer.vcpus * packing.nodes.get(other.offer.node_type, 0)
                for other in among
                if other.offer.node_type.preemptible == offer.node_type.preemptible
            )
            left = vcpus_left.get(offer.node_type.preemptible, float("inf")) - used
            has_room = packing.nodes.get(offer.node_type, 0) < one.room and offer.vcpus <= left
            assert not (has_room and can_cause(group, one))


@settings(max_examples=examples(50), deadline=None)
@given(groups, plenty)
def test_it_costs_no_more_than_each_group_on_the_node_type_cheapest_for_it(
    jobs: list[Group], among: list[Candidate]
) -> None:
    naive = 0.0
    for group in jobs:
        able = [one for one in among if can_cause(group, one)]
        naive += group.slots * min((one.offer.usd_per_hour for one in able), default=0.0)
    assert cost(pack(jobs, among, {}), among) <= naive + 1e-9


@settings(max_examples=examples(30), deadline=None)
@given(groups, st.one_of(plenty, scarce), st.randoms(use_true_random=False))
def test_the_order_of_jobs_and_node_types_changes_nothing(
    jobs: list[Group], among: list[Candidate], shuffle: random.Random
) -> None:
    order = shuffle.sample(range(len(jobs)), len(jobs))
    turned = pack([jobs[number] for number in order], shuffle.sample(among, len(among)), {})
    straight = pack(jobs, among, {})
    assert turned.nodes == straight.nodes
    alike = dict.fromkeys(jobs, 0)
    for packing, sign, numbers in ((straight, 1, range(len(jobs))), (turned, -1, order)):
        for number, placed in zip(numbers, packing.placed, strict=True):
            alike[jobs[number]] += sign * placed
    assert not any(alike.values())


@settings(max_examples=examples(60), deadline=None)
@given(groups, scarce, quotas, st.integers(1, 10))
def test_small_jobs_do_not_take_the_place_of_the_biggest_one(
    jobs: list[Group], among: list[Candidate], vcpus_left: dict[bool, float], slots: int
) -> None:
    biggest = Group(Shape(17, 70_000, 110_000, preemptible=False), slots, frozenset(NODE_TYPES))
    roomy = Candidate(Offer(NODE_TYPES[0], Resources(17, 70_000, 110_000), 9.0, 17), 4)
    among = [roomy, *(one for one in among if one.offer.node_type != NODE_TYPES[0])]
    jobs = [Group(one.shape, one.slots, one.allowed) for one in jobs]
    alone = pack([biggest], among, vcpus_left).placed[0]
    assert pack([*jobs, biggest], among, vcpus_left).placed[-1] == alone


bins = st.lists(st.tuples(resources, st.booleans()), max_size=8).map(
    lambda drawn: [Bin(f"i-{at}", free, NODE_TYPES[2 * spot]) for at, (free, spot) in enumerate(drawn)]
)


@settings(max_examples=examples(60), deadline=None)
@given(groups, bins)
def test_what_is_put_onto_nodes_that_are_there_is_what_groups_got(jobs: list[Group], nodes: list[Bin]) -> None:
    filled = fill(jobs, nodes)
    assert sum(filled.placed) == sum(filled.used.values())
    assert all(placed <= group.slots for placed, group in zip(filled.placed, jobs, strict=True))
    durable = sum(filled.used.get(node.key, 0) for node in nodes if not node.node_type.preemptible)
    assert durable >= sum(n for n, group in zip(filled.placed, jobs, strict=True) if not group.shape.preemptible)


@settings(max_examples=examples(60), deadline=None)
@given(groups, bins)
def test_nodes_that_are_there_take_no_more_than_they_have(jobs: list[Group], nodes: list[Bin]) -> None:
    # Resources are counted over all nodes: which job is where is the engine's choice.
    filled = fill(jobs, nodes)
    for needed, given_ in (("cores", "cores"), ("memory_mib", "memory_mib"), ("disk_mib", "disk_mib")):
        taken = sum(n * getattr(group.shape, needed) for n, group in zip(filled.placed, jobs, strict=True))
        assert taken <= sum(getattr(node.free, given_) for node in nodes) + 1e-6


@settings(max_examples=examples(50), deadline=None)
@given(shapes, bins)
def test_a_job_left_over_has_no_node_of_its_own_to_go_to(shape: Shape, nodes: list[Bin]) -> None:
    able = [one for one in nodes if fits(shape, one.free) and (shape.preemptible or not one.node_type.preemptible)]
    placed = fill([Group(shape, 1, frozenset())], nodes).placed
    assert placed == (1 if able else 0,)


def test_equal_nodes_hold_what_they_hold_one_by_one() -> None:
    equal = [Bin(f"i-{at}", Resources(4, 8192, 10240), NODE_TYPES[0]) for at in range(50)]
    jobs = [
        Group(Shape(3, 1024, 10, preemptible=False), 20, frozenset()),
        Group(Shape(1, 1024, 10, preemptible=True), 103, frozenset()),
    ]
    filled = fill(jobs, equal)
    assert filled.placed == (20, 103)
    assert list(filled.used.values()) == [2] * 20 + [4] * 20 + [3]


MANY = """
import json, random
from toilctl.autoscaler.packing.pack import Candidate, Group, pack
from toilctl.autoscaler.model.snapshot import Offer
from toilctl.values.jobs import Shape
from toilctl.values.capacity import Resources
from toilctl.values.node_types import NodeType
draw = random.Random(7)
types = [NodeType.parse(f"m{size}.large" + bid) for size in range(1, 9) for bid in ("", ":0.05")]
among = [
    Candidate(Offer(one, Resources(4 * (1 + at // 2), 9000 * (1 + at // 2), 90000), (1 + at // 2) * 0.2, 4), 500)
    for at, one in enumerate(types)
]
jobs = [
    Group(
        Shape(draw.randint(1, 40) / 10, draw.randint(500, 12000), draw.randint(1, 30000), draw.random() < 0.5),
        draw.randint(1, 20), frozenset(draw.sample(types, 6)),
    )
    for _ in range(120)
]
packing = pack(jobs, among, {True: 900.0})
print(json.dumps([sorted((str(one), n) for one, n in packing.nodes.items()), packing.placed]))
"""


def test_the_same_input_gives_the_same_plan_in_every_process() -> None:
    def run(seed: str) -> object:
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", MANY], env=env, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    first = run("0")
    assert first == run("1") == run("4242")
    assert first[0]  # type: ignore[index]
