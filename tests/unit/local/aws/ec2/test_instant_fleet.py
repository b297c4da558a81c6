"""CreateFleet of type instant."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code, ids

A, B = ("c4.8xlarge", "us-west-2a"), ("c4.8xlarge", "us-west-2b")


def errors(fleet: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (
            error["ErrorCode"],
            error["LaunchTemplateAndOverrides"]["Overrides"]["InstanceType"],
            error["LaunchTemplateAndOverrides"]["Overrides"]["SubnetId"],
        )
        for error in fleet["Errors"]
    ]


def test_fleet_takes_all_from_the_first_pool_that_has_enough(account: Account) -> None:
    fleet = account.fleet(A, B, count=3)
    assert len(ids(fleet)) == 3
    assert fleet["Errors"] == []
    assert {i["Placement"]["AvailabilityZone"] for i in account.describe(*ids(fleet))} == {"us-west-2a"}


def test_fleet_follows_priorities_and_not_the_order_of_overrides(account: Account) -> None:
    overrides = [
        {"InstanceType": "m5.large", "SubnetId": account.subnets["us-west-2a"], "Priority": 2.0},
        {"InstanceType": "c5.9xlarge", "SubnetId": account.subnets["us-west-2a"], "Priority": 1.0},
    ]
    specification = {"LaunchTemplateId": account.template, "Version": "$Latest"}
    fleet = account.fleet(
        LaunchTemplateConfigs=[{"LaunchTemplateSpecification": specification, "Overrides": overrides}]
    )
    assert [group["InstanceType"] for group in fleet["Instances"]] == ["c5.9xlarge"]


def test_fleet_with_lowest_price_takes_the_cheapest(account: Account) -> None:
    pools = (A, ("t2.micro", "us-west-2a"))
    fleet = account.fleet(*pools, OnDemandOptions={"AllocationStrategy": "lowest-price"})
    assert [group["InstanceType"] for group in fleet["Instances"]] == ["t2.micro"]


def test_partial_fill_has_instances_and_errors_together(account: Account) -> None:
    account.cloud.faults.set("insufficient-capacity", instance_type="c4.8xlarge", zone="us-west-2a", count=2)
    account.cloud.faults.set("insufficient-capacity", instance_type="c4.8xlarge", zone="us-west-2b", count=1)
    fleet = account.fleet(A, B, count=5)
    assert len(ids(fleet)) == 3
    assert errors(fleet) == [
        ("InsufficientInstanceCapacity", "c4.8xlarge", account.subnets["us-west-2a"]),
        ("InsufficientInstanceCapacity", "c4.8xlarge", account.subnets["us-west-2b"]),
    ]


def test_capacity_that_a_fleet_used_up_is_gone(account: Account) -> None:
    account.cloud.faults.set("insufficient-capacity", count=2)
    assert len(ids(account.fleet(A, count=2))) == 2
    assert ids(account.fleet(A)) == []


def test_no_capacity_at_all_is_an_answer_and_not_an_error(account: Account) -> None:
    account.cloud.faults.set("insufficient-capacity")
    fleet = account.fleet(A, B)
    assert (ids(fleet), len(fleet["Errors"])) == ([], 2)


def test_lacking_capacity_of_one_market_leaves_the_other(account: Account) -> None:
    account.cloud.faults.set("insufficient-capacity", market="spot")
    assert ids(account.fleet(A, market="spot")) == []
    assert len(ids(account.fleet(A))) == 1


def test_vcpu_quota_counts_what_runs(account: Account) -> None:
    account.cloud.faults.set("vcpu-quota", market="on-demand", vcpus=80)
    first, second = account.fleet(A, count=3), account.fleet(A)
    assert len(ids(first)) == 2
    assert errors(first)[0][0] == errors(second)[0][0] == "VcpuLimitExceeded"
    account.ec2.terminate_instances(InstanceIds=ids(first))
    assert len(ids(account.fleet(A))) == 1


def test_quota_of_the_standard_families_says_nothing_of_others(account: Account) -> None:
    account.cloud.faults.set("vcpu-quota", market="on-demand", vcpus=36)
    assert len(ids(account.fleet(("inf1.xlarge", "us-west-2a"), count=10))) == 10
    assert len(ids(account.fleet(A))) == 1


def test_spot_quota_has_its_own_error(account: Account) -> None:
    account.cloud.faults.set("vcpu-quota", market="spot", vcpus=0)
    assert errors(account.fleet(A, market="spot"))[0][0] == "MaxSpotInstanceCountExceeded"


def test_bid_below_the_spot_price_gets_nothing(account: Account) -> None:
    account.cloud.faults.set("spot-price", instance_type="c4.8xlarge", zone="us-west-2a", price=0.7)
    override = {"InstanceType": "c4.8xlarge", "SubnetId": account.subnets["us-west-2a"], "MaxPrice": "0.6"}
    specification = {"LaunchTemplateName": "template", "Version": "$Default"}
    configs = [{"LaunchTemplateSpecification": specification, "Overrides": [override]}]
    fleet = account.fleet(market="spot", LaunchTemplateConfigs=configs)
    assert errors(fleet)[0][0] == "SpotMaxPriceTooLow"
    override["MaxPrice"] = "0.8"
    assert len(ids(account.fleet(market="spot", LaunchTemplateConfigs=configs))) == 1


def test_spot_instances_are_marked_as_such(account: Account) -> None:
    instance = account.describe(*ids(account.fleet(A, market="spot")))[0]
    assert instance["InstanceLifecycle"] == "spot"
    assert instance["SpotInstanceRequestId"].startswith("sir-")
    assert "InstanceLifecycle" not in account.describe(*ids(account.fleet(A)))[0]


def test_instances_have_what_the_template_and_the_tags_say(account: Account) -> None:
    specifications = [
        {"ResourceType": kind, "Tags": [{"Key": "toilctl:cluster", "Value": kind}]}
        for kind in ("fleet", "instance", "volume", "network-interface")
    ]
    instance = account.describe(*ids(account.fleet(A, TagSpecifications=specifications)))[0]
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags["toilctl:cluster"] == "instance"
    assert tags["aws:ec2launchtemplate:id"] == account.template
    assert instance["KeyName"] == "k"
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [account.group]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert [mapping["DeviceName"] for mapping in instance["BlockDeviceMappings"]] == ["/dev/xvda"]
    volume = account.ec2.describe_volumes()["Volumes"][0]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (50, "gp3", True)
    assert volume["Tags"] == [{"Key": "toilctl:cluster", "Value": "volume"}]
    interface = account.ec2.describe_network_interfaces()["NetworkInterfaces"][0]
    assert interface["TagSet"] == [{"Key": "toilctl:cluster", "Value": "network-interface"}]


def test_type_that_a_zone_does_not_offer_is_an_error_of_its_pool(account: Account) -> None:
    offered = {
        offering["Location"]
        for offering in account.ec2.describe_instance_type_offerings(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["c4.8xlarge"]}]
        )["InstanceTypeOfferings"]
    }
    lacking = min(account.subnets.keys() - offered)
    fleet = account.fleet(("c4.8xlarge", lacking), A)
    assert errors(fleet)[0][0] == "InvalidFleetConfiguration"
    assert len(ids(fleet)) == 1


def test_same_type_and_zone_twice_is_refused(account: Account) -> None:
    with pytest.raises(ClientError) as error:
        account.fleet(A, A)
    assert code(error) == "InvalidFleetConfig"


def test_unknown_instance_type_is_refused(account: Account) -> None:
    with pytest.raises(ClientError) as error:
        account.fleet(("c4.9xlarge", "us-west-2a"))
    assert code(error) == "InvalidParameterValue"


def test_unknown_template_is_refused(account: Account) -> None:
    specification = {"LaunchTemplateName": "none", "Version": "$Latest"}
    with pytest.raises(ClientError) as error:
        account.fleet(LaunchTemplateConfigs=[{"LaunchTemplateSpecification": specification}])
    assert code(error) == "InvalidLaunchTemplateName.NotFoundException"


def test_spot_request_tags_on_an_on_demand_fleet_fail_every_pool(account: Account) -> None:
    specification = {"ResourceType": "spot-instances-request", "Tags": [{"Key": "a", "Value": "b"}]}
    fleet = account.fleet(A, B, TagSpecifications=[specification])
    assert [error[0] for error in errors(fleet)] == ["InvalidParameterValue"] * 2
    assert "Spot instances requests" in fleet["Errors"][0]["ErrorMessage"]
    assert len(ids(account.fleet(A, market="spot", TagSpecifications=[specification]))) == 1


def test_missing_service_linked_role_for_spot_fails_until_it_is_made(account: Account) -> None:
    account.cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    refused = account.fleet(A, market="spot")
    assert errors(refused)[0][0] == "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    assert len(ids(account.fleet(A))) == 1
    role = account.cloud.client("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")["Role"]
    assert role["RoleName"] == "AWSServiceRoleForEC2Spot"
    assert len(ids(account.fleet(A, market="spot"))) == 1


def test_service_linked_role_that_exists_cannot_be_made_again(account: Account) -> None:
    with pytest.raises(ClientError) as error:
        account.cloud.client("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    assert code(error) == "InvalidInput"


def test_least_capacity_that_cannot_be_had_launches_nothing(account: Account) -> None:
    account.cloud.faults.set("insufficient-capacity", count=1)
    options = {"AllocationStrategy": "prioritized", "MinTargetCapacity": 3, "SingleInstanceType": True}
    fleet = account.fleet(A, count=3, OnDemandOptions=options)
    assert (ids(fleet), errors(fleet)[0][0]) == ([], "InsufficientInstanceCapacity")


def test_fleet_can_be_described_by_id(account: Account) -> None:
    fleet = account.fleet(A)
    found = account.ec2.describe_fleets(FleetIds=[fleet["FleetId"]])["Fleets"]
    assert [one["Type"] for one in found] == ["instant"]


def spot_at(account: Account, price: str) -> dict[str, Any]:
    override = {"InstanceType": A[0], "SubnetId": account.subnets[A[1]], "MaxPrice": price}
    specification = {"LaunchTemplateId": account.template, "Version": "$Latest"}
    configs = [{"LaunchTemplateSpecification": specification, "Overrides": [override]}]
    return account.fleet(market="spot", LaunchTemplateConfigs=configs)


@pytest.mark.parametrize("price", ["0.0009", "0.0000001", "-1", "cheap", "nan"])
def test_price_below_the_least_that_ec2_takes_is_refused(account: Account, price: str) -> None:
    fleet = spot_at(account, price)
    assert [code for code, *_ in errors(fleet)] == ["InvalidParameterValue"]
    options = {"MarketType": "spot", "SpotOptions": {"MaxPrice": price}}
    with pytest.raises(ClientError) as error:
        account.run(InstanceMarketOptions=options)
    assert code(error) == "InvalidParameterValue"
    assert account.describe() == []


def test_the_least_price_that_ec2_takes_is_only_too_low(account: Account) -> None:
    assert [code for code, *_ in errors(spot_at(account, "0.001"))] == ["SpotMaxPriceTooLow"]
