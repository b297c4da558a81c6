"""A cluster of hundreds of workers: launched, listed and ended within EC2's limits."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.unit.roles.ec2.ec2_fleets import Launch, live
from toilctl.local.process.testing import TestCloud
from toilctl.system import inventory
from toilctl.values import aws_limits

MANY = 3 * aws_limits.FILTER_VALUES


def test_hundreds_of_workers_are_launched_listed_and_ended(
    module: Callable[[str], ModuleType], launch: Launch, ec2: Any, aws_env: TestCloud, quick: None
) -> None:
    aws_env.faults.set("rate-limits")
    nodes = launch(MANY, tags={"toilctl:storage-gb": "50"})["instance_ids"]
    assert len(nodes) == MANY
    running = module("ec2_nodes_running").wait(
        ec2, {"cluster": "my", "instance_ids": nodes, "intent": "", "timeout_s": 60}
    )
    assert sorted(running["running"]) == nodes
    assert len(inventory.instances_of("us-west-2", "my")) == MANY
    options = {"cluster": "my", "instance_ids": nodes, "wait": True, "timeout_s": 60}
    assert module("ec2_terminate").terminate(ec2, options)["terminated"] == nodes
    assert (aws_env.calls["ec2:CreateFleet"], aws_env.calls["ec2:TerminateInstances"]) == (1, 1)


def test_more_nodes_than_a_call_takes_go_with_a_cluster_that_is_being_destroyed(
    module: Callable[[str], ModuleType], launch: Launch, ec2: Any, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:

    monkeypatch.setattr("ansible.module_utils.toilctl_aws.IDS_PER_CALL", 3)
    monkeypatch.setattr(aws_limits, "IDS_PER_CALL", 3)
    launch(7)
    options = {"cluster": "my", "instance_ids": None, "wait": True, "timeout_s": 60}
    assert len(module("ec2_terminate").terminate(ec2, options)["terminated"]) == 7
    assert live(ec2) == []
