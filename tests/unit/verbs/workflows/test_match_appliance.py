"""Containers are replaced only where that costs nobody's work."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from toilctl.system import playbooks
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConflictError
from toilctl.values.node_types import NodeType
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.workflows import match_appliance

IMAGE = "quay.io/ucsc_cgl/toil:8.0.0-py3.11"


def node(role: Role, number: int, state: str = "running") -> Node:
    return Node(
        f"i-{number}", role, NodeType(("t2.medium",)), "t2.medium", state, "us-west-2a", f"10.0.0.{number}", None,
        False, "",
    )  # fmt: skip


CLUSTER = Cluster(
    "c", "us-west-2", "0123abcd", "sg-1", {tags.ENGINE: "slurm", tags.APPLIANCE: "old"},
    (node(Role.LEADER, 1), node(Role.WORKER, 2), node(Role.WORKER, 3, "terminated")),
)  # fmt: skip


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the cluster does, and what was done to it."""
    seen = SimpleNamespace(runs=[], jobs=(), tagged=[], played=[], checked=[])

    def create_tags(**request: Any) -> None:
        seen.tagged.append(request)

    def run(playbook: str, *_: object, **__: object) -> playbooks.PlaybookResult:
        seen.played.append(playbook)
        return SimpleNamespace(succeeded=True)

    module = "toilctl.verbs.workflows.match_appliance"
    monkeypatch.setattr(f"{module}.ask_leader.ask", lambda *_, **__: {"runs": seen.runs})
    monkeypatch.setattr(f"{module}.nodes.members", lambda *_: {"i-2": SimpleNamespace(running=seen.jobs)})
    monkeypatch.setattr(f"{module}.key_pairs.of_cluster", lambda *_: SimpleNamespace(path=None))
    monkeypatch.setattr(f"{module}.zones_and_images.image", lambda *_: SimpleNamespace(architecture="x86_64"))
    monkeypatch.setattr(f"{module}.image_registry.check", lambda *words: seen.checked.append(words[:3]) or words[0])
    monkeypatch.setattr(f"{module}.aws.client", lambda *_: SimpleNamespace(create_tags=create_tags))
    monkeypatch.setattr(f"{module}.playbooks.run", run)
    return seen


def test_nodes_that_live_and_those_to_come_get_the_image(world: SimpleNamespace) -> None:
    matched = match_appliance.match(CLUSTER, IMAGE, None, Provisioner())
    assert (matched.before, matched.after) == ("old", IMAGE)
    assert world.checked == [(IMAGE, "slurm", "x86_64")]
    assert world.tagged == [
        {"Resources": ["sg-1", "i-1", "i-2"], "Tags": [{"Key": "toilctl:appliance", "Value": IMAGE}]}
    ]
    assert world.played == ["configure.yml"]


def test_cluster_with_a_run_is_left_alone(world: SimpleNamespace) -> None:
    world.runs = [{"name": "sort-1", "state": "running", "started_at": "2026-11-26T12:00:00+00:00"}]
    with pytest.raises(ConflictError, match="sort-1 still runs") as caught:
        match_appliance.match(CLUSTER, IMAGE, None, Provisioner())
    assert "toilctl stop c sort-1" in caught.value.next_step
    assert (world.tagged, world.played) == ([], [])


def test_cluster_with_jobs_is_left_alone(world: SimpleNamespace) -> None:
    world.jobs = ("7",)
    with pytest.raises(ConflictError, match="jobs run on i-2"):
        match_appliance.match(CLUSTER, IMAGE, None, Provisioner())
    assert (world.tagged, world.played) == ([], [])


@pytest.fixture
def deployed(world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What the cluster's appliance was at each deployment; the first one needs another Toil."""
    tried: list[str | None] = []

    def carry_out(_plan: object, cluster: Cluster, *_: object) -> str:
        tried.append(cluster.settings.get(tags.APPLIANCE))
        if len(tried) == 1:
            raise ConflictError("It asks for Toil 8.", "Launch.", toil_needed="8.0.0", appliance_image=world.known)
        return "deployed"

    world.known = IMAGE
    monkeypatch.setattr("toilctl.verbs.workflows.match_appliance.deploy.carry_out", carry_out)
    monkeypatch.setattr(
        "toilctl.verbs.workflows.match_appliance.nodes.refreshed",
        lambda one: replace(one, settings={tags.APPLIANCE: "new"}),
    )
    return tried


@pytest.mark.parametrize(("named", "taken"), [(None, IMAGE), ("mine:8", "mine:8")])
def test_deployment_that_needs_another_toil_gets_its_appliance_first(
    world: SimpleNamespace, deployed: list[str | None], named: str | None, taken: str
) -> None:
    assert match_appliance.deploy_with(None, CLUSTER, named, None, Provisioner()) == "deployed"
    assert deployed == ["old", "new"]
    assert [image for image, *_ in world.checked] == [taken]


def test_appliance_that_nobody_has_made_is_not_matched(world: SimpleNamespace, deployed: list[str | None]) -> None:
    world.known = None
    with pytest.raises(ConflictError, match="asks for Toil 8"):
        match_appliance.deploy_with(None, CLUSTER, None, None, Provisioner())
    assert world.tagged == []
