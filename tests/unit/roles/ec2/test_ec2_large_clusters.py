"""A cluster with more workers than one call takes: launched, listed and ended. The limits are small, to be quick."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.unit.roles.ec2.ec2_fleets import Launch, live
from toilctl.local.process.testing import TestCloud
from toilctl.system import inventory
from toilctl.values import aws_limits

MANY = 60


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, aws_utils: ModuleType, module: Callable[[str], ModuleType]) -> None:
    """Let EC2 take a twentieth of what it takes, and toilctl know it."""
    monkeypatch.setattr(aws_limits, "FILTER_VALUES", 20)
    monkeypatch.setattr(module("ec2_terminate"), "FILTER_VALUES", 20)
    monkeypatch.setattr(module("ec2_cluster_leftovers"), "IDS_PER_CALL", 25)
    for known in (aws_limits, aws_utils):
        monkeypatch.setattr(known, "IDS_PER_CALL", 25)
    monkeypatch.setattr(aws_utils, "PAGE_SIZE", 10)
    monkeypatch.setattr(inventory, "_PAGE_SIZE", 10)


@pytest.mark.usefixtures("small", "quick")
def test_many_workers_are_launched_listed_and_ended(
    module: Callable[[str], ModuleType], launch: Launch, ec2: Any, aws_env: TestCloud
) -> None:
    aws_env.faults.set("rate-limits")
    nodes = launch(MANY, tags={"toilctl:storage-gb": "50"})["instance_ids"]
    assert len(nodes) == MANY
    options = {"cluster": "my", "instance_ids": nodes, "intent": "", "wait": True, "timeout_s": 300}
    assert sorted(module("ec2_nodes_running").wait(ec2, options)["running"]) == nodes
    assert len(inventory.instances_of("us-west-2", "my")) == MANY
    assert module("ec2_terminate").terminate(ec2, options)["terminated"] == nodes
    # EC2 sees one launch, and as few ends as it takes ids.
    assert (aws_env.calls["ec2:CreateFleet"], aws_env.calls["ec2:TerminateInstances"]) == (1, 3)


@pytest.mark.usefixtures("small", "quick")
def test_many_workers_go_with_their_cluster(module: Callable[[str], ModuleType], launch: Launch, ec2: Any) -> None:
    launch(MANY)
    options = {"cluster": "my", "instance_ids": None, "wait": True, "timeout_s": 300}
    assert len(module("ec2_terminate").terminate(ec2, options)["terminated"]) == MANY
    assert live(ec2) == []


@pytest.mark.usefixtures("small", "quick")
def test_many_workers_that_came_while_their_cluster_went_are_ended(
    module: Callable[[str], ModuleType],
    launch: Launch,
    ec2: Any,
    make_group: Callable[..., dict[str, Any]],
    aws_utils: ModuleType,
) -> None:
    class Late:
        def __getattr__(self, name: str) -> Any:
            return self._launch if name == "create_fleet" else getattr(ec2, name)

        def _launch(self, **params: Any) -> Any:
            answer = ec2.create_fleet(**params)
            make_group(state="destroying")
            return answer

    with pytest.raises(aws_utils.AwsError, match="being destroyed"):
        launch(MANY, Late())
    assert live(ec2) == []


@pytest.mark.usefixtures("small", "quick")
def test_spot_requests_of_many_workers_are_cancelled_in_few_calls(
    module: Callable[[str], ModuleType], launch: Launch, ec2: Any, cloud: TestCloud
) -> None:
    asked = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "toilctl:cluster", "Value": "my"}]}]
    launch(MANY, node_type="t2.micro:1", spot_bid=1.0, data={"TagSpecifications": asked})
    assert len(module("ec2_cluster_leftovers").delete_all(ec2, "my")["deleted"]) == MANY + 1
    assert cloud.calls["ec2:CancelSpotInstanceRequests"] == 3
    states = {one["State"] for one in ec2.describe_spot_instance_requests()["SpotInstanceRequests"]}
    assert states == {"cancelled"}
