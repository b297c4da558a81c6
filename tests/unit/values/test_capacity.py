"""What jobs may use of a node, and where their disk is."""

from __future__ import annotations

import pytest

from toilctl.values.capacity import (
    InstanceType,
    allocatable,
    instance_store_gb_for,
    memory_gib_for,
    on_instance_store,
    root_gb_for,
)

STORES = {
    "m3.medium": 4, "m3.large": 32, "c3.large": 32, "r3.large": 32, "c5d.large": 50, "m1.small": 160, "r3.8xlarge": 640,
}  # fmt: skip
"""Of EC2, in GB."""


def of(name: str) -> InstanceType:
    return InstanceType(name, 2, 8192, STORES[name])


@pytest.mark.parametrize(
    ("name", "root_gb", "on_store"),
    [
        ("m3.medium", 8, False), ("m3.medium", 50, False), ("m3.large", 50, True), ("m3.large", 100, False),
        ("c5d.large", 50, True), ("c5d.large", 500, False), ("r3.8xlarge", 1000, True), ("r3.8xlarge", 2000, False),
    ],
)  # fmt: skip
def test_instance_store_is_used_unless_the_root_volume_gives_twice_as_much(
    name: str, root_gb: int, on_store: bool
) -> None:
    kind, without = of(name), InstanceType(name, 2, 8192)
    assert on_instance_store(kind, root_gb) is on_store
    found, root = allocatable(kind, root_gb).disk_mib, allocatable(without, root_gb).disk_mib
    assert (found == root) is not on_store
    assert found >= root / 2
    assert not on_instance_store(without, root_gb)


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("disk_mib", [1, 500, 10_000, 43_871, 43_872, 57_344, 500_000, 5_000_000])
def test_root_volume_that_gives_so_much_is_the_least(name: str, disk_mib: int) -> None:
    size = root_gb_for([of(name)], disk_mib)
    assert size is not None
    assert allocatable(of(name), size).disk_mib >= disk_mib
    assert size == 1 or allocatable(of(name), size - 1).disk_mib < disk_mib


def test_larger_root_volume_never_gives_less() -> None:
    for name in STORES:
        given = [allocatable(of(name), size).disk_mib for size in range(1, 2000)]
        assert given == sorted(given)


def test_sizes_beyond_all_that_there_is_are_none() -> None:
    assert root_gb_for([of("m3.medium")], 16384 * 1024) is None
    assert memory_gib_for(10**9) is None
    assert instance_store_gb_for(10**10) is None


def test_memory_that_leaves_so_much_is_the_least() -> None:
    assert memory_gib_for(55 * 1024) == 61
    assert allocatable(InstanceType("x", 1, 61 * 1024), 50).memory_mib >= 55 * 1024
    assert allocatable(InstanceType("x", 1, 60 * 1024), 50).memory_mib < 55 * 1024
