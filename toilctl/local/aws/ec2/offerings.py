"""What EC2 sells: instance types by zone, at which price, and how much of it is left.

An instance type costs on demand what ``price_table`` says, else what it reckons from its size, and three tenths of
that as spot, in each zone and at any time, until the fault ``spot-price`` says otherwise.
"""

from __future__ import annotations

from typing import Any, Final

from toilctl.local.aws.base.faults import ANY, Faults
from toilctl.local.aws.ec2.instance_states import Lifetimes
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.system import price_table, quotas
from toilctl.values import aws_errors
from toilctl.values.wording import ON_DEMAND

_PRICED_REGION: Final = "us-west-2"
_SPOT_SHARE: Final = 0.3


def instance_type(name: str) -> dict[str, Any] | None:
    """Return what DescribeInstanceTypes says of an instance type, or None when there is none of that name."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    found: dict[str, Any] | None = INSTANCE_TYPES.get(name)
    return found


def vcpus(name: str) -> int:
    """Return an instance type's vCPUs."""
    return int((instance_type(name) or {}).get("VCpuInfo", {}).get("DefaultVCpus", 0))


def zones(region: str, name: str) -> list[str]:
    """Return the zones of a region in which an instance type is offered."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    offered = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    return sorted(offering["Location"] for offering in offered if offering["InstanceType"] == name)


def offered(region: str) -> list[str]:
    """Return the instance types that some zone of a region offers."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    in_zones = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    return sorted({offering["InstanceType"] for offering in in_zones})


def on_demand_price(name: str) -> float:
    """Return an on-demand price, USD per hour."""
    known = price_table.on_demand(_PRICED_REGION, name)
    if known is not None:
        return known
    memory_mib = (instance_type(name) or {}).get("MemoryInfo", {}).get("SizeInMiB", 0)
    return price_table.estimated(vcpus(name), memory_mib)


def spot_price(faults: Faults, name: str, zone: str) -> float:
    """Return the spot price in a zone, USD per hour."""
    fault = faults.find("spot-price", instance_type=name, zone=zone)
    return float(fault.how["price"]) if fault else round(on_demand_price(name) * _SPOT_SHARE, 4)


class Stock:
    """How many instances of a pool (instance type, zone, market) can be had now."""

    def __init__(self, faults: Faults, lifetimes: Lifetimes) -> None:
        """Count by the faults that are set and the instances that live."""
        self._faults = faults
        self._lifetimes = lifetimes

    def grant(
        self, name: str, zone: str, market: str, count: int, *, max_price: float | None = None
    ) -> tuple[int, Refusal | None]:
        """Return how many of ``count`` EC2 gives, and why not all; nothing is reserved yet."""
        if market == "spot" and max_price is not None and max_price < spot_price(self._faults, name, zone):
            return 0, _price_too_low(max_price, spot_price(self._faults, name, zone))
        allowed, refusal = self._within_quota(name, zone[:-1], market, count)
        fault = self._faults.find("insufficient-capacity", instance_type=name, zone=zone, market=market)
        if fault is not None and fault.how["count"] < allowed:
            return max(0, fault.how["count"]), _insufficient(name, zone, market)
        return allowed, refusal

    def take(self, name: str, zone: str, market: str, count: int) -> None:
        """Use up what was granted."""
        fault = self._faults.find("insufficient-capacity", instance_type=name, zone=zone, market=market)
        if fault is not None:
            fault.how["count"] = max(0, fault.how["count"] - count)

    def _within_quota(self, name: str, region: str, market: str, count: int) -> tuple[int, Refusal | None]:
        fault = self._faults.find("vcpu-quota", market=market)
        if fault is None or not quotas.are_standard([name]):
            return count, None
        used = sum(
            vcpus(life.instance.instance_type)
            for life in self._lifetimes.lives()
            if life.region == region and life.instance.state in ("pending", "running")
            if quotas.are_standard([life.instance.instance_type])
            if fault.where["market"] in (ANY, life.instance.lifecycle or ON_DEMAND)
        )
        left = max(0, int((fault.how["vcpus"] - used) // max(1, vcpus(name))))
        return (count, None) if left >= count else (left, _over_quota(market, fault.how["vcpus"]))


def _insufficient(name: str, zone: str, market: str) -> Refusal:
    if market == "spot":
        text = "There is no Spot capacity available that matches your request."
    else:
        others = ", ".join(other for other in zones(zone[:-1], name) if other != zone)
        text = (
            f"We currently do not have sufficient {name} capacity in the Availability Zone you requested ({zone}). "
            f"Our system will be working on provisioning additional capacity. You can currently get {name} capacity "
            f"by not specifying an Availability Zone in your request or choosing {others}."
        )
    return Refusal(aws_errors.NO_CAPACITY, text, 500)


def _over_quota(market: str, limit: int) -> Refusal:
    if market == "spot":
        return Refusal(aws_errors.SPOT_COUNT, "Max spot instance count exceeded")
    return Refusal(
        aws_errors.VCPU_LIMIT,
        f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket "
        "that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to "
        "request an adjustment to this limit.",
    )


def _price_too_low(offered: float, price: float) -> Refusal:
    return Refusal(
        aws_errors.PRICE_TOO_LOW,
        f"Your Spot request price of {offered:g} is lower than the minimum required Spot request fulfillment price of "
        f"{price:g}.",
    )
