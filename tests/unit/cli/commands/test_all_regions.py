"""Clusters are looked for in all regions, and some of them give no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from toilctl.local.process.testing import TestCloud
from toilctl.system import inventory
from toilctl.values import tags

REGIONS: Final = ("ap-east-1", "eu-west-1", "us-east-1", "us-west-2")
GOVERNED: Final = ["us-east-1", "us-west-2"]
NOTE: Final = "These credentials may not look for clusters in ap-east-1 and eu-west-1."


@pytest.fixture(autouse=True)
def _notes_are_new() -> Iterator[None]:
    """Let each test hear what is said once in a process."""
    yield
    inventory._warn.cache_clear()


@pytest.fixture
def all_regions(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster c in us-west-2, and no region that is named."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setattr("toilctl.system.aws.enabled_regions", lambda _: REGIONS)


@pytest.fixture
def governed(all_regions: None, account: TestCloud, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Use regions alone, as Control Tower's deny has it."""

    def use(*regions: str) -> None:
        elsewhere = {
            "Effect": "Deny", "NotAction": ["iam:*", "ec2:DescribeRegions"], "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:RequestedRegion": list(regions)}},
        }  # fmt: skip
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        keys = account.user("governed", {"Version": "2012-10-17", "Statement": [everything, elsewhere]})
        for name, value in keys.items():
            monkeypatch.setenv(name.upper(), value)

    return use


@pytest.fixture
def answers(all_regions: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let regions answer with errors."""
    usual = inventory.clusters

    def set_to(**errors: Exception) -> None:
        by_region = {name.replace("_", "-"): error for name, error in errors.items()}

        def clusters(region: str, name: str | None = None) -> Any:
            if region in by_region:
                raise by_region[region]
            return usual(region, name)

        monkeypatch.setattr(inventory, "clusters", clusters)

    return set_to


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeSecurityGroups")


def unreached() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="https://ec2.eu-west-1.amazonaws.com")


def test_denied_regions_are_passed_over_with_one_note(toilctl, governed):
    governed(*GOVERNED)
    result = toilctl("list-clusters", "--output", "json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count(NOTE) == 1
    listed = toilctl.json("list-clusters")["data"]
    assert [(one["name"], one["region"]) for one in listed["clusters"]] == [("c", "us-west-2")]
    assert listed["passed_over"] == ["ap-east-1", "eu-west-1"]


@pytest.mark.parametrize("verb", ["describe-cluster", "destroy-cluster"])
def test_cluster_is_found_beside_denied_regions(toilctl, governed, verb):
    governed(*GOVERNED)
    result = toilctl(verb, "c")
    assert (result.exit_code, NOTE in result.stderr) == (0, True), result.stderr


def test_cluster_that_no_region_has_is_not_said_to_be_in_none_of_those_denied(toilctl, governed):
    governed(*GOVERNED)
    result = toilctl("describe-cluster", "x")
    assert (result.exit_code, NOTE in result.stderr) == (4, True)
    assert "There is no cluster 'x' in any region that could be searched." in result.stderr
    gone = toilctl("destroy-cluster", "x")
    assert gone.exit_code == 0
    assert "in any region that could be searched" in gone.stdout


def test_credentials_that_are_denied_everywhere_are_refused(toilctl, governed):
    governed("nowhere")
    result = toilctl("list-clusters")
    assert result.exit_code == 3
    assert "These credentials may not do ec2:DescribeSecurityGroups." in result.stderr
    assert "may not look for" not in result.stderr


def test_region_that_cannot_be_reached_costs_a_list_that_region_alone(toilctl, answers):
    answers(eu_west_1=unreached(), ap_east_1=refused("AuthFailure"))
    result = toilctl("list-clusters")
    assert result.exit_code == 0
    assert "ap-east-1 and eu-west-1 could not be searched: AWS does not accept these credentials" in result.stderr
    assert toilctl("describe-cluster", "c").exit_code == 0


@pytest.mark.parametrize("verb", ["describe-cluster", "destroy-cluster"])
def test_cluster_that_may_be_where_nobody_answers_is_not_said_to_be_gone(toilctl, answers, verb):
    answers(eu_west_1=unreached())
    result = toilctl(verb, "x")
    assert result.exit_code == 9
    assert "Cluster 'x' may be in eu-west-1, where it could not be looked for: AWS cannot be reached" in result.stderr


def test_what_is_wrong_in_every_region_is_told_as_it_is(toilctl, answers):
    answers(**{region.replace("-", "_"): refused("ExpiredToken") for region in REGIONS})
    result = toilctl("list-clusters")
    assert (result.exit_code, "have expired" in result.stderr) == (3, True)


def test_error_of_another_kind_ends_the_search(toilctl, answers):
    answers(eu_west_1=refused("InternalError"))
    assert toilctl("list-clusters").exit_code == 1


def test_spoiled_group_is_named_beside_passed_over_regions(toilctl, governed, account):
    account.client("ec2", "us-east-1").create_security_group(
        GroupName="x", Description="x",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags.to_list({tags.CLUSTER: "-"})}],
    )  # fmt: skip
    governed(*GOVERNED)
    result = toilctl("list-clusters")
    assert (result.exit_code, "in us-east-1 are not as toilctl writes them" in result.stderr) == (0, True)
