"""Disks with a key of the account's own, and the role for spot instances, which asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.conftest import Account, ids
from toilctl.local.aws.cloud import ACCOUNT_ID
from toilctl.values.policies import SPOT_DISK_KEY_OPERATIONS

ENCRYPTED = [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}]
SPOT = {"InstanceMarketOptions": {"MarketType": "spot"}}
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"


@pytest.fixture
def key(account: Account) -> str:
    """A key of the account's own, which is the default for disks."""
    key = str(account.cloud.client("kms").create_key()["KeyMetadata"]["KeyId"])
    account.ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    return key


def launched(account: Account, **params: Any) -> dict[str, Any]:
    (instance,) = account.run(BlockDeviceMappings=ENCRYPTED, **params)
    return account.describe(instance["InstanceId"])[0]


def test_spot_instance_whose_role_may_not_use_the_key_ends_as_it_begins(account: Account, key: str) -> None:
    ended = launched(account, **SPOT)
    assert ended["State"]["Name"] == "terminated"
    assert ended["StateReason"] == {
        "Code": "Client.InternalError", "Message": "Client.InternalError: Client error on launch"
    }  # fmt: skip


def test_spot_instance_runs_once_the_role_is_granted_all_that_it_needs(account: Account, key: str) -> None:
    kms = account.cloud.client("kms")
    some, every = SPOT_DISK_KEY_OPERATIONS[:-1], SPOT_DISK_KEY_OPERATIONS
    kms.create_grant(KeyId=key, GranteePrincipal=ROLE, Operations=list(some))
    assert launched(account, **SPOT)["State"]["Name"] == "terminated"
    kms.create_grant(KeyId=key, GranteePrincipal=ROLE, Operations=list(every))
    assert launched(account, **SPOT)["State"]["Name"] == "running"


def test_what_is_bought_on_demand_or_not_encrypted_asks_no_role(account: Account, key: str) -> None:
    assert launched(account)["State"]["Name"] == "running"
    (plain,) = account.run(**SPOT)
    assert account.describe(plain["InstanceId"])[0]["State"]["Name"] == "running"


def test_key_of_awss_own_asks_no_role(account: Account) -> None:
    assert launched(account, **SPOT)["State"]["Name"] == "running"


def test_fleet_launches_what_then_ends(account: Account, key: str) -> None:
    data = {"ImageId": account.ami, "BlockDeviceMappings": ENCRYPTED}
    account.ec2.create_launch_template(LaunchTemplateName="encrypted", LaunchTemplateData=data)
    overrides = [{"InstanceType": "c4.8xlarge", "SubnetId": account.subnets["us-west-2a"]}]
    template = {"LaunchTemplateName": "encrypted", "Version": "$Latest"}
    configs = [{"LaunchTemplateSpecification": template, "Overrides": overrides}]
    fleet = account.fleet(market="spot", LaunchTemplateConfigs=configs)
    assert fleet["Errors"] == []
    (ended,) = account.describe(*ids(fleet))
    assert (ended["State"]["Name"], ended["StateReason"]["Code"]) == ("terminated", "Client.InternalError")
