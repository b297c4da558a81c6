"""Service Quotas' answers that moto lacks: vCPUs, where the fault vcpu-quota is the quota, and security groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from toilctl.local.aws.base.faults import Faults
from toilctl.local.aws.base.patches import Patches
from toilctl.system import quotas
from toilctl.values import aws_limits
from toilctl.values.wording import SPOT

UNLIMITED_VCPUS: Final = 1_000_000
"""Where no quota is set as a fault, every launch is within it."""


def install(patches: Patches, faults: Faults) -> None:
    """Answer for what launches meet; moto answers for the rest."""
    from moto.servicequotas.models import ServiceQuotasBackend

    def get_service_quota(backend: Any, service_code: str, quota_code: str) -> Mapping[str, Any]:
        if (service_code, quota_code) == ("vpc", quotas.GROUPS_CODE):
            return _groups(backend.region_name)
        if service_code != "ec2" or quota_code not in quotas.MARKETS:
            return before(backend, service_code, quota_code)
        return _quota(backend.region_name, quota_code, faults)

    before: Callable[..., Mapping[str, Any]] = patches.replace(
        ServiceQuotasBackend, "get_service_quota", get_service_quota
    )


def _quota(region: str, quota_code: str, faults: Faults) -> Mapping[str, Any]:
    market = quotas.MARKETS[quota_code]
    fault = faults.find("vcpu-quota", market=market)
    vcpus = float(fault.how["vcpus"] if fault else UNLIMITED_VCPUS)
    service = "ec2", "Amazon Elastic Compute Cloud (Amazon EC2)"
    return _described(region, service, quota_code, quotas.NAMES[market == SPOT], vcpus)


def _groups(region: str) -> Mapping[str, Any]:
    service = "vpc", "Amazon Virtual Private Cloud (Amazon VPC)"
    name, most = "Security groups per network interface", float(aws_limits.GROUPS_PER_INTERFACE)
    return _described(region, service, quotas.GROUPS_CODE, name, most)


def _described(region: str, service: tuple[str, str], code: str, name: str, value: float) -> Mapping[str, Any]:
    return {
        "ServiceCode": service[0],
        "ServiceName": service[1],
        "QuotaArn": f"arn:aws:servicequotas:{region}::{service[0]}/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
