from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.cli.stand_in import AUTOSCALED, LAUNCH, Playbooks
from toilctl.cli.app import app
from toilctl.local.process.testing import TestCloud
from toilctl.values.errors import ConnectError


class Toilctl:
    """Type a command line and look at what came of it."""

    def __init__(self) -> None:
        self._runner = CliRunner()

    def __call__(self, *words: str) -> Any:
        return self._runner.invoke(app, list(words))

    def json(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self(*words, "--output", "json").stdout)
        return answer


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without anything, and an environment that names nothing of Toil's or AWS's."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "TOIL", "SSH_AUTH_SOCK", "ANSIBLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "tester")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def toilctl(home: Path) -> Toilctl:
    """Type commands, without an AWS account."""
    return Toilctl()


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make private keys, each kind once."""
    directory = tmp_path_factory.mktemp("keys")

    def make(name: str) -> Path:
        path = directory / name
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    return make


@pytest.fixture
def account(
    home: Path, aws_env: TestCloud, monkeypatch: pytest.MonkeyPatch, key_file: Callable[[str], Path]
) -> TestCloud:
    """An AWS account with the key pair k, whose private key is in ~/.ssh."""
    for name, value in aws_env.env.items():
        monkeypatch.setenv(name, value)
    key = key_file("k")
    (home / ".ssh" / "k").write_bytes(key.read_bytes())
    (home / ".ssh" / "k").chmod(0o600)
    aws_env.client("ec2").import_key_pair(KeyName="k", PublicKeyMaterial=key.with_name("k.pub").read_bytes())
    # Registries are other tests' business.
    monkeypatch.setattr("toilctl.system.image_registry.check", lambda image, *_, **__: image)
    monkeypatch.setattr("toilctl.system.image_registry.installed_toil_tag", lambda: None)
    # So is the archive for leaders, which takes a second.
    monkeypatch.setattr("toilctl.bundle.make", lambda: None)
    return aws_env


def _no_host(*_: object, **__: object) -> str:
    raise ConnectError("The hosts of this test are not there.")


@pytest.fixture
def playbooks(account: TestCloud, monkeypatch: pytest.MonkeyPatch) -> Playbooks:
    """Stand in for Ansible."""
    stand_in = Playbooks(account.client("ec2"))
    monkeypatch.setattr("toilctl.system.playbooks.run", stand_in.run)
    monkeypatch.setattr("toilctl.verbs.clusters.nodes.members", stand_in.members)
    monkeypatch.setattr("toilctl.verbs.clusters.nodes._JOIN_TIMEOUT_S", 0.0)
    monkeypatch.setattr("toilctl.verbs.clusters.destroy._PATIENCE_S", 0.0)
    # Addresses of instances may be somebody's.
    monkeypatch.setattr("toilctl.system.ssh.capture", _no_host)
    return stand_in


@pytest.fixture
def cluster(toilctl: Callable[..., Any], playbooks: Playbooks) -> Playbooks:
    """A cluster c of a leader and two workers; only what comes afterwards counts as a run."""
    result = toilctl(*LAUNCH)
    assert result.exit_code == 0, result.stderr
    playbooks.runs.clear()
    return playbooks


@pytest.fixture
def autoscaled(toilctl: Callable[..., Any], playbooks: Playbooks) -> Playbooks:
    """A cluster c of a leader alone, with limits; only what comes afterwards counts as a run."""
    result = toilctl(*AUTOSCALED)
    assert result.exit_code == 0, result.stderr
    playbooks.runs.clear()
    return playbooks
