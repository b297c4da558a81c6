"""destroy-cluster."""

from __future__ import annotations

import pytest

from .stand_in import LAUNCH

pytestmark = pytest.mark.usefixtures("playbooks")


def test_destroy_leaves_nothing_and_again_is_success(toilctl, cluster):
    assert toilctl("destroy-cluster", "c").stdout == "c in us-west-2 is destroyed; nothing of it is left.\n"
    assert toilctl("destroy-cluster", "c").stdout == "There is no cluster c in us-west-2: nothing to destroy.\n"
    assert cluster.names == ["destroy.yml"]


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
