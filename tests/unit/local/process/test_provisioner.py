"""Pointing everything at the rehearsal cloud."""

from __future__ import annotations

import os
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
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_URL": "https://elsewhere",
        "AWS_ACCESS_KEY": "another",
        "NO_PROXY": "localhost",
        "HOME": "/root",
    }
    provisioner.redirect(environment, STATE)
    assert environment == {
        "AWS_ENDPOINT_URL": "http://172.31.255.254:4566",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "NO_PROXY": "localhost,172.31.255.254",
        "no_proxy": "172.31.255.254",
        "HOME": "/root",
    }


@pytest.mark.parametrize("said", ["in the environment", "in a profile"])
def test_sdk_that_is_told_to_ignore_endpoints_heeds_this_one(tmp_path, monkeypatch, said) -> None:
    import boto3

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    profile = "[default]\nignore_configured_endpoint_urls = true\n"
    (tmp_path / "config").write_text(profile if said == "in a profile" else "")
    environment = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    if said == "in the environment":
        environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    provisioner.redirect(environment, STATE)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert boto3.Session().client("ec2").meta.endpoint_url == STATE.endpoint


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
