"""Whether a leader can be reached, and what to do where it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toilctl.system import leaders
from toilctl.values import tags
from toilctl.values.cluster import Role
from toilctl.values.errors import ConnectError, NotFoundError
from toilctl.verbs.clusters.list import state_of


@pytest.fixture(autouse=True)
def on_aws(monkeypatch):
    monkeypatch.delenv(leaders.REHEARSED, raising=False)


@pytest.mark.parametrize("state", ["pending", "running"])
def test_leader_that_runs_or_boots_can_be_reached(cluster, node, state):
    there = node(state=state)
    assert leaders.require(replace(cluster, nodes=(there,))) == there
    assert leaders.absence(cluster) is None


@pytest.mark.parametrize(
    ("state", "when"), [("stopped", "Start it"), ("stopping", "Wait until it is stopped, then start it")]
)
def test_leader_that_is_stopped_is_told_with_the_command_that_starts_it(cluster, node, state, when):
    of = replace(cluster, nodes=(node(state=state),))
    with pytest.raises(ConnectError) as caught:
        leaders.require(of)
    assert caught.value.message == f"Leader i-0aaa of cluster 'c' is {state}."
    assert caught.value.next_step == f"{when}: aws ec2 start-instances --instance-ids i-0aaa --region us-west-2"
    assert caught.value.facts["reason"] == "state"
    assert state_of(of) == f"leader {state}"


def test_shell_of_a_user_of_the_rehearsal_cloud_is_led_there_first(cluster, node, monkeypatch):
    monkeypatch.setenv(leaders.REHEARSED, "yes")
    absent = leaders.absence(replace(cluster, nodes=(node(state="stopped"),)))
    assert absent.next_step.startswith('Start it: eval "$(toilctl local env)"; aws ec2 start-instances ')


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_leader_that_is_gone_leaves_a_cluster_to_be_destroyed(cluster, node, state):
    of = replace(cluster, nodes=(node(state=state), node(instance_id="i-0bbb", role=Role.WORKER)))
    with pytest.raises(NotFoundError) as caught:
        leaders.require(of)
    assert caught.value.message == f"Leader i-0aaa of cluster 'c' is {state}."
    assert caught.value.next_step == "Remove the rest of it: toilctl destroy-cluster c"
    assert state_of(of) == "no leader"


@pytest.mark.parametrize(("key", "next_step"), [("ssh-ed25519 AAAA", "destroy-cluster c"), ("", "did not finish")])
def test_launch_did_not_finish_only_where_no_leader_ever_answered(cluster, key, next_step):
    of = replace(cluster, nodes=(), settings={**cluster.settings, tags.LEADER_PUBLIC_KEY: key})
    with pytest.raises(NotFoundError, match="has no leader") as caught:
        leaders.require(of)
    assert next_step in caught.value.next_step
