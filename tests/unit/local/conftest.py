"""What tests of the rehearsal cloud share: an account that is ready for launches, and short ways to launch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from toilctl.local.process.testing import TestCloud


@dataclass
class Account:
    """A cloud with a key pair, a security group, and a launch template."""

    cloud: TestCloud
    ec2: Any
    ami: str
    group: str
    subnets: dict[str, str]
    """Subnet ids by zone."""
    template: str

    def run(self, **params: Any) -> list[dict[str, Any]]:
        """Run one instance, or what ``params`` say; return the instances."""
        usual = {"ImageId": self.ami, "InstanceType": "t2.micro", "MinCount": 1, "MaxCount": 1}
        return self.ec2.run_instances(**{**usual, **params})["Instances"]

    def fleet(self, *pools: tuple[str, str], count: int = 1, market: str = "on-demand", **params: Any) -> Any:
        """Create an instant fleet of (instance type, zone) pools in their order; return the answer."""
        strategy = "prioritized" if market == "on-demand" else "capacity-optimized-prioritized"
        options = "OnDemandOptions" if market == "on-demand" else "SpotOptions"
        overrides = [
            {"InstanceType": name, "SubnetId": self.subnets[zone], "Priority": float(priority)}
            for priority, (name, zone) in enumerate(pools)
        ]
        usual: dict[str, Any] = {
            "Type": "instant",
            "LaunchTemplateConfigs": [
                {
                    "LaunchTemplateSpecification": {"LaunchTemplateId": self.template, "Version": "$Latest"},
                    "Overrides": overrides,
                }
            ],
            "TargetCapacitySpecification": {"TotalTargetCapacity": count, "DefaultTargetCapacityType": market},
            options: {"AllocationStrategy": strategy},
        }
        return self.ec2.create_fleet(**{**usual, **params})

    def describe(self, *instance_ids: str) -> list[dict[str, Any]]:
        """Describe all instances, or those."""
        which = {"InstanceIds": list(instance_ids)} if instance_ids else {}
        pages = self.ec2.get_paginator("describe_instances").paginate(**which)
        return [i for page in pages for reservation in page["Reservations"] for i in reservation["Instances"]]

    def role(self, name: str, *statements: dict[str, Any]) -> str:
        """Make a role with an instance profile of the same name that EC2 sees; return the profile's name."""
        iam = self.cloud.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        little = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements) or [little]})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        self.cloud.advance(10)
        return name


def ids(fleet: dict[str, Any]) -> list[str]:
    """Return the instances of a fleet's answer."""
    return [instance for group in fleet["Instances"] for instance in group["InstanceIds"]]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    """Return AWS's code of a caught error."""
    return str(error.value.response["Error"]["Code"])


@pytest.fixture
def account(cloud: TestCloud) -> Account:
    """An account ready for launches."""
    ec2 = cloud.client("ec2")
    name = "/aws/service/debian/release/12/latest/amd64"
    ami = cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    ec2.create_key_pair(KeyName="k", KeyType="ed25519")
    group = ec2.create_security_group(GroupName="toilctl-c", Description="c")["GroupId"]
    subnets = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]}
    data = {
        "ImageId": ami,
        "KeyName": "k",
        "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": [group]}],
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3", "Encrypted": True}}
        ],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "InstanceInitiatedShutdownBehavior": "terminate",
    }
    template = ec2.create_launch_template(LaunchTemplateName="template", LaunchTemplateData=data)
    return Account(cloud, ec2, ami, group, subnets, template["LaunchTemplate"]["LaunchTemplateId"])
