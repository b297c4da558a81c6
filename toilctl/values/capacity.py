"""What a node of an instance type can give to jobs: below what its operating system reports, the same everywhere."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class InstanceType:
    """EC2's facts about an instance type, as DescribeInstanceTypes gives them."""

    name: str
    vcpus: int
    memory_mib: int
    instance_store_gb: int = 0
    """The sum of the instance-store disks, in GB (10**9 bytes) as EC2 counts; 0 when there are none."""
    architecture: str = "x86_64"


@dataclass(frozen=True)
class Resources:
    """What jobs may use of a node."""

    cores: float
    """Whole of a node; a part may be free."""
    memory_mib: int
    disk_mib: int


# (up to this many MiB, the share of that slice kept back): Toil's ladder, which follows GKE's published reservations.
_MEMORY_LADDER: Final = ((4096, 0.25), (8192, 0.20), (16384, 0.10), (131072, 0.06), (float("inf"), 0.02))
_SMALL_MEMORY_MIB: Final = 1024
_SMALL_RESERVE_MIB: Final = 255
_EVICTION_MIB: Final = 100
_DISK_RESERVE_MB: Final = 5000
_DISK_RESERVE_SHARE: Final = 0.05
_BYTES_PER_MIB: Final = 1024**2
_ROOT_FACTOR: Final = 2
MOST_ROOT_GB: Final = 16384
"""An EBS volume may have so much wherever it is (EBS user guide, "Amazon EBS volume types")."""
_MOST_MEMORY_GIB: Final = 65536
_MOST_STORE_GB: Final = 10**6
"""No instance type has more."""


def allocatable(instance_type: InstanceType, root_gb: int) -> Resources:
    """Return what jobs may use of a node: nominal size less what the system, Docker and the engine's agent need.

    Used for both engines' configuration and for decisions, so that they cannot disagree. The overheads are those of
    Toil's own scaler (``toil.provisioners.abstractProvisioner``). Jobs' disk is where ``on_instance_store`` says, else
    the root volume of ``root_gb`` GiB.
    """
    memory = instance_type.memory_mib - _memory_reserve_mib(instance_type.memory_mib)
    on_store = on_instance_store(instance_type, root_gb)
    disk_mb = _store_mb(instance_type) if on_store else _root_mb(root_gb)
    return Resources(
        cores=instance_type.vcpus,
        memory_mib=max(0, int(memory)),
        disk_mib=int(disk_mb * 1e6 / _BYTES_PER_MIB),
    )


def on_instance_store(instance_type: InstanceType, root_gb: int) -> bool:
    """Tell whether jobs' disk, and Docker's, is the instance store.

    It is faster, and costs nothing more. But where the root volume leaves jobs more than twice as much, that is it:
    the 4 GB of an m3.medium would leave them nothing. Role ``storage`` goes by this, too.
    """
    return bool(instance_type.instance_store_gb) and _root_mb(root_gb) <= _ROOT_FACTOR * _store_mb(instance_type)


def root_gb_for(instance_types: Collection[InstanceType], disk_mib: int) -> int | None:
    """Return the least root volume, GB, that leaves jobs so much disk on each; None when there is none so large."""
    return _least(MOST_ROOT_GB, disk_mib, lambda gb: min(allocatable(one, gb).disk_mib for one in instance_types))


def memory_gib_for(memory_mib: int) -> int | None:
    """Return the least memory of an instance type, GiB, that leaves jobs so much; None when there is none so large."""
    return _least(_MOST_MEMORY_GIB, memory_mib, lambda gib: allocatable(InstanceType("", 1, gib * 1024), 1).memory_mib)


def instance_store_gb_for(disk_mib: int) -> int | None:
    """Return the least instance store, GB, that leaves jobs so much disk; None when there is none so large."""
    return _least(_MOST_STORE_GB, disk_mib, lambda gb: allocatable(InstanceType("", 1, 1024, gb), 1).disk_mib)


def _least(most: int, needed: int, given: Callable[[int], int]) -> int | None:
    """Return the least size of which what is given reaches what is needed; a larger one never gives less."""
    found = bisect_left(range(1, most + 1), needed, key=given) + 1
    return found if found <= most else None


def _store_mb(instance_type: InstanceType) -> float:
    return _left_mb(instance_type.instance_store_gb * 1000)


def _root_mb(root_gb: int) -> float:
    return _left_mb(root_gb * 1024**3 / 1e6)


def _left_mb(disk_mb: float) -> float:
    return max(0.0, disk_mb - _DISK_RESERVE_MB - disk_mb * _DISK_RESERVE_SHARE)


def _memory_reserve_mib(memory_mib: int) -> float:
    if memory_mib < _SMALL_MEMORY_MIB:
        return _SMALL_RESERVE_MIB
    reserve, below = float(_EVICTION_MIB), 0.0
    for limit, share in _MEMORY_LADDER:
        reserve += max(0.0, min(memory_mib, limit) - below) * share
        below = limit
    return reserve
