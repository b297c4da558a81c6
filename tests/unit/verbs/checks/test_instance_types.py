"""What EC2 sells where."""

from __future__ import annotations

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.verbs.checks import instance_types
from toilctl.verbs.clusters.plan_launch import LEADER_SUCCESSOR


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("us-west-2a", "t2.medium"), ("eu-north-1a", LEADER_SUCCESSOR), ("me-central-1a", "t2.medium")],
)
def test_leader_is_of_the_first_type_that_the_region_has(
    aws_env: TestCloud, monkeypatch: pytest.MonkeyPatch, zone: str, expected: str
) -> None:
    """Where it has neither, the default is what the check names as lacking."""
    for name, value in aws_env.env.items():
        monkeypatch.setenv(name, value)
    assert instance_types.first_offered(zone[:-1], [zone], ["t2.medium", LEADER_SUCCESSOR]) == expected
