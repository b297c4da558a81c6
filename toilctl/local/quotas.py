"""Service Quotas' answers about EC2's vCPUs, which moto lacks: the fault vcpu-quota is the account's quota."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from toilctl.local.faults import Faults
from toilctl.local.patching import Patches

MARKETS: Final[Mapping[str, str]] = {"L-1216C47A": "on-demand", "L-34B43A08": "spot"}
"""EC2's quotas of running standard instances, by their codes."""
UNLIMITED_VCPUS: Final = 1_000_000
"""Where no quota is set as a fault, every launch is within it."""


def install(patches: Patches, faults: Faults) -> None:
    """Answer for EC2; moto answers for other services."""
    from moto.servicequotas.models import ServiceQuotasBackend

    def get_service_quota(backend: Any, service_code: str, quota_code: str) -> Mapping[str, Any]:
        if service_code != "ec2" or quota_code not in MARKETS:
            return before(backend, service_code, quota_code)
        return _quota(backend.region_name, quota_code, faults)

    before: Callable[..., Mapping[str, Any]] = patches.replace(
        ServiceQuotasBackend, "get_service_quota", get_service_quota
    )


def _quota(region: str, quota_code: str, faults: Faults) -> Mapping[str, Any]:
    market = MARKETS[quota_code]
    fault = faults.find("vcpu-quota", market=market)
    kind = "Spot Instance Requests" if market == "spot" else "On-Demand instances"
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region}::ec2/{quota_code}",
        "QuotaCode": quota_code,
        "QuotaName": f"{'All' if market == 'spot' else 'Running'} Standard (A, C, D, H, I, M, R, T, Z) {kind}",
        "Value": float(fault.how["vcpus"] if fault else UNLIMITED_VCPUS),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
