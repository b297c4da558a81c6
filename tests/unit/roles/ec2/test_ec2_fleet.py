"""The launch module: what is launched, where, at which price, and what EC2 refuses."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.unit.roles.ec2.ec2_fleets import Launch, live, tags_of
from toilctl.local.aws.ec2 import offerings
from toilctl.local.process.testing import TestCloud


def test_a_launch_twice_launches_nothing_twice(ec2: Any, launch: Launch) -> None:
    first, second = launch(3), launch(3)
    assert (first["changed"], len(first["launched"])) == (True, 3)
    assert (second["changed"], second["launched"]) == (False, [])
    assert first["instance_ids"] == second["instance_ids"]
    assert len(live(ec2)) == 3


def test_what_is_launched_carries_its_tags_from_the_launch_itself(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    launch(1, tags={"Owner": "me", "Name": "my-worker"}, intent="scale-1")
    (instance,) = live(ec2)
    expected = {
        "Owner": "me", "Name": "my-worker", "toilctl:cluster": "my", "toilctl:role": "worker",
        "toilctl:node-type": "t2.micro", "toilctl:intent": "scale-1",
    }  # fmt: skip
    assert tags_of(instance).items() >= expected.items()
    (volume,) = ec2.describe_volumes()["Volumes"]
    assert tags_of(volume).items() >= expected.items()
    # Two calls: the attempt's beginning and its end.
    assert cloud.calls["ec2:CreateTags"] == 2


def test_a_launch_takes_the_same_number_of_calls_for_any_number_of_nodes(launch: Launch, cloud: TestCloud) -> None:
    def calls(count: int) -> int:
        before = sum(cloud.calls.values())
        launch(count, node_type=f"t2.micro-{count}")
        return sum(cloud.calls.values()) - before

    launch(0)
    assert calls(1) == calls(10) == calls(100)


def test_a_partial_fill_is_no_failure_and_a_second_run_fills_the_rest(
    ec2: Any, launch: Launch, cloud: TestCloud
) -> None:
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", count=2)
    partial = launch(5)
    assert (len(partial["instance_ids"]), partial["missing"]) == (2, 3)
    assert partial["errors"][0]["code"] == "InsufficientInstanceCapacity"
    assert partial["toilctl_error"]["code"] == "partial"
    assert "3 of 5 worker nodes t2.micro" in partial["toilctl_error"]["message"]
    cloud.faults.clear()
    cloud.faults.set("profile-delay", seconds=0)
    assert launch(5)["missing"] == 0
    assert len(live(ec2)) == 5


def test_no_capacity_at_all_fails_with_the_code_of_ec2(launch: Launch, cloud: TestCloud, aws_utils: ModuleType) -> None:
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro")
    with pytest.raises(aws_utils.AwsError, match="InsufficientInstanceCapacity") as error:
        launch(2)
    assert (error.value.code, error.value.facts["aws_code"]) == ("capacity", "InsufficientInstanceCapacity")
    assert "InsufficientInstanceCapacity in us-west-2a: We currently do not have" in str(error.value)
    assert not str(error.value).endswith("..")
    assert "zones" in error.value.next_step


def test_a_quota_that_is_used_up_says_so(launch: Launch, cloud: TestCloud, aws_utils: ModuleType) -> None:
    cloud.faults.set("vcpu-quota", market="on-demand", vcpus=0)
    with pytest.raises(aws_utils.AwsError, match="VcpuLimitExceeded") as error:
        launch(2)
    assert error.value.code == "capacity"
    assert "request-service-quota-increase --region us-west-2 --service-code ec2 --quota-code L-1216C47A" in (
        error.value.next_step
    )


def test_a_denied_launch_asks_for_the_permission(
    ec2: Any, launch: Launch, cloud: TestCloud, aws_utils: ModuleType
) -> None:
    from botocore.exceptions import ClientError

    class Denied:
        def __getattr__(self, name: str) -> Any:
            return self._deny if name == "create_fleet" else getattr(ec2, name)

        def _deny(self, **_: Any) -> None:
            error = {"Code": "UnauthorizedOperation", "Message": "Not authorized to perform: ec2:CreateFleet."}
            raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}, "CreateFleet")

    with pytest.raises(aws_utils.AwsError, match="ec2:CreateFleet") as error:
        launch(1, Denied())
    assert error.value.code == "credentials"
    assert error.value.next_step == aws_utils.NEXT_STEPS["UnauthorizedOperation"]

    assert live(ec2) == []


def test_a_type_that_is_not_offered_in_a_zone_is_a_lack_of_capacity(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, aws_utils: ModuleType
) -> None:
    monkeypatch.setattr(offerings, "zones", lambda *_: ["us-west-2b"])
    assert launch(1, zones=["us-west-2a", "us-west-2b"])["missing"] == 0
    with pytest.raises(aws_utils.AwsError, match="InvalidFleetConfiguration in us-west-2a") as error:
        launch(1, zones=["us-west-2a"], node_type="t2.micro-a")
    assert (error.value.code, "other zones" in error.value.next_step) == ("capacity", True)


@pytest.mark.parametrize("again", [False, True])
def test_a_template_or_version_that_ec2_does_not_see_yet_is_waited_for(
    ec2: Any, launch: Launch, cloud: TestCloud, quick: None, *, again: bool
) -> None:
    launch(1 if again else 0)
    cloud.advance(60)
    cloud.faults.set("template-lag", seconds=10)
    changed = {"InstanceInitiatedShutdownBehavior": "terminate"}
    assert launch(2, node_type="t2.micro" if again else "t2.micro-a", data=changed)["missing"] == 0
    assert cloud.calls["ec2:CreateFleet"] > 2
    assert len(live(ec2)) == 2


def test_a_profile_is_waited_for_though_one_zone_does_not_offer_the_type(
    launch: Launch, cloud: TestCloud, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offerings, "zones", lambda *_: ["us-west-2b"])
    launch(0)
    cloud.faults.set("profile-delay", seconds=10)
    iam = cloud.client("iam")
    iam.create_instance_profile(InstanceProfileName="p")
    iam.create_role(RoleName="p", AssumeRolePolicyDocument="{}")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="p")
    zones = ["us-west-2a", "us-west-2b"]
    assert launch(1, zones=zones, data={"IamInstanceProfile": {"Name": "p"}})["missing"] == 0


def test_a_type_that_is_not_sold_as_spot_is_a_lack_of_capacity(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, aws_utils: ModuleType
) -> None:
    known = offerings.instance_type("t2.micro") or {}
    monkeypatch.setitem(known, "SupportedUsageClasses", ["on-demand"])
    with pytest.raises(aws_utils.AwsError, match="InvalidFleetConfiguration") as error:
        launch(1, node_type="t2.micro:1", spot_bid=1.0)
    assert error.value.code == "capacity"


def test_no_resource_gets_more_tags_with_each_node_type(ec2: Any, launch: Launch) -> None:
    for number in range(5):
        launch(1, node_type=f"t2.micro-{number}")
    assert len(live(ec2)) == 5
    (group,) = ec2.describe_security_groups(GroupNames=["toilctl-my"])["SecurityGroups"]
    templates = ec2.describe_launch_templates()["LaunchTemplates"]
    assert (len(group["Tags"]), {len(one["Tags"]) for one in templates}) == (4, {4})


def test_the_preferred_type_comes_first_and_the_next_takes_over(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    options = {"node_type": "t2.micro/t3.micro", "instance_types": ["t2.micro", "t3.micro"]}
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", count=2)
    assert launch(3, **options)["missing"] == 0
    assert sorted(instance["InstanceType"] for instance in live(ec2)) == ["t2.micro", "t2.micro", "t3.micro"]


def test_a_bid_buys_spot_with_that_price_as_the_limit(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    cloud.faults.set("spot-price", instance_type="t2.micro", price=0.01)
    launch(1, node_type="t2.micro:0.02", spot_bid=0.02)
    assert [instance["InstanceLifecycle"] for instance in live(ec2)] == ["spot"]


def test_a_bid_below_the_price_says_so(launch: Launch, cloud: TestCloud, aws_utils: ModuleType) -> None:
    cloud.faults.set("spot-price", instance_type="t2.micro", price=0.03)
    with pytest.raises(aws_utils.AwsError, match="SpotMaxPriceTooLow") as error:
        launch(1, node_type="t2.micro:0.02", spot_bid=0.02)
    assert "Bid more" in error.value.next_step


def test_a_missing_service_linked_role_names_the_command_that_makes_it(
    launch: Launch, cloud: TestCloud, aws_utils: ModuleType
) -> None:
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    assert launch(1)["missing"] == 0
    with pytest.raises(aws_utils.AwsError) as error:
        launch(1, node_type="t2.micro:1", slug="s", spot_bid=1.0)
    assert error.value.next_step.endswith("aws iam create-service-linked-role --aws-service-name spot.amazonaws.com")


def test_several_zones_are_one_request(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    cloud.faults.set("insufficient-capacity", zone="us-west-2a", count=1)
    cloud.faults.set("insufficient-capacity", zone="us-west-2b", count=2)
    launch(3, zones=["us-west-2a", "us-west-2b"])
    assert sorted(i["Placement"]["AvailabilityZone"] for i in live(ec2)) == ["us-west-2a", "us-west-2b", "us-west-2b"]
    assert cloud.calls["ec2:CreateFleet"] == 1


def test_an_offering_that_is_left_out_is_not_asked_for(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    kinds = {"node_type": "t2.micro/t3.micro", "instance_types": ["t2.micro", "t3.micro"]}
    left_out = [
        {"instance_type": "t2.micro", "zone": "us-west-2a"},
        {"instance_type": "t3.micro", "zone": "us-west-2a"},
        {"instance_type": "t2.micro", "zone": "us-west-2b"},
    ]
    result = launch(2, zones=["us-west-2a", "us-west-2b"], without=left_out, **kinds)
    assert (result["missing"], result["node_type"]) == (0, "t2.micro/t3.micro")
    assert {(i["InstanceType"], i["Placement"]["AvailabilityZone"]) for i in live(ec2)} == {("t3.micro", "us-west-2b")}


def test_nothing_is_asked_for_when_all_offerings_are_left_out(
    ec2: Any, launch: Launch, cloud: TestCloud, aws_utils: ModuleType
) -> None:
    launch(1)
    left_out = [{"instance_type": "t2.micro", "zone": "us-west-2a"}]
    before = cloud.calls["ec2:CreateFleet"]
    result = launch(3, without=left_out)
    assert (result["missing"], len(result["instance_ids"]), result["launched"]) == (2, 1, [])
    (error,) = result["errors"]
    assert (error["code"], error["instance_type"], error["zone"]) == ("SetAside", "t2.micro", "us-west-2a")
    with pytest.raises(aws_utils.AwsError) as none:
        launch(3, without=left_out, intent="other", count_by="intent")
    assert (none.value.code, none.value.facts["aws_code"], none.value.facts["missing"]) == ("capacity", "SetAside", 3)
    assert none.value.facts["errors"] == [error]
    assert cloud.calls["ec2:CreateFleet"] == before
