"""RunInstances, and the account that it finds."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code, ids
from toilctl.local.process import testing


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"InstanceType": "t2.mikro"}, "InvalidParameterValue"),
        ({"InstanceType": "m6g.large"}, "InvalidParameterValue"),
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "debian"}, "InvalidAMIID.Malformed"),
        ({"KeyName": "none"}, "InvalidKeyPair.NotFound"),
        ({"SubnetId": "subnet-00000000"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-00000000"]}, "InvalidGroup.NotFound"),
        ({"IamInstanceProfile": {"Name": "none"}}, "InvalidParameterValue"),
        ({"UserData": "x" * 17_000}, "InvalidParameterValue"),
        ({"MinCount": 2, "MaxCount": 1}, "InvalidParameterValue"),
        (
            {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 7}}]},
            "InvalidBlockDeviceMapping",
        ),
    ],
)
def test_what_ec2_would_not_launch_is_refused(account: Account, params: dict[str, Any], expected: str) -> None:
    with pytest.raises(ClientError) as error:
        account.run(**params)
    assert code(error) == expected
    assert account.describe() == []


def test_type_that_a_zone_does_not_offer_is_refused(account: Account) -> None:
    answer = account.ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["c4.8xlarge"]}]
    )
    lacking = min(account.subnets.keys() - {one["Location"] for one in answer["InstanceTypeOfferings"]})
    with pytest.raises(ClientError) as error:
        account.run(InstanceType="c4.8xlarge", SubnetId=account.subnets[lacking])
    assert code(error) == "Unsupported"


def test_instances_get_as_many_as_there_are_between_the_counts(account: Account) -> None:
    account.cloud.faults.set("insufficient-capacity", count=2)
    assert len(account.run(MinCount=1, MaxCount=5)) == 2
    with pytest.raises(ClientError) as error:
        account.run()
    assert code(error) == "InsufficientInstanceCapacity"


def test_dry_run_says_what_it_would_do_and_does_nothing(account: Account) -> None:
    with pytest.raises(ClientError) as error:
        account.run(DryRun=True)
    assert code(error) == "DryRunOperation"
    with pytest.raises(ClientError) as error:
        account.ec2.create_security_group(GroupName="x", Description="x", DryRun=True)
    assert code(error) == "DryRunOperation"
    assert account.describe() == []


def test_public_address_has_the_private_ones_host_part(account: Account) -> None:
    instance = account.describe(account.run(SubnetId=account.subnets["us-west-2b"])[0]["InstanceId"])[0]
    assert (instance["PrivateIpAddress"], instance["PublicIpAddress"]) == ("172.31.16.4", "172.28.16.4")


def test_interface_without_public_address_has_none(account: Account) -> None:
    nic = {"DeviceIndex": 0, "SubnetId": account.subnets["us-west-2a"], "AssociatePublicIpAddress": False}
    assert "PublicIpAddress" not in account.run(NetworkInterfaces=[nic])[0]


def test_addresses_are_not_given_again_nor_in_two_regions(account: Account) -> None:
    first = account.run()[0]
    account.ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    account.describe()
    second = account.run()[0]
    elsewhere = account.cloud.client("ec2", region="eu-central-1")
    image = elsewhere.describe_images(Owners=["136693071363"])["Images"][0]["ImageId"]
    third = elsewhere.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1)["Instances"][0]
    assert first["PrivateIpAddress"] != second["PrivateIpAddress"] != third["PrivateIpAddress"]


def test_default_vpc_has_the_range_that_the_cloud_was_given() -> None:
    with testing.cloud(cidr="10.213.0.0/16", public_cidr="10.229.0.0/16") as cloud:
        ec2 = cloud.client("ec2")
        ranges = {subnet["AvailabilityZone"]: subnet["CidrBlock"] for subnet in ec2.describe_subnets()["Subnets"]}
        image = ec2.describe_images(Owners=["136693071363"])["Images"][0]["ImageId"]
        instance = ec2.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1)["Instances"][0]
    assert ranges["us-west-2b"] == "10.213.16.0/20"
    assert (instance["PrivateIpAddress"], instance["PublicIpAddress"]) == ("10.213.0.4", "10.229.0.4")


def test_debian_parameter_names_an_image_of_its_region(cloud: testing.TestCloud) -> None:
    found = set()
    for region in ("us-west-2", "eu-central-1"):
        name = "/aws/service/debian/release/12/latest/amd64"
        image_id = cloud.client("ssm", region=region).get_parameters(Names=[name])["Parameters"][0]["Value"]
        image = cloud.client("ec2", region=region).describe_images(ImageIds=[image_id])["Images"][0]
        assert (image["OwnerId"], image["RootDeviceName"]) == ("136693071363", "/dev/xvda")
        found.add(image_id)
    assert len(found) == 2


def test_plain_image_is_what_the_parameter_names_when_so_chosen() -> None:
    from toilctl.local.aws.base.account import image_id

    with testing.cloud(image="plain") as cloud:
        name = "/aws/service/debian/release/12/latest/amd64"
        value = cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    assert value == image_id("us-west-2", "plain")


def test_unknown_instance_type_has_no_description(cloud: testing.TestCloud) -> None:
    with pytest.raises(ClientError) as error:
        cloud.client("ec2").describe_instance_types(InstanceTypes=["t2.mikro"])
    assert code(error) == "InvalidInstanceType"


def test_instance_types_have_their_real_sizes(cloud: testing.TestCloud) -> None:
    found = cloud.client("ec2").describe_instance_types(InstanceTypes=["r3.8xlarge"])["InstanceTypes"][0]
    assert found["VCpuInfo"]["DefaultVCpus"] == 32
    assert found["InstanceStorageInfo"]["TotalSizeInGB"] == 640


def test_spot_prices_are_below_what_is_paid_on_demand(cloud: testing.TestCloud) -> None:
    from toilctl.local.aws.ec2.offerings import on_demand_price

    history = cloud.client("ec2").describe_spot_price_history(
        InstanceTypes=["c4.8xlarge"], ProductDescriptions=["Linux/UNIX"]
    )["SpotPriceHistory"]
    assert {one["AvailabilityZone"] for one in history} <= {f"us-west-2{letter}" for letter in "abcd"}
    assert all(0 < float(one["SpotPrice"]) < on_demand_price("c4.8xlarge") for one in history)


def test_spot_prices_of_several_types_are_one_per_zone_and_stay(account: Account) -> None:
    from toilctl.system.price_table import on_demand

    def asked() -> dict[tuple[str, str], str]:
        history = account.ec2.describe_spot_price_history(
            InstanceTypes=["c4.8xlarge", "m5.large"], ProductDescriptions=["Linux/UNIX"], StartTime=datetime.now(UTC)
        )["SpotPriceHistory"]
        prices = {(one["InstanceType"], one["AvailabilityZone"]): one["SpotPrice"] for one in history}
        assert len(prices) == len(history)
        return prices

    first = asked()
    assert {name for name, _ in first} == {"c4.8xlarge", "m5.large"}
    assert first["m5.large", "us-west-2a"] == f"{0.3 * (on_demand('us-west-2', 'm5.large') or 0):.6f}"
    account.cloud.advance(3600)
    assert asked() == first
    account.cloud.faults.set("spot-price", instance_type="m5.large", zone="us-west-2a", price=0.05)
    assert asked() == {**first, ("m5.large", "us-west-2a"): "0.050000"}


def test_fleet_goes_by_the_spot_prices_that_are_told(account: Account) -> None:
    account.cloud.faults.set("spot-price", instance_type="m5.large", zone="us-west-2a", price=0.05)
    pools = ("m5.large", "us-west-2a"), ("m5.large", "us-west-2b")
    fleet = account.fleet(*pools, market="spot", SpotOptions={"AllocationStrategy": "price-capacity-optimized"})
    assert account.describe(*ids(fleet))[0]["Placement"]["AvailabilityZone"] == "us-west-2b"


def test_spot_prices_are_those_of_linux(cloud: testing.TestCloud) -> None:
    ec2 = cloud.client("ec2")
    windows = ec2.describe_spot_price_history(InstanceTypes=["m5.large"], ProductDescriptions=["Windows"])
    assert windows["SpotPriceHistory"] == []
    every = ec2.describe_spot_price_history(ProductDescriptions=["Linux/UNIX"])["SpotPriceHistory"]
    assert {"c4.8xlarge", "m5.large", "t2.micro"} <= {one["InstanceType"] for one in every}


def test_profile_is_not_seen_for_its_first_ten_seconds(account: Account) -> None:
    account.role("worker")
    account.cloud.advance(-10)
    with pytest.raises(ClientError) as error:
        account.run(IamInstanceProfile={"Name": "worker"})
    assert "Invalid IAM Instance Profile name" in str(error.value)
    account.cloud.advance(10)
    instance = account.run(IamInstanceProfile={"Name": "worker"}, MinCount=2, MaxCount=2)[1]
    found = account.describe(instance["InstanceId"])[0]
    assert found["IamInstanceProfile"]["Arn"].endswith(":instance-profile/worker")


def test_profile_delay_can_be_set(account: Account) -> None:
    account.role("worker")
    account.cloud.faults.set("profile-delay", seconds=60)
    with pytest.raises(ClientError):
        account.run(IamInstanceProfile={"Name": "worker"})


def test_user_data_comes_back_as_it_was(account: Account) -> None:
    instance_id = account.run(UserData="#cloud-config\n")[0]["InstanceId"]
    attribute = account.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    assert base64.b64decode(attribute["UserData"]["Value"]) == b"#cloud-config\n"


def test_template_is_merged_with_the_request(account: Account) -> None:
    template = {"LaunchTemplateId": account.template}
    instance = account.ec2.run_instances(LaunchTemplate=template, InstanceType="m5.large", MinCount=1, MaxCount=1)[
        "Instances"
    ][0]
    assert (instance["InstanceType"], instance["KeyName"]) == ("m5.large", "k")
    assert account.ec2.describe_volumes()["Volumes"][0]["Size"] == 50


def test_group_of_another_network_is_refused(account: Account) -> None:
    vpc = account.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    group = account.ec2.create_security_group(GroupName="x", Description="x", VpcId=vpc)["GroupId"]
    with pytest.raises(ClientError) as error:
        account.run(SecurityGroupIds=[group])
    assert code(error) == "InvalidParameter"


def test_buckets_take_the_encryption_that_toil_sends(cloud: testing.TestCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    rules = {"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]}
    s3.put_bucket_encryption(Bucket="store", ServerSideEncryptionConfiguration=rules)
    s3.put_object(Bucket="store", Key="a/b", Body=b"x")
    assert s3.get_object(Bucket="store", Key="a/b")["Body"].read() == b"x"


def test_second_cloud_in_a_process_is_an_error(cloud: testing.TestCloud) -> None:
    with pytest.raises(RuntimeError), testing.cloud():
        pass


def test_throttled_action_is_refused_as_often_as_set(account: Account) -> None:
    account.cloud.faults.set("throttle", action="DescribeInstances", count=2)
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            account.describe()
        assert code(error) == "RequestLimitExceeded"
    assert account.describe() == []


def test_throttling_of_one_service_leaves_the_others(account: Account) -> None:
    account.cloud.faults.set("throttle", action="iam:ListRoles")
    with pytest.raises(ClientError) as error:
        account.cloud.client("iam").list_roles()
    assert code(error) == "Throttling"


def test_calls_are_counted(account: Account) -> None:
    before = account.cloud.calls.get("ec2:RunInstances", 0)
    account.run()
    assert account.cloud.calls["ec2:RunInstances"] == before + 1


def test_more_security_groups_than_an_interface_may_have_are_refused(account: Account) -> None:
    made = [account.ec2.create_security_group(GroupName=f"g{n}", Description="x")["GroupId"] for n in range(6)]
    with pytest.raises(ClientError) as error:
        account.run(SecurityGroupIds=made)
    assert code(error) == "SecurityGroupsPerInterfaceLimitExceeded"
    assert len(account.run(SecurityGroupIds=made[:5])) == 1
