"""The filters through which playbooks read node types."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError


def test_a_node_type_is_read_by_the_one_parser(filters: ModuleType) -> None:
    parsed = filters.node_type("c4.8xlarge/c5.9xlarge:0.60")
    assert parsed == {
        "name": "c4.8xlarge/c5.9xlarge:0.6", "slug": "c4_8xlarge_c5_9xlarge_0_6", "spot_bid": 0.6, "preemptible": True,
        "instance_types": ["c4.8xlarge", "c5.9xlarge"],
    }  # fmt: skip


def test_a_bad_node_type_is_explained(filters: ModuleType) -> None:
    with pytest.raises(AnsibleFilterError, match="is not a price"):
        filters.node_type("c4.8xlarge:cheap")


def test_all_instance_types_are_named_once(filters: ModuleType) -> None:
    assert filters.instance_types(["t2.micro", "c4.8xlarge/t2.micro:0.6"]) == ["c4.8xlarge", "t2.micro"]


def test_without_toilctl_the_error_says_where_to_install_it(
    filters: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name == "toilctl" or name.startswith("toilctl.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AnsibleFilterError, match="pip install toilctl"):
        filters.node_type("t2.micro")


def offer(disks: int, *, mapped: bool) -> dict[str, Any]:
    return {"instance_store_disks": disks, "instance_store_mapped": mapped}


def test_old_instance_store_disks_are_mapped_and_nvme_ones_are_not(filters: ModuleType) -> None:
    assert filters.instance_store([offer(1, mapped=False), offer(2, mapped=True)]) == [
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
        {"DeviceName": "/dev/sdc", "VirtualName": "ephemeral1"},
    ]
    assert filters.instance_store([offer(4, mapped=False)]) == []


def test_what_jobs_may_use_is_reckoned_by_the_one_function(filters: ModuleType) -> None:
    facts = {"name": "t2.micro", "vcpus": 1, "memory_mib": 1024, "instance_store_gb": 0, "instance_store_disks": 0}
    assert filters.allocatable(facts, "50")["cores"] == 1


@pytest.mark.parametrize(
    ("sizes", "node_types", "spec", "gb"),
    [
        ("50", "a.b,c.d:0.5", "c.d:0.5", 50),
        ("50,100", "a.b,c.d:0.5", "c.d:0.50", 100),
        ("50,100", "a.b,c.d:0.5", "a.b", 50),
        ("50,100", "a.b,c.d:0.5", "c.d", 50),
        (60, "", "a.b", 60),
    ],
)
def test_each_node_type_has_its_own_root_volume_and_an_unknown_one_the_first(
    filters: ModuleType, sizes: Any, node_types: str, spec: str, gb: int
) -> None:
    assert filters.storage(sizes, node_types, spec) == gb


def test_node_types_with_a_maximum_of_0_are_not_launched(filters: ModuleType) -> None:
    assert filters.launchable("c4.8xlarge:0.6=0..20,r3.8xlarge=0..0") == ["c4.8xlarge:0.6"]
    assert filters.launchable("") == []
    with pytest.raises(AnsibleFilterError, match=r"NODE_TYPE=MIN\.\.MAX"):
        filters.launchable("c4.8xlarge")
