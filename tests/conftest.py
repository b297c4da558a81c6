"""Fixtures for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from toilctl.local.process.testing import TestCloud

# What runs in a shell's background ignores Ctrl-C, and so would all that our tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _sdk_learns_once() -> Iterator[None]:
    """Let clients of the SDK share what it reads, and the classes it makes of that: most of a short test's time."""
    import botocore.session
    from botocore.client import ClientCreator
    from botocore.loaders import Loader

    shared, classes, make = Loader(), dict[str, Any](), ClientCreator._create_client_class

    def known(creator: ClientCreator, service_name: str, service_model: Any) -> Any:
        if service_name not in classes:
            classes[service_name] = make(creator, service_name, service_model)
        return classes[service_name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda _: shared)
        patch.setattr(ClientCreator, "_create_client_class", known)
        yield


@pytest.fixture
def cloud() -> Iterator[TestCloud]:
    """An empty AWS account without hosts, in this process; ``cloud.env`` points other processes at it."""
    from toilctl.local.process import testing

    with testing.cloud() as running:
        yield running


@pytest.fixture
def aws_env(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> TestCloud:
    """The same, with this process pointed at it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "TOILCTL_PROVISIONER", "TOIL_AWS_ZONE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in cloud.env.items():
        monkeypatch.setenv(name, value)
    # It keeps the keys that it found first, which are another cloud's.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    return cloud
