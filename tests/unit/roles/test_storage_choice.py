"""Which disks become a node's volume, on what lsblk says on EC2's instance types."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT


def choose(recording: str, **facts: Any) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(
        "storage_choice", ROOT / "roles/storage/filter_plugins/storage_choice.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    listing = json.loads((Path(__file__).parent / "lsblk" / f"{recording}.json").read_text())
    return module.FilterModule().filters()["storage_choice"](json.dumps(listing | facts))


def chosen(**facts: Any) -> dict[str, Any]:
    return {"disks": [], "empty": [], "array": "", "gb": 0, "mount_point": "", "stale": [], "todo": False, **facts}


def nothing() -> dict[str, Any]:
    return chosen()


def test_node_without_instance_store_has_nothing_to_do() -> None:
    assert choose("t2.micro") == nothing()


@pytest.mark.parametrize(
    ("recording", "disks", "ec2_says_gb"),
    [
        ("r3.8xlarge", ["/dev/xvdb", "/dev/xvdc"], 640),
        ("c5d.9xlarge", ["/dev/nvme1n1"], 900),
        ("i3.8xlarge", ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/nvme2n1", "/dev/nvme3n1"], 7600),
    ],
)
def test_blank_instance_store_is_joined_and_is_as_large_as_ec2_says(
    recording: str, disks: list[str], ec2_says_gb: int
) -> None:
    found = choose(recording)
    assert found == chosen(disks=disks, gb=found["gb"], todo=True)
    assert found["gb"] >= ec2_says_gb


def test_blank_xen_disk_that_ec2_does_not_map_as_instance_store_is_left_alone() -> None:
    assert choose("r3.8xlarge-unmapped") == nothing()


def test_formatted_instance_store_with_files_is_left_alone_and_counts_for_nothing() -> None:
    assert choose("r3.xlarge-formatted") == nothing()
    assert choose("r3.xlarge-formatted", by_cloud_init=["/dev/xvdb"]) == nothing()


def test_instance_store_that_comes_formatted_and_empty_is_joined_and_no_boot_mounts_it() -> None:
    """As C3's and M3's: cloud-init has mounted the first of them."""
    disks = ["/dev/xvdb"]
    assert choose("r3.xlarge-formatted", empty=disks, by_cloud_init=disks) == chosen(
        disks=disks, empty=disks, gb=80, stale=disks, todo=True
    )


@pytest.mark.parametrize(
    "facts",
    [{"by_cloud_init": []}, {"ephemeral": []}, {"in_use": True}],
    ids=["mounted-by-somebody", "no-store", "used"],
)
def test_empty_disk_that_is_somebodys_is_left_alone(facts: dict[str, Any]) -> None:
    disks = ["/dev/xvdb"]
    assert choose("r3.xlarge-formatted", **{"empty": disks, "by_cloud_init": disks, **facts}) == nothing()


@pytest.mark.parametrize(
    ("recording", "disks"),
    [("r3.xlarge-data-volume", ["/dev/xvdb"]), ("c5d.9xlarge-data-volume", ["/dev/nvme2n1"])],
)
def test_blank_ebs_volume_is_left_alone(recording: str, disks: list[str]) -> None:
    assert choose(recording)["disks"] == disks


def test_partitioned_disk_is_left_alone() -> None:
    assert "/dev/nvme0n1" not in choose("i3.8xlarge-one-partitioned")["disks"]


JOINED = {"array": "/dev/md127", "mount_point": "/mnt/instance-store"}


def test_joined_and_mounted_volume_has_nothing_to_do_and_is_as_large_as_before_it_was_joined() -> None:
    assert choose("i3.8xlarge-joined") == chosen(**JOINED, gb=choose("i3.8xlarge")["gb"])


def test_joined_volume_that_a_crash_left_unmounted_is_finished_where_it_was() -> None:
    assert choose("i3.8xlarge-joined-unmounted") == chosen(**JOINED, gb=choose("i3.8xlarge")["gb"], todo=True)


def test_joined_volume_whose_disk_each_boot_tries_to_mount_is_mended() -> None:
    found = choose("i3.8xlarge-joined", by_cloud_init=["/dev/nvme0n1", "/dev/sdz"])
    assert (found["stale"], found["todo"], found["disks"]) == (["/dev/nvme0n1"], True, [])


def test_raid_of_another_name_is_left_alone() -> None:
    assert choose("i3.8xlarge-somebody-elses") == nothing()
