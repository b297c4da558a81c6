"""The filters through which playbooks read node types."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from toilctl.values.tags import NODE_STORAGE, NODE_TYPES, WORKERS


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


@pytest.mark.parametrize(("store_gb", "on_store"), [(0, False), (4, False), (640, True)])
def test_where_jobs_disk_is_agrees_with_how_much_it_is(filters: ModuleType, store_gb: int, on_store: bool) -> None:
    facts = {"name": "m3.medium", "vcpus": 1, "memory_mib": 3840, "instance_store_gb": store_gb}
    assert filters.on_instance_store(facts, "50") is on_store
    root_only = filters.allocatable({**facts, "instance_store_gb": 0}, "50")["disk_mib"]
    assert (filters.allocatable(facts, "50")["disk_mib"] == root_only) is not on_store


@pytest.mark.parametrize(
    ("settings", "spec", "gb"),
    [
        ({NODE_STORAGE: "50"}, "c.d:0.5", 50),
        ({NODE_STORAGE: "a.b=50,c.d:0.5=100"}, "c.d:0.50", 100),
        ({NODE_STORAGE: "a.b=50,c.d:0.5=100"}, "c.d", 50),
        ({NODE_STORAGE: "50,100", NODE_TYPES: "a.b,c.d:0.5"}, "c.d:0.50", 100),
        ({NODE_STORAGE: "50,100", NODE_TYPES: "a.b,c.d:0.5"}, "a.b", 50),
        ({NODE_STORAGE: "50,100", NODE_TYPES: "a.b,c.d:0.5"}, "c.d", 50),
    ],
)
def test_each_node_type_has_its_own_root_volume_and_an_unknown_one_the_first(
    filters: ModuleType, settings: dict[str, str], spec: str, gb: int
) -> None:
    assert filters.storage(settings, spec) == gb


def test_lists_of_variables_become_tags(filters: ModuleType) -> None:
    assert filters.workers_tag([2, "0"], ["a.b", "c.d:0.50"]) == "a.b=2,c.d:0.5=0"
    assert filters.workers_tag([], ["a.b", "c.d:0.50"]) == "a.b=0,c.d:0.5=0"
    assert filters.workers_tag([], []) == ""
    assert filters.storage_tag("20,60", ["a.b", "c.d:0.50"]) == "a.b=20,c.d:0.5=60"
    assert filters.storage_tag(50, ["a.b", "c.d:0.5"]) == "50"
    assert filters.node_storage({NODE_STORAGE: "50,100", NODE_TYPES: "a.b,c.d:0.5"}) == "a.b=50,c.d:0.5=100"
    assert (filters.node_storage({NODE_STORAGE: "50"}), filters.node_storage({})) == ("50", "")
    assert filters.worker_types({WORKERS: "a.b=2,c.d:0.5=0"}) == ["a.b", "c.d:0.5"]


@pytest.mark.parametrize("filtered", ["workers_tag", "storage_tag"])
def test_lists_of_another_length_are_refused(filters: ModuleType, filtered: str) -> None:
    given = {"workers_tag": [1, 2, 3], "storage_tag": "1,2,3"}[filtered]
    with pytest.raises(AnsibleFilterError, match="has 3 and node_types 2"):
        getattr(filters, filtered)(given, ["a.b", "c.d:0.5"])


def test_settings_become_one_text_above_the_variables(filters: ModuleType) -> None:
    names = filters.setting_names("toilctl:autoscaler")
    variables = {
        **dict.fromkeys(names, 0.5),
        "keep_limits": 1,
        "target_time_s": 1,
        "scale_interval_s": 9,
        "join_deadline_s": "1.5",
    }
    told = filters.tuning("idle_timeout_s=1e+06", variables)
    assert told.startswith("target_time_s=1 beta_inertia=0.5 scale_interval_s=9 ")
    assert " idle_timeout_s=1000000 join_deadline_s=1.5 " in told
    with pytest.raises(AnsibleFilterError, match=r"beta_inertia: '9' is above 0\.9"):
        filters.tuning("beta_inertia=9", variables)


def test_orphan_timeout_becomes_whole_seconds_and_another_is_refused_by_its_variable(filters: ModuleType) -> None:
    assert [filters.orphan_timeout(one) for one in ("0", 1800, "7200")] == [0, 1800, 7200]
    with pytest.raises(AnsibleFilterError, match="orphan_timeout_s: '59' is below 60"):
        filters.orphan_timeout("59")


def test_node_types_with_a_maximum_of_0_are_not_launched(filters: ModuleType) -> None:
    assert filters.launchable("c4.8xlarge:0.6=0..20,r3.8xlarge=0..0") == ["c4.8xlarge:0.6"]
    assert filters.launchable("") == []
    with pytest.raises(AnsibleFilterError, match=r"NODE_TYPE=MIN\.\.MAX"):
        filters.launchable("c4.8xlarge")
