"""Which disks become a node's volume, on what lsblk says on EC2's instance types."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT


def choose(recording: str) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(
        "storage_choice", ROOT / "roles/storage/filter_plugins/storage_choice.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    listing = (Path(__file__).parent / "lsblk" / f"{recording}.json").read_text()
    return module.FilterModule().filters()["storage_choice"](listing)


def nothing() -> dict[str, Any]:
    return {"disks": [], "array": "", "todo": False}


def test_node_without_instance_store_has_nothing_to_do() -> None:
    assert choose("t2.micro") == nothing()


@pytest.mark.parametrize(
    ("recording", "disks"),
    [
        ("r3.8xlarge", ["/dev/xvdb", "/dev/xvdc"]),
        ("c5d.9xlarge", ["/dev/nvme1n1"]),
        ("i3.8xlarge", ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/nvme2n1", "/dev/nvme3n1"]),
    ],
)
def test_blank_instance_store_is_joined(recording: str, disks: list[str]) -> None:
    assert choose(recording) == {"disks": disks, "array": "", "todo": True}


def test_blank_xen_disk_that_ec2_does_not_map_as_instance_store_is_left_alone() -> None:
    assert choose("r3.8xlarge-unmapped") == nothing()


def test_formatted_instance_store_is_left_alone() -> None:
    assert choose("r3.xlarge-formatted") == nothing()


@pytest.mark.parametrize(
    ("recording", "disks"),
    [("r3.xlarge-data-volume", ["/dev/xvdb"]), ("c5d.9xlarge-data-volume", ["/dev/nvme2n1"])],
)
def test_blank_ebs_volume_is_left_alone(recording: str, disks: list[str]) -> None:
    assert choose(recording)["disks"] == disks


def test_partitioned_disk_is_left_alone() -> None:
    assert "/dev/nvme0n1" not in choose("i3.8xlarge-one-partitioned")["disks"]


def test_joined_and_mounted_volume_has_nothing_to_do() -> None:
    assert choose("i3.8xlarge-joined") == {"disks": [], "array": "/dev/md127", "todo": False}


def test_joined_volume_that_a_crash_left_unmounted_is_finished() -> None:
    assert choose("i3.8xlarge-joined-unmounted") == {"disks": [], "array": "/dev/md127", "todo": True}


def test_raid_of_another_name_is_left_alone() -> None:
    assert choose("i3.8xlarge-somebody-elses") == nothing()
