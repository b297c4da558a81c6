"""What the program in the leader's container answers, and what becomes of it here."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.checkout import ROOT
from toilctl.system import ssh
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConflictError, ConnectError, NotFoundError, ToilctlError
from toilctl.values.node_types import NodeType
from toilctl.verbs.connect import ask_leader

PROGRAM = ROOT / "roles/appliance/files"
LEADER = Node(
    "i-1", Role.LEADER, NodeType(("t2.medium",)), "t2.medium", "running", "us-west-2a", "172.31.0.5", None, False, ""
)
CLUSTER = Cluster("c", "us-west-2", "0123abcd", "sg-1", {}, (LEADER,))


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that the program is found in, here instead of on a leader."""
    found = [str(PROGRAM)]

    def here(verb: str, request: str, timeout_s: float) -> str:
        argv = [sys.executable, *ask_leader.PROGRAM[1:], verb]
        done = subprocess.run(
            argv, input=request, capture_output=True, text=True, timeout=timeout_s, check=False,
            env=os.environ | {"PYTHONPATH": ":".join(found)},
        )  # fmt: skip
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, argv, done.stdout, done.stderr)
        return done.stdout

    monkeypatch.setattr(
        ssh, "capture", lambda _target, _command, timeout_s, text: here("invented.verb", text, timeout_s)
    )
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    return found


def test_verb_that_the_leader_does_not_know_is_a_matter_of_its_toilctl(program: list[str]) -> None:
    with pytest.raises(ConflictError, match="another toilctl has set it up") as caught:
        ask_leader.ask(CLUSTER, None, "invented.verb", {})
    assert "launch-cluster" in caught.value.next_step


def test_leader_without_the_program_is_told_how_to_get_it(program: list[str]) -> None:
    program.clear()
    with pytest.raises(ConflictError, match="older toilctl"):
        ask_leader.ask(CLUSTER, None, "invented.verb", {})


def test_refusal_is_an_error_of_its_class_with_its_facts() -> None:
    refused = {"code": "not-found", "message": "There is no run x.", "next_step": "Look.", "facts": {"name": "x"}}
    with pytest.raises(NotFoundError) as caught:
        ask_leader.answered(json.dumps({"refused": refused}), "runs.show")
    assert (caught.value.message, caught.value.next_step, caught.value.facts) == (
        "There is no run x.", "Look.", {"name": "x"},
    )  # fmt: skip


def test_refusal_of_a_later_version_is_an_error_all_the_same() -> None:
    refused = {"code": "invented-later", "message": "No.", "next_step": ""}
    with pytest.raises(ToilctlError, match=r"No\."):
        ask_leader.answered(json.dumps({"refused": refused}), "runs.show")


def test_refusal_of_any_length_is_cut() -> None:
    long = "x\n" * 5_000_000
    refused = {"code": "conflict", "message": long, "next_step": long, "facts": {"why": long, "names": ["x"] * 10**6}}
    with pytest.raises(ConflictError) as caught:
        ask_leader.answered(json.dumps({"refused": refused}), "runs.show")
    error = caught.value
    for text in (error.message, error.next_step):
        assert len(text) == ask_leader.MOST_SAID
        assert text.endswith("x\n…") or text.endswith("\nx…")
    assert error.facts == {}


def test_message_of_some_lines_keeps_them() -> None:
    refused = {"code": "conflict", "message": "pip failed:\n  no such\n  release", "next_step": "a  b"}
    with pytest.raises(ConflictError) as caught:
        ask_leader.answered(json.dumps({"refused": refused}), "deployments.prepare")
    assert (caught.value.message, caught.value.next_step) == (refused["message"], "a  b")


def test_last_words_of_the_program_are_cut(program: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> str:
        raise subprocess.CalledProcessError(1, "ssh", "", "first\n" + "x" * 10**6)

    monkeypatch.setattr(ssh, "capture", failing)
    with pytest.raises(ConnectError, match=r"could not do runs\.show: x") as caught:
        ask_leader.ask(CLUSTER, None, "runs.show", {})
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("text", ["", "Warning\n{}", "[]", '"a"'])
def test_answer_that_is_none_is_shown(text: str) -> None:
    with pytest.raises(ConnectError, match="cannot be read"):
        ask_leader.answered(text, "runs.show")


def test_crash_of_the_program_names_its_last_line(program: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_leader.json, "dumps", lambda *_: "no JSON")
    with pytest.raises(ConnectError, match="JSONDecodeError"):
        ask_leader.ask(CLUSTER, None, "invented.verb", {})


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> str:
        raise subprocess.TimeoutExpired("ssh", 3)

    monkeypatch.setattr(ssh, "capture", slow)
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    with pytest.raises(ConnectError, match="in 3 s"):
        ask_leader.ask(CLUSTER, None, "runs.show", {})
