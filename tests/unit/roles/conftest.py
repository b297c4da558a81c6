"""The roles' modules as Python modules, and a cloud with what they need."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from toilctl.local.testing import TestCloud

ROLES = Path(__file__).parents[3] / "roles"


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def aws_utils() -> ModuleType:
    """What Ansible would put beside the modules."""
    return load("ansible.module_utils.toilctl_aws", ROLES / "ec2_network/module_utils/toilctl_aws.py")


@pytest.fixture(scope="session")
def module(aws_utils: ModuleType) -> Callable[[str], ModuleType]:
    """Return a role's module by its name."""
    paths = {path.stem: path for path in ROLES.glob("ec2_*/library/*.py")}
    loaded: dict[str, ModuleType] = {}

    def get(name: str) -> ModuleType:
        if name not in loaded:
            loaded[name] = load(f"toilctl_module_{name}", paths[name])
        return loaded[name]

    return get


@pytest.fixture(scope="session")
def filters() -> ModuleType:
    """The filters of role ec2_nodes."""
    return load("toilctl_filters", ROLES / "ec2_nodes/filter_plugins/toilctl_node_types.py")


@pytest.fixture(scope="session")
def first_contact() -> ModuleType:
    """The action that waits for new hosts."""
    return load("toilctl_first_contact", ROLES / "ec2_nodes/action_plugins/first_contact.py")


@pytest.fixture
def ec2(cloud: TestCloud) -> Any:
    return cloud.client("ec2")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, cloud: TestCloud) -> None:
    """Let waiting move the cloud's time instead of ours."""
    import time

    monkeypatch.setattr(time, "sleep", cloud.advance)


@pytest.fixture
def make_group(module: Callable[[str], ModuleType], ec2: Any) -> Callable[..., dict[str, Any]]:
    """Make a cluster's security group as role ec2_network does."""

    def make(cluster: str = "my", state: str = "present", **options: Any) -> dict[str, Any]:
        usual = {
            "cluster": cluster,
            "region": "us-west-2",
            "subnet_id": "",
            "tags": {"Owner": "me"},
            "fixed_tags": [],
            "ssh_cidrs": [],
            "timeout_s": 60,
        }
        result: dict[str, Any] = getattr(module("ec2_cluster_group"), state)(ec2, {**usual, **options})
        return result

    return make
