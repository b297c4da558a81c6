"""toilctl local fault: every fault can be set, seen and cleared from the command line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from toilctl.local.aws.base.faults import KINDS
from toilctl.local.process.testing import TestCloud

SETTINGS = {
    "insufficient-capacity": ["instance_type=c4.8xlarge", "zone=us-west-2a", "market=spot", "count=2"],
    "vcpu-quota": ["vcpus=32", "market=on-demand"],
    "throttle": ["action=CreateFleet", "count=3"],
    "boot-delay": ["seconds=5", "instance-type=t2.micro"],
    "never-boot": ["count=1"],
    "profile-delay": ["seconds=0"],
    "service-linked-role-missing": ["service=spot.amazonaws.com"],
    "interface-lag": ["seconds=5"],
    "api-lag": ["seconds=5"],
    "spot-price": ["price=0.5", "zone=us-west-2a"],
    "interrupt": ["instance-type=c4.8xlarge", "count=2", "seconds=5"],
    "rebalance": ["zone=us-west-2a", "count=-1"],
    "no-prices": [],
    "rate-limits": [],
    "slow-answer": ["action=CreateFleet", "seconds=5"],
    "template-lag": ["seconds=5"],
    "iam-lag": ["seconds=5"],
}


@pytest.fixture(autouse=True)
def _rehearsal(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    running = SimpleNamespace(endpoint=cloud.endpoint, secret_access_key=cloud.cloud.root_key.secret)
    monkeypatch.setattr("toilctl.local.state.load", lambda: running)


@pytest.mark.parametrize("name", KINDS)
def test_every_fault_can_be_set_seen_and_cleared(toilctl, cloud, name):
    cloud.faults.clear()
    result = toilctl("local", "fault", name, *SETTINGS[name])
    assert result.exit_code == 0, result.stderr
    for setting in SETTINGS[name]:
        assert setting.replace("-type=", "_type=") in result.stdout
    (fault,) = toilctl.json("local", "fault")["data"]["faults"]
    assert fault["name"] == name
    assert toilctl("local", "fault", name, "--clear").stdout == "Cleared 1 fault.\n"
    assert toilctl("local", "fault").stdout == "No faults are set.\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rain"], "There is no fault 'rain'.\nThe faults are insufficient-capacity"),
        (["throttle", "colour=red"], "The fault throttle has no parameter colour.\nIts parameters are action, count."),
        (["throttle", "count=x"], "count of the fault throttle is not a number: 'x'."),
        (["throttle", "x"], "'x' is not a fault's parameter.\nWrite KEY=VALUE"),
        (["vcpu-quota"], "The fault vcpu-quota needs a parameter vcpus."),
    ],
)
def test_fault_that_makes_no_sense_is_a_usage_error(toilctl, words, told):
    result = toilctl("local", "fault", *words)
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr
