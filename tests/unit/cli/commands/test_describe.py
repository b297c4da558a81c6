"""list-clusters and describe-cluster, and how a cluster is found."""

from __future__ import annotations

import pytest

from toilctl.system import paths
from toilctl.values import tags

pytestmark = pytest.mark.usefixtures("playbooks")


def test_list_and_describe(toilctl, cluster):
    listed = toilctl.json("list-clusters")["data"]["clusters"]
    assert [(one["name"], one["region"], one["state"], len(one["workers"])) for one in listed] == [
        ("c", "us-west-2", "running", 2)
    ]
    described = toilctl.json("describe-cluster", "c", "-z", "us-west-2a")["data"]
    assert described["desired"] == {"t2.micro": 2}
    assert [node["engine_state"] for node in described["nodes"]] == [None, "joined", "joined"]


def test_engine_that_does_not_answer_is_a_note(toilctl, cluster, monkeypatch):
    from toilctl.values.errors import EngineError

    def silent(*_: object) -> None:
        raise EngineError("Slurm does not answer.")

    monkeypatch.setattr("toilctl.verbs.clusters.nodes.members", silent)
    result = toilctl("describe-cluster", "c")
    assert result.exit_code == 0
    assert "The engine could not be asked: Slurm does not answer." in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("describe-cluster", "x"), ("scale-cluster", "x", "-w", "1"), ("ssh-cluster", "x"), ("explain", "x"),
        ("rsync-cluster", "x", "a", ":b"), ("autoscale", "x"), ("runs", "x"), ("run", "x", "--", "true"),
    ],
)  # fmt: skip
def test_cluster_that_does_not_exist(toilctl, words):
    result = toilctl(*words)
    assert result.exit_code == 4
    assert "There is no cluster 'x' in us-west-2.\n-z ZONE or --region REGION looks in another region." in result.stderr
    known = paths.cluster_dir("eu-west-1", "x") / "known_hosts"
    known.parent.mkdir(parents=True)
    known.touch()
    assert "one in eu-west-1: -z eu-west-1a looks there." in toilctl(*words).stderr


def test_without_a_region_all_are_searched_and_two_matches_are_named(toilctl, cluster, account, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setattr("toilctl.system.aws.enabled_regions", lambda _: ("eu-west-1", "us-east-1", "us-west-2"))
    assert toilctl.json("describe-cluster", "c")["data"]["region"] == "us-west-2"
    account.client("ec2", "eu-west-1").create_security_group(
        GroupName="toilctl-c",
        Description="x",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags.to_list({tags.CLUSTER: "c"})}],
    )
    for verb in ("describe-cluster", "destroy-cluster"):
        result = toilctl(verb, "c")
        assert result.exit_code == 5
        assert "eu-west-1 and us-west-2" in result.stderr
    assert toilctl("describe-cluster", "c", "-z", "us-west-2b").exit_code == 0
