"""Jobs that can never run, as other commands than explain tell of them."""

from __future__ import annotations

import pytest

from tests.unit.cli.stand_in import wait_report
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConnectError
from toilctl.values.node_types import NodeType
from toilctl.verbs.reports import explain

LEADER = Node(
    "i-1", Role.LEADER, NodeType(("c5.large",)), "c5.large", "running", "us-west-2a", "10.0.0.1", None, False, ""
)


def cluster(**settings: str) -> Cluster:
    return Cluster("c", "us-west-2", "0123abcd", "sg-1", {tags.ENGINE: "mesos"} | settings, (LEADER,))


@pytest.mark.parametrize(("age_s", "names"), [(5, [("huge",)]), (3600, [])])
def test_last_report_counts_while_it_is_new(monkeypatch: pytest.MonkeyPatch, age_s: int, names: list[object]) -> None:
    monkeypatch.setattr("toilctl.system.ssh.capture", lambda *_, **__: wait_report(age_s))
    assert [one.names for one in explain.never_run(cluster(), None)] == names


def test_leader_that_does_not_tell_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> str:
        raise ConnectError("No answer.")

    monkeypatch.setattr("toilctl.system.ssh.capture", silent)
    assert explain.never_run(cluster(), None) == ()


def test_cluster_without_an_autoscaler_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toilctl.system.ssh.capture", None)
    assert explain.never_run(cluster(**{tags.ENGINE: "slurm"}), None) == ()
