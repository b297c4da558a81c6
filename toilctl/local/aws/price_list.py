"""AWS's Price List service (``pricing:GetProducts``), which moto lacks, for EC2's Linux instances on demand.

After "GetProducts" in the AWS Billing API reference and the products that it answers with. The prices are those of
``toilctl.system.price_table``: an instance type or a region that is not in it is no product here. Attributes that are
not in a product, such as ``location``, match no filter.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from toilctl.local.aws.base.faults import Faults
from toilctl.local.aws.ec2 import offerings
from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.system import price_table

SERVICE: Final = "pricing"
REGIONS: Final = ("us-east-1", "eu-central-1", "ap-south-1")
"""Where the service answers, whatever region is asked about."""
MOST_RESULTS: Final = 100
_OFFER: Final = "JRTCKXETXF"
_RATE: Final = "6YS6EN2CT7"
"""AWS's codes of an on-demand offer and of its hourly rate."""

Attributes = Mapping[str, str]

_CONDITIONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "TERM_MATCH": lambda value, wanted: value == wanted,
    "EQUALS": lambda value, wanted: value == wanted,
    "CONTAINS": lambda value, wanted: wanted in value,
    "ANY_OF": lambda value, wanted: value in wanted.split(","),
    "NONE_OF": lambda value, wanted: value not in wanted.split(","),
}


def serve(
    call: Call, faults: Faults, now: datetime, start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Answer a request, as WSGI asks.

    :raises Refusal: for what the service would refuse.
    """
    body = json.dumps(answer(call, faults, now)).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def answer(call: Call, faults: Faults, now: datetime) -> dict[str, Any]:
    """Return what GetProducts answers: FormatVersion, PriceList (each product as JSON text), and NextToken.

    :raises Refusal: for another action, service or region, for parameters that make no sense, and when the fault
        ``no-prices`` is set.
    """
    if call.region not in REGIONS:
        raise Refusal("InvalidSignatureException", "Credential should be scoped to a valid region.", 403)
    if faults.find("no-prices"):
        raise Refusal("AccessDeniedException", f"User is not authorized to perform: {call.name}")
    if call.action != "GetProducts":
        raise Refusal("UnknownOperationException", f"The rehearsal cloud's price list has no {call.action}.")
    if call.params.get("ServiceCode") != "AmazonEC2":
        raise Refusal("NotFoundException", f"Service code {call.params.get('ServiceCode')} was not found.")
    first, count = _page(call.params)
    products = list(_products(call.params.get("Filters") or []))
    listed = [json.dumps(_product(*one, now)) for one in products[first : first + count]]
    more = first + count < len(products)
    return {"FormatVersion": "aws_v1", "PriceList": listed, **({"NextToken": str(first + count)} if more else {})}


def _page(params: Mapping[str, Any]) -> tuple[int, int]:
    token, count = str(params.get("NextToken") or 0), int(params.get("MaxResults") or MOST_RESULTS)
    if not token.isdigit():
        raise Refusal("InvalidNextTokenException", "The pagination token is invalid.")
    if not 1 <= count <= MOST_RESULTS:
        raise Refusal("InvalidParameterException", f"MaxResults must be between 1 and {MOST_RESULTS}.")
    return int(token), count


def _products(filters: Iterable[Mapping[str, str]]) -> Iterator[tuple[Attributes, float]]:
    """Yield attributes and price, USD per hour, of what matches."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

    wanted = [(_condition(one), one.get("Field", ""), one.get("Value", "")) for one in filters]
    for region in sorted(INSTANCE_TYPE_OFFERINGS["availability-zone"]):
        for name in sorted(INSTANCE_TYPES):
            price = price_table.on_demand(region, name)
            if price is None:
                continue
            attributes = _attributes(region, name)
            if all(field in attributes and holds(attributes[field], value) for holds, field, value in wanted):
                yield attributes, price


def _condition(one: Mapping[str, str]) -> Callable[[str, str], bool]:
    kind = one.get("Type", "")
    if kind not in _CONDITIONS:
        raise Refusal("InvalidParameterException", f"The filter type {kind!r} is none of {', '.join(_CONDITIONS)}.")
    return _CONDITIONS[kind]


def _attributes(region: str, name: str) -> Attributes:
    described = offerings.instance_type(name) or {}
    return {
        "servicecode": "AmazonEC2", "servicename": "Amazon Elastic Compute Cloud", "locationType": "AWS Region",
        "regionCode": region, "instanceType": name, "vcpu": str(offerings.vcpus(name)),
        "memory": f"{described.get('MemoryInfo', {}).get('SizeInMiB', 0) / 1024:g} GiB",
        "currentGeneration": "Yes" if described.get("CurrentGeneration") else "No",
        "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used",
        "marketoption": "OnDemand", "licenseModel": "No License required", "operation": "RunInstances",
    }  # fmt: skip


def _product(attributes: Attributes, usd_per_hour: float, now: datetime) -> dict[str, Any]:
    name = attributes["instanceType"]
    sku = _sku(attributes["regionCode"], name)
    offer, rate = f"{sku}.{_OFFER}", f"{sku}.{_OFFER}.{_RATE}"
    dimension = {
        "rateCode": rate, "unit": "Hrs", "beginRange": "0", "endRange": "Inf", "appliesTo": [],
        "description": f"${usd_per_hour:g} per On Demand Linux {name} Instance Hour",
        "pricePerUnit": {"USD": f"{usd_per_hour:.10f}"},
    }  # fmt: skip
    term = {
        "sku": sku, "offerTermCode": _OFFER, "effectiveDate": f"{now:%Y-%m}-01T00:00:00Z", "termAttributes": {},
        "priceDimensions": {rate: dimension},
    }  # fmt: skip
    return {
        "product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": sku},
        "serviceCode": "AmazonEC2", "terms": {"OnDemand": {offer: term}},
        "version": f"{now:%Y%m%d}000000", "publicationDate": f"{now:%Y-%m-%d}T00:00:00Z",
    }  # fmt: skip


def _sku(region: str, name: str) -> str:
    """Return a product's number, always the same: sixteen capital letters and digits."""
    return base64.b32encode(hashlib.sha256(f"{region}/{name}".encode()).digest()).decode()[:16]
