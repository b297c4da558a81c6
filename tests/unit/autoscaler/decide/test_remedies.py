"""What node types lack for jobs that fit none, and that the advice helps, by following it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.builders import MEMORY, NOW, SPOT, job, node, offer, policy, snapshot
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.advice import Advice, Remedy
from toilctl.autoscaler.model.plan import Infeasible, Lack
from toilctl.autoscaler.model.snapshot import Offer, Snapshot
from toilctl.values.capacity import InstanceType, allocatable
from toilctl.values.jobs import Job
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits, NodeLimits, Policy

NEW = NodeType.parse("x9.large")


def impossible(what: Job, rules: Policy | None = None, *offers: Offer) -> Infeasible:
    (only,) = decide(snapshot([what], offers=offers or None), rules or policy(), NOW).infeasible
    return only


@pytest.mark.parametrize(
    ("needed", "why", "remedy"),
    [
        (
            {"cores": 36},
            "It needs 36 cores and an on-demand node: c4.8xlarge:0.6 is spot; r3.8xlarge has 32 cores.",
            Remedy(Advice.ADD_ON_DEMAND, "c4.8xlarge"),
        ),
        (
            {"cores": 36, "memory_gb": 55},
            "It needs 36 cores, 55.0 GiB of memory and an on-demand node: "
            "c4.8xlarge:0.6 is spot and has 54.7 GiB of memory; r3.8xlarge has 32 cores.",
            Remedy(Advice.ADD_LARGER_NODES, cores=36, memory_gib=61),
        ),
        (
            {"cores": 36, "disk_gb": 56},
            "It needs 36 cores, 56.0 GiB of disk and an on-demand node: "
            "c4.8xlarge:0.6 is spot and has 42.8 GiB of disk; r3.8xlarge has 32 cores.",
            Remedy(Advice.ADD_ON_DEMAND, "c4.8xlarge", (64,)),
        ),
        (
            {"memory_gb": 500, "preemptible": True},
            "It needs 500.0 GiB of memory: "
            "c4.8xlarge:0.6 has 54.7 GiB of memory; r3.8xlarge has 232.3 GiB of memory.",
            Remedy(Advice.ADD_LARGER_NODES, cores=1, memory_gib=518),
        ),
        (
            {"cores": 36, "disk_gb": 56, "preemptible": True},
            "It needs 36 cores and 56.0 GiB of disk: c4.8xlarge:0.6 has 42.8 GiB of disk; r3.8xlarge has 32 cores.",
            Remedy(Advice.ENLARGE_DISKS, "c4.8xlarge:0.6", (64,)),
        ),
    ],
)  # fmt: skip
def test_each_node_type_has_what_it_lacks_and_the_advice_is_what_helps(
    needed: dict[str, float], why: str, remedy: Remedy
) -> None:
    found = impossible(job(**needed))
    assert (found.next_step, found.remedy, found.advice) == (why, remedy, (remedy.advice,))


def test_what_is_lacking_is_data() -> None:
    found = impossible(job(cores=36, disk_gb=56))
    assert found.lacks == (
        Lack(SPOT, "preemptible", 0, 0), Lack(SPOT, "disk", 56 * 1024, 43871), Lack(MEMORY, "cores", 36, 32),
    )  # fmt: skip
    assert found.lacking == "preemptible"


def test_sizes_that_differ_a_little_read_differently() -> None:
    found = impossible(job(disk_gb=42.85), policy(["m5.large"]))
    assert found.next_step == "It needs 42.85 GiB of disk: m5.large has 42.84 GiB of disk."


def test_sizes_of_other_node_types_are_kept() -> None:
    sizes = offer("m5.large", storage_gb=500), offer("m5.xlarge", storage_gb=50)
    found = impossible(job(cores=4, disk_gb=56), policy(["m5.large", "m5.xlarge"]), *sizes)
    assert found.remedy == Remedy(Advice.ENLARGE_DISKS, "m5.xlarge", (500, 64))
    added = impossible(job(cores=8, disk_gb=56), policy(["m5.large", "m5.xlarge"]), *sizes)
    assert added.remedy == Remedy(Advice.ADD_LARGER_NODES, storage_gb=(500, 50, 64), cores=8, memory_gib=2)


def test_disks_of_a_node_type_that_lacks_more_than_disk_are_not_enlarged() -> None:
    found = impossible(job(cores=4, disk_gb=56), policy(["m5.large"]))
    assert found.remedy == Remedy(Advice.ADD_LARGER_NODES, storage_gb=(64,), cores=4, memory_gib=2)


def test_disk_that_no_root_volume_has_is_an_instance_store() -> None:
    found = impossible(job(disk_gb=20_000))
    assert found.remedy is not None
    assert (found.remedy.storage_gb, found.remedy.instance_store_gb) == ((), 22611)


def test_node_types_that_are_many_are_named_in_part() -> None:
    kinds = [f"m5.large:0.{number}" for number in range(1, 10)]
    found = impossible(job(), policy(kinds), *map(offer, kinds))
    assert found.next_step.count("is spot") == 6
    assert found.next_step.endswith("; 3 more node types of which none fits.")
    assert len(found.lacks) == 9


def test_joined_node_with_a_smaller_disk_says_nothing_of_new_ones() -> None:
    there = node(node_type="m5.large", storage_gb=50)
    seen = snapshot([job(disk_gb=56)], [there], offers=[offer("m5.large", storage_gb=100)])
    plan = decide(seen, policy(["m5.large"]), NOW)
    assert (plan.infeasible, [str(one.node_type) for one in plan.launches]) == ((), ["m5.large"])


def followed(remedy: Remedy, rules: Policy, seen: Snapshot, what: Job) -> tuple[Policy, Snapshot]:
    """Do what is advised, as toilctl autoscale does."""
    limits, offers = {one.node_type: one for one in rules.limits}, dict(seen.offers)
    if remedy.advice is Advice.ADD_LARGER_NODES:
        facts = InstanceType("x9.large", remedy.cores, remedy.memory_gib * 1024, remedy.instance_store_gb)
        kind = NEW if not what.shape.preemptible else replace(NEW, spot_bid=1.0)
        offers[kind] = Offer(kind, allocatable(facts, 50), 1.0, remedy.cores, equivalents=(facts,), storage_gb=50)
        limits[kind] = NodeLimits(kind, 0, 1)
    elif remedy.advice is Advice.ADD_ON_DEMAND:
        kind = NodeType.parse(remedy.node_type)
        assert kind not in limits
        offers[kind] = offer(str(kind))
        limits[kind] = NodeLimits(kind, 0, 1)
    elif remedy.advice is Advice.ALLOW_NODES:
        kind = NodeType.parse(remedy.node_type)
        limits[kind] = NodeLimits(kind, 0, 1)
    sizes = remedy.storage_gb * len(limits) if len(remedy.storage_gb) == 1 else remedy.storage_gb
    if sizes:
        for kind, gb in zip(limits, sizes, strict=True):
            (facts,) = offers[kind].equivalents
            offers[kind] = replace(offers[kind], resources=allocatable(facts, gb), storage_gb=gb)
    return replace(rules, limits=Limits(limits.values())), replace(seen, offers=offers)


KINDS = (SPOT, MEMORY, "m5.large", "m5.large:0.05", "m5.xlarge", "m5.xlarge:0.1")
needs = st.fixed_dictionaries({
    "cores": st.sampled_from([0.1, 1, 2, 4, 32, 33, 36, 36.5, 96]),
    "memory_gb": st.sampled_from([0, 1, 10, 54, 55, 232, 233, 1000]),
    "disk_gb": st.sampled_from([0, 1, 42, 43, 56, 540, 600, 5000, 20_000]), "preemptible": st.booleans(),
})  # fmt: skip
allowed = st.dictionaries(
    st.sampled_from(KINDS), st.tuples(st.sampled_from([0, 5]), st.sampled_from([20, 50, 500])), min_size=1
)


@settings(deadline=None, max_examples=examples(300))
@given(needs, allowed)
@example({"cores": 1, "memory_gb": 1, "disk_gb": 600, "preemptible": False}, {MEMORY: (0, 50)})
def test_advice_helps_whoever_follows_it(needed: dict[str, float], kinds: dict[str, tuple[int, int]]) -> None:
    what, rules = job(**needed), policy([*kinds], [most for most, _ in kinds.values()])
    seen = snapshot([what], offers=[offer(kind, storage_gb=gb) for kind, (_, gb) in kinds.items()])
    for one in decide(seen, rules, NOW).infeasible:
        assert one.remedy is not None
        then = decide(*reversed(followed(one.remedy, rules, seen, what)), NOW)
        assert then.infeasible == ()
