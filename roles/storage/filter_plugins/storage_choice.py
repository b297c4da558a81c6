"""Which of a node's disks may become its instance-store volume; nothing here looks at a machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

NVME_MODEL = "Amazon EC2 NVMe Instance Storage"
"""What EC2 calls its instance-store disks; EBS volumes have the same kind of name with ``Elastic Block Store``."""

VOLUME_LABEL = "toilctl"

Device = dict[str, Any]


def storage_choice(listing: str) -> dict[str, Any]:
    """Choose from the output of ``list_disks.py``.

    :return: ``disks`` that may be joined, and those of them that have an ``empty`` file system; ``array`` (the path of
        one joined earlier, else empty); ``gb`` (10**9 bytes) of both; ``mount_point`` of a volume that there is, else
        empty; ``stale`` (the disks that cloud-init mounts at each boot and cannot any more); and ``todo``: whether
        anything remains to be done.
    """
    facts = json.loads(listing)
    xen_names = set(_xen_names(facts["ephemeral"]))
    instance_store = [d for d in facts["blockdevices"] if _is_instance_store(d, xen_names)]
    array = _joined_array(instance_store)
    empty = [] if array else [disk for disk in instance_store if _is_empty(disk, facts)]
    blank = [] if array else [disk for disk in instance_store if _is_blank(disk)]
    taken = [disk for disk in instance_store if _is_member(disk)] if array else blank + empty
    stale = {_path(disk) for disk in taken} & set(facts["by_cloud_init"])
    todo = bool(taken) if array is None else bool(stale) or not _mounts(array)
    return {
        "disks": [] if array else sorted(map(_path, taken)),
        "empty": sorted(map(_path, empty)),
        "array": _path(array) if array else "",
        "gb": sum(int(disk["size"]) for disk in taken) // 10**9,
        "mount_point": facts["volume"],
        "stale": sorted(stale),
        "todo": todo,
    }


def _is_instance_store(device: Device, xen_names: set[str]) -> bool:
    if device["type"] != "disk":
        return False
    return (device.get("model") or "").strip() == NVME_MODEL or device["name"] in xen_names


def _xen_names(mapped: Iterable[str]) -> Iterator[str]:
    # EC2 says sdb where the kernel says xvdb.
    for name in mapped:
        letters = name.removeprefix("/dev/").removeprefix("sd").removeprefix("xvd")
        yield f"xvd{letters}"


def _is_blank(disk: Device) -> bool:
    signs = (disk.get("fstype"), disk.get("pttype"), disk.get("label"), disk.get("children"), _mounts(disk))
    return not any(signs) and int(disk["size"]) > 0


def _is_empty(disk: Device, facts: dict[str, Any]) -> bool:
    """Tell whether a disk is as EC2 gives C3's and M3's: an empty file system, mounted by nobody but cloud-init."""
    somebodys = _mounts(disk) and _path(disk) not in facts["by_cloud_init"]
    return _path(disk) in facts["empty"] and not (facts["in_use"] or somebodys or disk.get("children"))


def _is_member(disk: Device) -> bool:
    return disk.get("fstype") == "linux_raid_member" and (disk.get("label") or "").endswith(f":{VOLUME_LABEL}")


def _joined_array(disks: Iterable[Device]) -> Device | None:
    """Find the volume that an earlier run made; a RAID 0 of another name is somebody else's."""
    for disk in disks:
        if _is_member(disk):
            return next((child for child in disk.get("children") or () if child["type"] == "raid0"), None)
    return None


def _mounts(device: Device) -> list[str]:
    return [path for path in device.get("mountpoints") or () if path]


def _path(device: Device) -> str:
    return str(device["path"])


class FilterModule:
    """Ansible's hook."""

    def filters(self) -> dict[str, Any]:
        """Name the filters of this role."""
        return {"storage_choice": storage_choice}
