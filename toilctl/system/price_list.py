"""AWS's own word on what instances cost: its Price List, and the spot market."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from toilctl.system import aws

_HOME: Final = "us-east-1"
"""The Price List is served in few regions, and has the prices of all (AWS Price List API reference, "Endpoints")."""
_PARTITION: Final = "aws"
"""The others have no list, or one that these credentials do not reach."""
_LINUX: Final = {
    "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used",
    "marketoption": "OnDemand",
}  # fmt: skip
"""What makes one product of the many that each instance type is."""


def on_demand(region: str, instance_type: str) -> float | None:
    """Return an instance type's price in USD per hour, Linux, on demand; None when AWS sells none, or has no list.

    :raises Exception: boto3's, when AWS does not answer within seconds, or this user may not ask.
    """
    if aws.partition(region) != _PARTITION:
        return None
    wanted = {**_LINUX, "instanceType": instance_type, "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    answer = aws.client("pricing", _HOME, hasty=True).get_products(ServiceCode="AmazonEC2", Filters=filters)
    return max((price for text in answer["PriceList"] for price in _hourly(json.loads(text))), default=None)


def _hourly(product: Any) -> Iterator[float]:
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            price = float(dimension["pricePerUnit"].get("USD", 0))
            # Reservations of the same product are listed at 0.
            if dimension["unit"] == "Hrs" and price > 0:
                yield price


def spot(region: str, instance_types: Iterable[str], now: datetime) -> dict[tuple[str, str], float]:
    """Return the spot prices that hold now in USD per hour, by instance type and zone.

    :raises Exception: boto3's, when EC2 does not answer within seconds.
    """
    found = aws.pages(
        "ec2", region, "describe_spot_price_history", "SpotPriceHistory", hasty=True,
        InstanceTypes=sorted(instance_types), ProductDescriptions=["Linux/UNIX"], StartTime=now, EndTime=now,
    )  # fmt: skip
    newest: dict[tuple[str, str], tuple[datetime, float]] = {}
    for one in found:
        place, told = (one["InstanceType"], one["AvailabilityZone"]), (one["Timestamp"], float(one["SpotPrice"]))
        newest[place] = max(newest.get(place, told), told)
    return {place: price for place, (_, price) in newest.items()}
