"""Tags that somebody else has changed: the rest is listed, and nothing of them reaches a command line."""

from __future__ import annotations

import pytest

from toilctl.system import inventory
from toilctl.values import tags
from toilctl.values.cluster import Role
from toilctl.values.node_types import NodeType

pytestmark = pytest.mark.usefixtures("playbooks", "cluster")


@pytest.fixture(autouse=True)
def _each_test_is_told_anew():
    inventory._warn.cache_clear()


def retag(account, instance_id, key, value):
    account.client("ec2", "us-west-2").create_tags(Resources=[instance_id], Tags=tags.to_list({key: value}))


def test_instance_with_a_spoiled_node_type_counts_by_what_ec2_bought(toilctl, playbooks, account):
    first, second = playbooks.live()
    retag(account, first, tags.NODE_TYPE, "\u202e; rm -rf ~")
    result = toilctl("list-clusters")
    assert (result.exit_code, "running" in result.stdout) == (0, True), result.stderr
    assert f"{first} counts as t2.micro: toilctl:node-type cannot be '\\u202e; rm -rf ~'." in result.stderr
    assert second not in result.stderr
    nodes = inventory.instances_of("us-west-2", "c", Role.WORKER)
    assert {node.instance_id: node.node_type for node in nodes} == dict.fromkeys(
        (first, second), NodeType(("t2.micro",))
    )


def test_instance_of_another_role_is_named_and_the_rest_is_listed(toilctl, playbooks, account):
    first, second = playbooks.live()
    retag(account, first, tags.ROLE, "master")
    result = toilctl("describe-cluster", "c", "-z", "us-west-2a")
    assert result.exit_code == 0
    assert f"{first} is passed over, for it is neither leader nor worker: toilctl:role cannot be 'master'." in (
        result.stderr
    )
    assert second in result.stdout
    assert first not in result.stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (tags.LOGIN_USER, "-oProxyCommand=touch pwned"), (tags.ENGINE, "magic"),
        (tags.LIMITS, "t2.micro=0..9999999999"),
        (tags.WORKERS, "lots"), (tags.AUTOSCALER, "target_time_s=nan"), (tags.SHARED, "/etc"),
        (tags.ORPHAN_TIMEOUT, "x"),
        (tags.KEY_PAIR_NAME, "../../k"), (tags.ZONES, "here"),
    ],
)  # fmt: skip
def test_spoiled_settings_are_named_and_the_cluster_is_listed_but_not_used(toilctl, playbooks, key, value):
    playbooks.tag("c", {key: value})
    listed = toilctl("list-clusters")
    assert (listed.exit_code, "c     us-west-2" in listed.stdout) == (0, True)
    assert f"are not as toilctl writes them: {key} cannot be {value!r}." in listed.stderr
    assert toilctl("describe-cluster", "c").exit_code == 0
    for words in (("ssh-cluster", "c", "true"), ("scale-cluster", "c", "-w", "3"), ("explain", "c"), ("runs", "c")):
        refused = toilctl(*words)
        assert refused.exit_code == 5
        assert "Somebody has changed the tags of cluster 'c'" in refused.stderr
        assert f"Key={key},Value=…" in refused.stderr
    assert toilctl("destroy-cluster", "c").exit_code == 0


def test_group_whose_cluster_tag_is_no_name_is_passed_over(toilctl, account):
    account.client("ec2", "us-west-2").create_security_group(
        GroupName="other", Description="x",
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": tags.to_list({tags.CLUSTER: "../../x", tags.ENGINE: "mesos"})}
        ],
    )  # fmt: skip
    listed = toilctl.json("list-clusters")["data"]["clusters"]
    assert [one["name"] for one in listed] == ["c"]
