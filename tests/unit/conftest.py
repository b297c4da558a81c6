import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from toilctl.system import progress
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.node_types import NodeType


@pytest.fixture(autouse=True)
def _no_step_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say of no step how long it took: that would depend on the machine."""
    monkeypatch.setattr(progress, "SHOW_AFTER_S", math.inf)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """An ssh agent of the test's own; give it private keys."""
    socket = tmp_path_factory.mktemp("a") / "s"
    running = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE)
    assert running.stdout
    running.stdout.readline()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield lambda *keys: subprocess.run(["ssh-add", "-q", *keys], check=True, capture_output=True) and None
    running.terminate()
    running.wait()


@pytest.fixture
def node() -> Callable[..., Node]:
    """Make a node that runs, with what the test cares about changed."""
    usual = Node(
        instance_id="i-0aaa", role=Role.LEADER, node_type=NodeType.parse("t2.micro"), instance_type="t2.micro",
        state="running", zone="us-west-2a", private_address="172.31.0.5", public_address="54.1.2.3", spot=False,
        launched_at="2026-11-21T00:00:00+00:00",
    )  # fmt: skip
    return lambda **changes: replace(usual, **changes)


@pytest.fixture
def cluster(node: Callable[..., Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A leader i-0aaa and a worker i-0bbb; host keys go below the test's own directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TOILCTL_CONNECT_ADDRESS", raising=False)
    return two_nodes(node)


def two_nodes(node: Callable[..., Node]) -> Cluster:
    """Make a cluster of a leader i-0aaa and a worker i-0bbb."""
    worker = node(instance_id="i-0bbb", role=Role.WORKER, private_address="172.31.0.6", public_address="54.1.2.4")
    settings = {tags.LOGIN_USER: "admin", tags.KEY_PAIR_NAME: "k"}
    return Cluster("c", "us-west-2", "0123abcd", "sg-1", settings, (node(), worker))
