"""Service Quotas of the rehearsal cloud."""

import pytest
from botocore.exceptions import ClientError

from toilctl.local.process.testing import TestCloud


def test_the_vcpu_quota_is_the_fault_that_is_set(cloud: TestCloud) -> None:
    quotas = cloud.client("service-quotas")
    cloud.faults.set("vcpu-quota", market="spot", vcpus=64)
    spot = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-34B43A08")["Quota"]
    assert (spot["Value"], spot["QuotaCode"]) == (64.0, "L-34B43A08")
    on_demand = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")["Quota"]
    assert on_demand["Value"] >= 1_000_000


def test_security_groups_of_an_interface_have_the_quota_of_a_new_account(cloud: TestCloud) -> None:
    quotas = cloud.client("service-quotas")
    groups = quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-2AFB9258")["Quota"]
    assert (groups["Value"], groups["ServiceCode"]) == (5.0, "vpc")


def test_a_quota_that_nobody_knows_is_refused(cloud: TestCloud) -> None:
    with pytest.raises(ClientError, match="NoSuchResource"):
        cloud.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")
