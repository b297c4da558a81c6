"""Launch templates, and what is read before a launch."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from toilctl.local.process.testing import TestCloud
from toilctl.values import tags
from toilctl.values.errors import UsageError
from toilctl.values.machine_images import MachineImage, check_boots

Module = Callable[[str], ModuleType]
OWN = {"toilctl:cluster": "my"}


def test_the_same_content_is_the_same_version_and_other_content_another(module: Module, ec2: Any) -> None:
    ensure = module("ec2_node_template").ensure
    first = ensure(ec2, "t-1", {"InstanceType": "t2.micro", "KeyName": "k"}, OWN)
    again = ensure(ec2, "t-1", {"KeyName": "k", "InstanceType": "t2.micro"}, OWN)
    other = ensure(ec2, "t-1", {"InstanceType": "t3.micro", "KeyName": "k"}, OWN)
    assert [result["version"] for result in (first, again, other)] == ["1", "1", "2"]
    assert [result["changed"] for result in (first, again, other)] == [True, False, True]
    assert len({result["id"] for result in (first, again, other)}) == 1


def data_of(ec2: Any, made: dict[str, Any]) -> dict[str, Any]:
    """Return what a template that was ensured launches."""
    found = ec2.describe_launch_template_versions(LaunchTemplateId=made["id"], Versions=[made["version"]])
    data: dict[str, Any] = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    return data


def test_content_that_comes_back_is_launched_again(module: Module, ec2: Any) -> None:
    ensure = module("ec2_node_template").ensure
    for kind in ("t2.micro", "t3.micro", "t2.micro", "t3.micro"):
        made = ensure(ec2, "t-1", {"InstanceType": kind}, OWN)
        assert made["changed"]
        assert data_of(ec2, made)["InstanceType"] == kind
        assert ensure(ec2, "t-1", {"InstanceType": kind}, OWN) == {**made, "changed": False}


def test_a_change_that_was_cut_off_is_finished_as_one_version(
    module: Module, ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure = module("ec2_node_template").ensure
    ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)
    with monkeypatch.context() as cut:
        cut.setattr(ec2, "create_tags", Mock(side_effect=ConnectionError))
        with pytest.raises(ConnectionError):
            ensure(ec2, "t-1", {"InstanceType": "t3.micro"}, OWN)
    former = ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)
    assert (former["version"], data_of(ec2, former)["InstanceType"]) == ("1", "t2.micro")
    made = ensure(ec2, "t-1", {"InstanceType": "t3.micro"}, OWN)
    assert (made["version"], data_of(ec2, made)["InstanceType"]) == ("2", "t3.micro")


def test_the_same_change_made_twice_at_once_is_one_version(module: Module, ec2: Any) -> None:
    ensure = module("ec2_node_template").ensure
    ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ensure(ec2, "t-1", {"InstanceType": "t3.micro"}, OWN), range(4)))
    assert {one["version"] for one in made} == {"2"}


@pytest.mark.parametrize("value", ["", "x", "1", "1 x", "one DIGEST", " DIGEST"])
def test_a_template_whose_tag_tells_nothing_gets_a_new_version(module: Module, ec2: Any, value: str) -> None:
    ensure = module("ec2_node_template").ensure
    made = ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)
    (found,) = ec2.describe_launch_templates(LaunchTemplateIds=[made["id"]])["LaunchTemplates"]
    digest = next(one["Value"] for one in found["Tags"] if one["Key"] == tags.CONTENT).split()[1]
    ec2.create_tags(Resources=[made["id"]], Tags=[{"Key": tags.CONTENT, "Value": value.replace("DIGEST", digest)}])
    again = ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)
    assert (again["version"], again["changed"]) == ("2", True)
    assert not ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)["changed"]


def test_a_template_of_another_cluster_is_refused(module: Module, ec2: Any, aws_utils: ModuleType) -> None:
    module("ec2_node_template").ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, {"toilctl:cluster": "other"})
    with pytest.raises(aws_utils.AwsError, match="not this cluster's"):
        module("ec2_node_template").ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)


def test_a_template_that_ec2_does_not_show_yet_is_used_all_the_same(
    module: Module, ec2: Any, cloud: TestCloud, quick: None
) -> None:
    cloud.faults.set("template-lag", seconds=5)
    ensure = module("ec2_node_template").ensure
    first = ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)
    # Whoever comes second, and whoever has other content.
    again = ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)
    other = ensure(ec2, "t-1", {"InstanceType": "t3.micro"}, OWN)
    assert [result["version"] for result in (first, again, other)] == ["1", "1", "2"]


def test_a_template_that_ec2_never_shows_is_ec2s_own_error(
    module: Module, ec2: Any, cloud: TestCloud, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.faults.set("template-lag", seconds=1e9)
    ensure = module("ec2_node_template").ensure
    ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: 10.0 * next(clock))
    with pytest.raises(ClientError, match="NotFound"):
        ensure(ec2, "t-1", {"InstanceType": "t2.micro"}, OWN)


def test_instance_types_are_described_in_our_units(module: Module, ec2: Any) -> None:
    found = module("ec2_instance_type_facts").describe(ec2, ["r3.8xlarge", "c5d.large", "t2.micro", "r3.8xlarge"])
    r3 = found["r3.8xlarge"]
    assert (r3["vcpus"], r3["memory_mib"], r3["instance_store_gb"]) == (32, 249856, 640)
    assert (r3["instance_store_disks"], r3["instance_store_mapped"], r3["architecture"]) == (2, True, "x86_64")
    assert {one["obstacle"] for one in found.values()} == {""}
    assert (found["c5d.large"]["instance_store_disks"], found["c5d.large"]["instance_store_mapped"]) == (1, False)
    assert found["t2.micro"]["instance_store_disks"] == 0


def test_an_instance_type_that_ec2_does_not_know_is_named(module: Module, ec2: Any, aws_utils: ModuleType) -> None:
    with pytest.raises(aws_utils.AwsError, match=r"t2\.micron") as error:
        module("ec2_instance_type_facts").describe(ec2, ["t2.micro", "t2.micron"])
    assert error.value.code == "usage"


@pytest.mark.parametrize(
    "changed",
    [
        {"SupportedVirtualizationTypes": ["paravirtual"]}, {"EbsInfo": {"EncryptionSupport": "unsupported"}},
        {"BareMetal": True},
    ],
)  # fmt: skip
def test_type_that_cannot_be_a_node_says_why_in_the_command_lines_words(
    module: Callable[[str], ModuleType], ec2: Any, changed: dict[str, Any]
) -> None:
    offer = ec2.describe_instance_types(InstanceTypes=["m1.small"])["InstanceTypes"][0] | changed
    told = module("ec2_instance_type_facts").facts(offer)["obstacle"]
    with pytest.raises(UsageError) as caught:
        check_boots(offer, MachineImage("ami-1", "x86_64", 8))
    assert told
    assert told in caught.value.message


def gather(module: Module, cloud: TestCloud, cluster: str = "my") -> dict[str, Any]:
    options = {
        "cluster": cluster,
        "region": "us-west-2",
        "ami_ssm_parameter": "/aws/service/debian/release/12/latest/amd64",
        "with_image": True,
    }
    result: dict[str, Any] = module("ec2_launch_facts").gather(cloud.client("ec2"), cloud.client("ssm"), options)
    return result


def test_one_subnet_of_each_zone_is_taken(
    module: Module, cloud: TestCloud, make_group: Callable[..., dict[str, Any]]
) -> None:
    make_group(tags={"toilctl:zones": "us-west-2b,us-west-2a"})
    facts = gather(module, cloud)
    assert [subnet["zone"] for subnet in facts["subnets"]] == ["us-west-2a", "us-west-2b"]
    assert facts["image"]["root_device_name"] == "/dev/xvda"
    assert (facts["image"]["architecture"], facts["image"]["root_gb"]) == ("x86_64", 8)


def test_a_named_subnet_is_taken_instead(
    module: Module, cloud: TestCloud, ec2: Any, make_group: Callable[..., dict[str, Any]]
) -> None:
    subnet = ec2.describe_subnets()["Subnets"][2]
    make_group(tags={"toilctl:zones": "us-west-2a", "toilctl:vpc-subnet": subnet["SubnetId"]})
    expected = {"zone": subnet["AvailabilityZone"], "id": subnet["SubnetId"], "cidr": subnet["CidrBlock"]}
    assert gather(module, cloud)["subnets"] == [expected]


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ({"toilctl:zones": "us-west-2z"}, "us-west-2z"),
        ({"toilctl:vpc-subnet": "subnet-0123456789abcdef0"}, "subnet-0123456789abcdef0"),
        ({}, "Neither a zone nor a subnet"),
        ({"toilctl:zones": "us-west-2a", "toilctl:ami": "ami-0123456789abcdef0"}, "ami-0123456789abcdef0"),
    ],
)
def test_settings_that_do_not_exist_are_named(
    tags: dict[str, str],
    text: str,
    module: Module,
    cloud: TestCloud,
    make_group: Callable[..., dict[str, Any]],
    aws_utils: ModuleType,
) -> None:
    make_group(tags=tags)
    with pytest.raises(aws_utils.AwsError, match=text):
        gather(module, cloud)


def test_a_cluster_that_does_not_exist_is_named(module: Module, cloud: TestCloud, aws_utils: ModuleType) -> None:
    with pytest.raises(aws_utils.AwsError, match="no cluster nope"):
        gather(module, cloud, "nope")


def test_who_launches_nothing_reads_no_image(
    module: Module, cloud: TestCloud, make_group: Callable[..., dict[str, Any]]
) -> None:
    make_group(tags={"toilctl:zones": "us-west-2a"})
    options = {"cluster": "my", "region": "us-west-2", "ami_ssm_parameter": "/no/such", "with_image": False}
    found = module("ec2_launch_facts").gather(cloud.client("ec2"), cloud.client("ssm"), options)
    assert ([subnet["zone"] for subnet in found["subnets"]], "image" in found) == (["us-west-2a"], False)


def test_a_cluster_that_is_being_destroyed_has_no_settings_any_more(
    module: Module, cloud: TestCloud, make_group: Callable[..., dict[str, Any]], aws_utils: ModuleType
) -> None:
    make_group(tags={"toilctl:zones": "us-west-2a"})
    make_group(state="destroying")
    with pytest.raises(aws_utils.AwsError, match="is being destroyed"):
        gather(module, cloud)
