"""What a node of an instance type can give to jobs: below what its operating system reports, the same everywhere."""

from __future__ import annotations

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


def allocatable(instance_type: InstanceType, root_gb: int) -> Resources:
    """Return what jobs may use of a node: nominal size less what the system, Docker and the engine's agent need.

    Used for both engines' configuration and for decisions, so that they cannot disagree. The overheads are those of
    Toil's own scaler (``toil.provisioners.abstractProvisioner``). Jobs' disk is the instance store where there is
    one, else the root volume of ``root_gb`` GiB.
    """
    memory = instance_type.memory_mib - _memory_reserve_mib(instance_type.memory_mib)
    disk_mb = instance_type.instance_store_gb * 1000 or root_gb * 1024**3 / 1e6
    disk_mb = disk_mb - _DISK_RESERVE_MB - disk_mb * _DISK_RESERVE_SHARE
    return Resources(
        cores=instance_type.vcpus,
        memory_mib=max(0, int(memory)),
        disk_mib=max(0, int(disk_mb * 1e6 / _BYTES_PER_MIB)),
    )


def _memory_reserve_mib(memory_mib: int) -> float:
    if memory_mib < _SMALL_MEMORY_MIB:
        return _SMALL_RESERVE_MIB
    reserve, below = float(_EVICTION_MIB), 0.0
    for limit, share in _MEMORY_LADDER:
        reserve += max(0.0, min(memory_mib, limit) - below) * share
        below = limit
    return reserve
