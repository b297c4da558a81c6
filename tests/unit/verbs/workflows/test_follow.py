"""A run's log arrives whole, however often the connection breaks."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import pytest

from toilctl.system.ssh.terminal import Shown
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConflictError, ConnectError, UsageError
from toilctl.values.node_types import NodeType
from toilctl.verbs.workflows import follow
from toilctl.workflows.runs import Run

LEADER = Node(
    "i-1", Role.LEADER, NodeType(("t2.medium",)), "t2.medium", "running", "us-west-2a", "172.31.0.5", None, False, ""
)
CLUSTER = Cluster("c", "us-west-2", "0123abcd", "sg-1", {}, (LEADER,))
RUN = {"name": "sort-1", "state": "running", "started_at": "2026-11-26T12:00:00+00:00"}
LOG = b"first\nsecond\nthird\n"


class Connections:
    """What each connection gives: bytes of the log until it breaks, or nothing at all."""

    def __init__(self, *gives: int | ConnectError) -> None:
        self.gives = list(gives)
        self.commands: list[str] = []

    @contextmanager
    def streaming(self, _target: object, command: str) -> Iterator[tuple[Any, IO[bytes]]]:
        self.commands.append(command)
        given = self.gives.pop(0)
        if isinstance(given, ConnectError):
            raise given
        start = int(found[1]) if (found := re.search(r"--offset (\d+)", command)) else 0
        whole = start + given >= len(LOG)
        text = f"{start}\n{LOG[start : start + given].decode()}"
        argv = ["bash", "-c", 'printf %s "$1"; exit "$2"', "bash", text, "0" if whole else "255"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout
            yield process, process.stdout


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_PAUSE_S", 0.0)
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    monkeypatch.setattr("toilctl.verbs.workflows.runs.show", lambda *_: Run.of(RUN))


def connect(monkeypatch: pytest.MonkeyPatch, *gives: int | ConnectError) -> Connections:
    connections = Connections(*gives)
    monkeypatch.setattr("toilctl.system.ssh.streaming", connections.streaming)
    return connections


@pytest.mark.usefixtures("quick")
def test_log_is_written_as_it_is(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    connections = connect(monkeypatch, len(LOG))
    follow.logs(CLUSTER, None, None, follow=False, lines=2)
    assert capfdbinary.readouterr().out == LOG
    assert "toilctl_leader.follow sort-1 --lines 2" in connections.commands[0]


@pytest.mark.usefixtures("quick")
def test_broken_connections_lose_and_repeat_nothing(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    connections = connect(monkeypatch, 4, 0, ConnectError("No route."), 7, len(LOG))
    follow.to_the_end(CLUSTER, "sort-1", None)
    said = capfdbinary.readouterr()
    assert said.out == LOG
    assert [("--offset" in one) for one in connections.commands] == [False, True, True, True, True]
    assert b"The connection broke; the run goes on" in said.err


@pytest.mark.usefixtures("quick")
def test_leader_that_stays_away_ends_the_view_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, *[ConnectError("No route.")] * 3)
    monkeypatch.setattr(follow, "PATIENCE_S", -1.0)
    with pytest.raises(ConnectError, match="No route") as caught:
        follow.to_the_end(CLUSTER, "sort-1", None)
    assert "toilctl runs c" in caught.value.next_step


@pytest.mark.usefixtures("quick")
def test_attach_wants_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_has_terminal", lambda: False)
    with pytest.raises(UsageError, match="no terminal") as caught:
        follow.attach(CLUSTER, "sort-1", None)
    assert "toilctl logs c sort-1 -f" in caught.value.next_step


@pytest.mark.usefixtures("quick")
def test_run_that_has_ended_cannot_be_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_has_terminal", lambda: True)
    monkeypatch.setattr("toilctl.verbs.workflows.runs.show", lambda *_: Run.of(RUN | {"state": "failed"}))
    with pytest.raises(ConflictError, match="has ended") as caught:
        follow.attach(CLUSTER, None, None)
    assert "toilctl logs c sort-1" in caught.value.next_step


@pytest.mark.usefixtures("quick")
def test_log_is_cleaned_where_somebody_looks_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    for looks in (True, False):
        monkeypatch.setattr("sys.stdout.isatty", lambda looks=looks: looks)
        shown.append(isinstance(follow._Written().out, Shown))
    assert shown == [True, False]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("first", [b"x\n", b"9" * 5000 + b"\n", b"-1\n", b"[" * 100_000, b"\xff\n"])
def test_beginning_of_a_log_that_is_no_number_is_the_leaders_fault(first: bytes) -> None:
    with pytest.raises(ConnectError, match="cannot be read"):
        follow._offset(first)
