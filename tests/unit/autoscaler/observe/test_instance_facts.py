"""What is asked of AWS about node types, whatever instance types workflows name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.autoscaler.builders import tuning
from toilctl.autoscaler.memory.spot_history import SpotHistory
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.autoscaler.observe.instance_facts import Facts
from toilctl.local.process.testing import TestCloud
from toilctl.system import aws, price_list
from toilctl.values.aws_limits import FILTER_VALUES

NOW = datetime.now(UTC)
KNOWN = "r3.8xlarge=0..2"


def settings(*limits: str) -> AutoscalerSettings:
    return AutoscalerSettings.of({
        "cluster_name": "my", "region": "us-west-2", "engine": "slurm", "leader_address": "10.0.0.1",
        "node_types": [one.partition("=")[0] for one in limits], "limits": list(limits), "zones": ["us-west-2a"],
        "node_storage_gb": 50, "tuning": str(tuning()), "boot_timeout_s": 300,
    })  # fmt: skip


def unheard_of(count: int) -> list[str]:
    return [f"c9.x{number}=0..2" for number in range(count)]


def offered(facts: Facts, *limits: str, seconds: float = 0.0) -> list[str]:
    facts.describe(settings(*limits), (), NOW + timedelta(seconds=seconds))
    return [str(one) for one in facts.offers(settings(*limits), SpotHistory())]


def refuse(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let EC2 refuse to describe instance types where one is called so."""
    real = aws.pages

    def pages(service: str, region: str, operation: str, key: str, **how: Any) -> Any:
        if operation == "describe_instance_types" and name in str(how):
            raise ClientError({"Error": {"Code": "InvalidParameterValue"}}, "DescribeInstanceTypes")
        return real(service, region, operation, key, **how)

    monkeypatch.setattr(aws, "pages", pages)


def test_more_instance_types_than_a_filter_takes_are_asked_for_in_parts(aws_env: TestCloud) -> None:
    assert offered(Facts(), KNOWN, *unheard_of(FILTER_VALUES)) == ["r3.8xlarge"]


@pytest.mark.usefixtures("aws_env")
def test_refusal_of_some_instance_types_costs_those_alone_until_they_are_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts, wanted = Facts(), (KNOWN, *unheard_of(FILTER_VALUES - 1), "a1.large=0..2")
    with monkeypatch.context() as while_refused:
        refuse(while_refused, "a1.large")
        with pytest.raises(ClientError):
            offered(facts, *wanted)
        assert [str(one) for one in facts.offers(settings(*wanted), SpotHistory())] == ["r3.8xlarge"]
    assert offered(facts, *wanted, seconds=30) == ["r3.8xlarge", "a1.large"]


@pytest.mark.usefixtures("aws_env")
def test_no_price_is_asked_of_what_is_no_instance_type(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(price_list, "on_demand", lambda region, name: asked.append(name))
    monkeypatch.setattr(price_list, "spot", lambda region, names, now: asked.extend(names) or {})
    allowed, facts = ("c9.x=0..2", "c9.y:0.1=0..2", "r3.8xlarge:0.6=0..2"), Facts()
    offered(facts, *allowed)
    facts.price(settings(*allowed), (), NOW)
    assert asked == ["r3.8xlarge", "r3.8xlarge"]
