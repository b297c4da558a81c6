"""Jobs and node types to pack: a few mixes as workflows have them, with fixed seeds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.packing.pack import Candidate, Group
from toilctl.system.price_table import on_demand
from toilctl.values.capacity import InstanceType, allocatable
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType

# vCPUs, GiB of memory per vCPU, GB of instance store per vCPU: EC2's families as DescribeInstanceTypes has them.
_FAMILIES = {"c5": (2, 0), "m5": (4, 0), "r5": (8, 0), "m5d": (4, 37.5), "i3": (7.625, 237.5)}
_SIZES = {"xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32}
_ROOT_GB = 200
_BID = 0.4
"""Of the price on demand, about what spot asks."""
ROOM = 1_000_000

Mix = Callable[[random.Random], tuple[float, float, float]]
"""Draws a job's cores, GiB of memory and GiB of disk."""


def _small(draw: random.Random) -> tuple[float, float, float]:
    return 1, draw.choice([1, 2, 3, 4]), draw.choice([1, 2, 5])


def _bioinformatics(draw: random.Random) -> tuple[float, float, float]:
    return draw.choices([(1, 4, 4), (8, 32, 40), (32, 200, 150)], [80, 17, 3])[0]


def _memory_heavy(draw: random.Random) -> tuple[float, float, float]:
    return draw.choice([1, 2, 4]), draw.choice([12, 20, 33, 48, 70, 110]), draw.choice([5, 10, 20])


def _disk_heavy(draw: random.Random) -> tuple[float, float, float]:
    return draw.choice([1, 2, 4, 8]), draw.choice([2, 6, 15]), draw.choice([20, 75, 160, 300, 900])


def _spread(draw: random.Random) -> tuple[float, float, float]:
    cores = round(min(32.0, 2 ** draw.uniform(-1, 5.2)), 1)
    return cores, round(min(210.0, cores * 2 ** draw.uniform(-0.5, 4)), 1), round(draw.uniform(1, 150), 0)


MIXES: dict[str, Mix] = {
    "small": _small,
    "bioinformatics": _bioinformatics,
    "memory-heavy": _memory_heavy,
    "disk-heavy": _disk_heavy,
    "many shapes": _spread,
}


def shapes(mix: str, count: int, spot: bool, seed: int = 1, most: int = 60) -> list[Shape]:
    """Draw jobs, of at most so many sizes; where there is spot, four of five may be interrupted."""
    draw = random.Random(f"{mix} {count} {seed}")
    different = [MIXES[mix](draw) for _ in range(most)]
    found = []
    for _ in range(count):
        cores, memory_gib, disk_gib = draw.choice(different)
        found.append(Shape(cores, int(memory_gib * 1024), int(disk_gib * 1024), spot and draw.random() < 0.8))
    return found


def candidates(spot: bool, sizes: int = 4) -> list[Candidate]:
    """Return up to 20 node types on demand, and where there is spot, as many on spot."""
    found = []
    for family, (gib, store_gb) in _FAMILIES.items():
        for size, vcpus in list(_SIZES.items())[:sizes]:
            name = f"{family}.{size}"
            given = allocatable(InstanceType(name, vcpus, int(vcpus * gib * 1024), int(vcpus * store_gb)), _ROOT_GB)
            price = on_demand("us-west-2", name) or 0.0
            bids = [price, round(price * _BID, 4)] if spot else [price]
            for bid in bids:
                node_type = NodeType((name,), bid if bid < price else None)
                found.append(Candidate(Offer(node_type, given, bid, vcpus), ROOM))
    return found


def groups(jobs: list[Shape], among: list[Candidate]) -> list[Group]:
    """Group jobs by shape, each a slot of its own, everything allowed."""
    allowed = frozenset(one.offer.node_type for one in among)
    return [Group(shape, slots, allowed) for shape, slots in Counter(jobs).items()]
