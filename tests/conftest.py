"""Fixtures for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from toilctl.local.testing import TestCloud

# What runs in a shell's background ignores Ctrl-C, and so would all that our tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def cloud() -> Iterator[TestCloud]:
    """An empty AWS account without hosts, in this process; ``cloud.env`` points other processes at it."""
    from toilctl.local import testing

    with testing.cloud() as running:
        yield running


@pytest.fixture
def aws_env(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> TestCloud:
    """The same, with this process pointed at it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "TOILCTL_PROVISIONER", "TOIL_AWS_ZONE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in cloud.env.items():
        monkeypatch.setenv(name, value)
    return cloud
