"""destroy-cluster."""

from __future__ import annotations

import gzip
from base64 import b64encode
from pathlib import Path

import pytest

from tests.unit.cli.stand_in import LAUNCH
from toilctl.system import paths, ssh
from toilctl.values import policies, tags

CAPTURE = ssh.capture
pytestmark = pytest.mark.usefixtures("playbooks")


def test_destroy_leaves_nothing_and_again_is_success(toilctl, cluster):
    assert toilctl("destroy-cluster", "c").stdout == "c in us-west-2 is destroyed; nothing of it is left.\n"
    assert toilctl("destroy-cluster", "c").stdout.startswith(
        "There is no cluster c in us-west-2: nothing to destroy.\n"
    )
    assert cluster.names == ["destroy.yml"]


def test_cluster_that_is_not_in_this_region_may_be_in_another(toilctl, home):
    none = "There is no cluster c in us-west-2: nothing to destroy.\n"
    result = toilctl("destroy-cluster", "c")
    assert (result.exit_code, result.stdout) == (0, f"{none}-z ZONE or --region REGION looks in another region.\n")
    known = paths.cluster_dir("eu-west-1", "c") / "known_hosts"
    known.parent.mkdir(parents=True)
    known.touch()
    seen = "This machine has connected to one in eu-west-1: -z eu-west-1a looks there."
    assert toilctl("destroy-cluster", "c").stdout == f"{none}{seen}\n"
    assert toilctl.json("destroy-cluster", "c")["data"]["next_step"] == seen


def test_destroy_leaves_a_cluster_whose_name_begins_alike_alone(toilctl, cluster):
    other = list(LAUNCH)
    other[1] = "c-2"
    assert toilctl(*other).exit_code == 0
    assert toilctl("destroy-cluster", "c").exit_code == 0
    assert len(cluster.live("worker", "c-2")) == 2


def test_what_is_left_is_listed_and_the_exit_code_says_so(toilctl, cluster):
    cluster.leaves = True
    result = toilctl("destroy-cluster", "c")
    assert result.exit_code == 10
    assert f"security group {cluster._groups('c')[0]}" in result.stderr


def test_launch_destroy_and_launch_again_under_one_name(toilctl, cluster):
    assert toilctl("destroy-cluster", "c").exit_code == 0
    assert toilctl(*LAUNCH).exit_code == 0
    assert len(cluster.live()) == 2


def test_leftovers_of_a_cluster_without_security_group_are_destroyed(toilctl, playbooks, account):
    account.client("iam").create_role(RoleName="toilctl-c-us-west-2-leader", AssumeRolePolicyDocument="{}")
    result = toilctl("destroy-cluster", "c")
    assert playbooks.names == ["destroy.yml"]
    assert (result.exit_code, "IAM role toilctl-c-us-west-2-leader" in result.stderr) == (10, True)


@pytest.fixture
def may_not_look(account, monkeypatch):
    """Let this user have all that a launch with a profile of others takes."""
    made = ("MakeRoles", "PassRoles")
    document = policies.launch()
    less = {**document, "Statement": [one for one in document["Statement"] if one["Sid"] not in made]}
    for name, value in account.user("me", less).items():
        monkeypatch.setenv(name.upper(), value)


def test_cluster_with_a_profile_of_others_is_destroyed_by_who_may_not_look_for_roles(toilctl, cluster, may_not_look):
    cluster.tag("c", {tags.PROFILE_ARN: "arn:aws:iam::123456789012:instance-profile/theirs"})
    for _ in range(2):
        result = toilctl("destroy-cluster", "c")
        assert (result.exit_code, cluster.names) == (0, ["destroy.yml"]), result.stderr


def test_roles_of_its_own_are_looked_for_whoever_destroys_a_cluster(toilctl, cluster, may_not_look):
    result = toilctl("destroy-cluster", "c")
    assert (result.exit_code, "iam:GetInstanceProfile" in result.stderr) == (3, True), result.stderr


@pytest.mark.usefixtures("autoscaled")
def test_leader_that_cannot_be_reached_leads_to_a_note_and_is_destroyed(toilctl, playbooks):
    result = toilctl("destroy-cluster", "c")
    assert (result.exit_code, result.stdout) == (0, "c in us-west-2 is destroyed; nothing of it is left.\n")
    assert "The autoscaler's journal is not kept. The hosts of this test are not there." in result.stderr
    assert playbooks.live("leader") == []


@pytest.mark.usefixtures("autoscaled")
def test_private_key_that_is_not_there_keeps_nothing_from_being_destroyed(toilctl, playbooks, monkeypatch, home):
    monkeypatch.setattr("toilctl.system.ssh.capture", CAPTURE)
    result = toilctl("destroy-cluster", "c", "--ssh-key", str(home / "gone"))
    assert result.exit_code == 0
    assert f"There is no private key {home / 'gone'}." in result.stderr


def test_cluster_without_autoscaler_is_destroyed_without_a_word_on_journals(toilctl, cluster):
    cluster.tag("c", {tags.ENGINE: "slurm"})
    assert "journal" not in toilctl("destroy-cluster", "c").stderr
    assert cluster.names == ["destroy.yml"]


def test_programs_are_told_where_the_journal_is(toilctl, cluster, monkeypatch, home):
    monkeypatch.setattr("toilctl.system.ssh.capture", lambda *_: b64encode(gzip.compress(b"{}\n")).decode())
    kept = toilctl.json("destroy-cluster", "c")["data"]["journal"]
    assert kept == str(home / "state/toilctl/journals/us-west-2/c/0123abcd.jsonl.gz")
    assert Path(kept).is_file()
    assert toilctl.json("destroy-cluster", "c")["data"]["journal"] is None
