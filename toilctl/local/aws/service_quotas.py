"""Service Quotas' answers about EC2's vCPUs, which moto lacks: the fault vcpu-quota is the account's quota."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from toilctl.local.aws.base.faults import Faults
from toilctl.local.aws.base.patches import Patches
from toilctl.system import quotas
from toilctl.values.wording import SPOT

UNLIMITED_VCPUS: Final = 1_000_000
"""Where no quota is set as a fault, every launch is within it."""


def install(patches: Patches, faults: Faults) -> None:
    """Answer for EC2; moto answers for other services."""
    from moto.servicequotas.models import ServiceQuotasBackend

    def get_service_quota(backend: Any, service_code: str, quota_code: str) -> Mapping[str, Any]:
        if service_code != "ec2" or quota_code not in quotas.MARKETS:
            return before(backend, service_code, quota_code)
        return _quota(backend.region_name, quota_code, faults)

    before: Callable[..., Mapping[str, Any]] = patches.replace(
        ServiceQuotasBackend, "get_service_quota", get_service_quota
    )


def _quota(region: str, quota_code: str, faults: Faults) -> Mapping[str, Any]:
    market = quotas.MARKETS[quota_code]
    fault = faults.find("vcpu-quota", market=market)
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region}::ec2/{quota_code}",
        "QuotaCode": quota_code,
        "QuotaName": quotas.NAMES[market == SPOT],
        "Value": float(fault.how["vcpus"] if fault else UNLIMITED_VCPUS),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
