"""Pointing everything at the rehearsal cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from toilctl.local.process import provisioner
from toilctl.local.state import LocalState
from toilctl.values.errors import HostError

STATE = LocalState(
    cloud_id="0123abcd",
    endpoint="http://172.31.255.254:4566",
    pid=1,
    region="us-west-2",
    access_key_id="key",
    secret_access_key="secret",
    cidr="172.31.0.0/16",
    public_cidr="172.28.0.0/16",
    appliance_image="registry.toilctl.internal:5000/toilctl/appliance:1",
    engines=("slurm",),
    ami={},
    image="prepared",
    registry="registry.toilctl.internal:5000",
    hosts=True,
)


def test_environment_leads_to_the_cloud_and_to_nothing_else() -> None:
    environment = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "real",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_S3": "https://elsewhere",
        "NO_PROXY": "localhost",
        "HOME": "/root",
    }
    provisioner.redirect(environment, STATE)
    assert environment == {
        "AWS_ENDPOINT_URL": "http://172.31.255.254:4566",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-west-2",
        "NO_PROXY": "localhost,172.31.255.254",
        "no_proxy": "172.31.255.254",
        "HOME": "/root",
    }


def test_redirecting_twice_changes_nothing_more() -> None:
    environment: dict[str, str] = {}
    provisioner.redirect(environment, STATE)
    once = dict(environment)
    provisioner.redirect(environment, STATE)
    assert environment == once


def test_context_forces_capacity_and_names_the_registry() -> None:
    context = provisioner.context(STATE)
    assert context.extra_variables == {
        "docker_insecure_registries": ["registry.toilctl.internal:5000"],
        "engine_capacity_forced": True,
        "aws_endpoint_url": "http://172.31.255.254:4566",
    }
    assert (context.appliance_image, context.engines) == (STATE.appliance_image, ("slurm",))


def test_no_cloud_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(HostError) as caught:
        provisioner.activate()
    assert "toilctl local up" in caught.value.next_step
