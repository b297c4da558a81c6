"""The roles' modules as Python modules, and a cloud with what they need."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible.module_utils
import pytest

from tests.checkout import ROOT
from tests.unit.roles.ec2.ec2_fleets import Launch
from toilctl.local.process.testing import TestCloud

ROLES = ROOT / "roles"
# Ansible looks there, too, for what a role's modules share.
ansible.module_utils.__path__.extend(str(path) for path in sorted(ROLES.glob("*/module_utils")))


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def shared(name: str) -> ModuleType:
    """Return what Ansible would put beside the modules."""
    return importlib.import_module(f"ansible.module_utils.{name}")


@pytest.fixture(scope="session")
def aws_utils() -> ModuleType:
    """What all modules share."""
    return shared("toilctl_aws")


@pytest.fixture(scope="session")
def module() -> Callable[[str], ModuleType]:
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
    return load("toilctl_filters", ROLES / "ec2_nodes/filter_plugins/toilctl_values.py")


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


@pytest.fixture
def launch(
    cloud: TestCloud, module: Callable[[str], ModuleType], ec2: Any, make_group: Callable[..., dict[str, Any]]
) -> Launch:
    """Launch workers t2.micro as role ec2_nodes does; ``client`` and the options that matter can be given."""
    cloud.faults.set("profile-delay", seconds=0)
    ec2.create_key_pair(KeyName="k")
    image = cloud.client("ssm").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]

    def run(count: int, client: Any = None, **options: Any) -> dict[str, Any]:
        group = make_group(options.get("cluster", "my"))
        data = {
            "ImageId": image,
            "KeyName": "k",
            "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [group["group_id"]]}],
            **options.pop("data", {}),
        }
        tags = {"toilctl:cluster": options.get("cluster", "my")}
        kind = re.sub(r"\W", "_", options.get("node_type", "t2.micro"))
        template = module("ec2_node_template").ensure(ec2, f"toilctl-{options.get('cluster', 'my')}-{kind}", data, tags)
        zones = options.pop("zones", ["us-west-2a"])
        found = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": zones}])["Subnets"]
        usual = {
            "cluster": "my",
            "generation": group["generation"],
            "region": "us-west-2",
            "security_group_id": group["group_id"],
            "role": "worker",
            "node_type": "t2.micro",
            "instance_types": ["t2.micro"],
            "spot_bid": None,
            "subnet_ids": sorted(subnet["SubnetId"] for subnet in found),
            "zones": {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in found},
            "without": [],
            "launch_template": template,
            "count": count,
            "count_by": "node-type",
            "intent": "launch",
            "tags": {},
            "settle_timeout_s": 60,
        }
        result: dict[str, Any] = module("ec2_fleet").ensure(client or ec2, {**usual, **options})
        return result

    return run
