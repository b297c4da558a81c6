"""An account without a default VPC, and groups in VPCs that there are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code
from toilctl.local.process import testing


@pytest.fixture
def bare() -> Iterator[Any]:
    """EC2 of an account without a default VPC."""
    with testing.cloud(default_vpc=False) as cloud:
        yield cloud.client("ec2")


@pytest.mark.parametrize("dry", [True, False])
def test_a_group_needs_a_vpc_where_there_is_no_default_one(bare: Any, dry: bool) -> None:
    with pytest.raises(ClientError, match="No default VPC for this user") as error:
        bare.create_security_group(GroupName="g", Description="d", DryRun=dry)
    assert code(error) == "VPCIdNotSpecified"


def test_an_account_without_a_default_vpc_has_one_of_its_own(bare: Any) -> None:
    (vpc,) = bare.describe_vpcs()["Vpcs"]
    assert not vpc["IsDefault"]
    subnets = bare.describe_subnets()["Subnets"]
    assert {(one["VpcId"], one["DefaultForAz"], one["MapPublicIpOnLaunch"]) for one in subnets} == {
        (vpc["VpcId"], False, True)
    }  # fmt: skip
    assert bare.create_security_group(GroupName="g", Description="d", VpcId=vpc["VpcId"])["GroupId"]


@pytest.mark.parametrize("dry", [True, False])
def test_a_vpc_that_is_not_there_is_refused(account: Account, dry: bool) -> None:
    with pytest.raises(ClientError) as error:
        account.ec2.create_security_group(GroupName="g", Description="d", VpcId="vpc-0123456789abcdef0", DryRun=dry)
    assert code(error) == "InvalidVpcID.NotFound"
