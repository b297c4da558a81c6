"""AWS's price list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import code
from toilctl.local.process.testing import TestCloud
from toilctl.system import price_table

LINUX = {
    "regionCode": "us-west-2", "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
    "capacitystatus": "Used", "marketoption": "OnDemand",
}  # fmt: skip


@pytest.fixture
def pricing(cloud: TestCloud) -> Any:
    return cloud.client("pricing", region="us-east-1")


def filters(kind: str = "TERM_MATCH", **wanted: str) -> list[dict[str, str]]:
    return [{"Type": kind, "Field": field, "Value": value} for field, value in wanted.items()]


def products(pricing: Any, *more: dict[str, str], **wanted: str) -> list[dict[str, Any]]:
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode="AmazonEC2", Filters=[*filters(**wanted), *more], FormatVersion="aws_v1"
    )
    return [json.loads(text) for page in pages for text in page["PriceList"]]


def names(found: list[dict[str, Any]]) -> set[str]:
    return {one["product"]["attributes"]["instanceType"] for one in found}


def test_instance_type_has_one_price(pricing: Any) -> None:
    (found,) = products(pricing, **LINUX, instanceType="c4.8xlarge")
    sku = found["product"]["sku"]
    term = found["terms"]["OnDemand"][f"{sku}.JRTCKXETXF"]
    (dimension,) = term["priceDimensions"].values()
    assert float(dimension["pricePerUnit"]["USD"]) == pytest.approx(price_table.on_demand("us-west-2", "c4.8xlarge"))
    assert (dimension["unit"], term["sku"], found["serviceCode"]) == ("Hrs", sku, "AmazonEC2")
    attributes = found["product"]["attributes"]
    assert (attributes["vcpu"], attributes["memory"]) == ("36", "60 GiB")
    assert LINUX.items() <= attributes.items()


def test_regions_and_types_are_products_of_their_own(pricing: Any) -> None:
    skus = [
        found["product"]["sku"]
        for region in ("us-west-2", "us-east-1")
        for name in ("m5.large", "m5.xlarge")
        for found in products(pricing, **{**LINUX, "regionCode": region}, instanceType=name)
    ]
    assert len(set(skus)) == 4


@pytest.mark.parametrize(
    "wanted",
    [
        {"instanceType": "c4.9xlarge"},
        {"instanceType": "c4.8xlarge", "regionCode": "xx-nowhere-1"},
        {"instanceType": "c4.8xlarge", "operatingSystem": "Windows"},
        {"instanceType": "c4.8xlarge", "tenancy": "Dedicated"},
        {"instanceType": "c4.8xlarge", "colour": "red"},
    ],
)
def test_what_is_not_sold_is_an_empty_list(pricing: Any, wanted: dict[str, str]) -> None:
    assert products(pricing, **{**LINUX, **wanted}) == []


def test_several_types_at_once(pricing: Any) -> None:
    any_of = filters("ANY_OF", instanceType="m5.large,c5.large")
    assert names(products(pricing, *any_of, **LINUX)) == {"m5.large", "c5.large"}
    containing = names(products(pricing, *filters("CONTAINS", instanceType="m5."), **LINUX))
    assert "m5.large" in containing
    assert all("m5." in name for name in containing)


def test_long_lists_come_in_pages(pricing: Any, cloud: TestCloud) -> None:
    first = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters(**LINUX), MaxResults=10)
    assert len(first["PriceList"]) == 10
    every = products(pricing, **LINUX)
    assert len(names(every)) == len(every) > 100
    assert cloud.calls["pricing:GetProducts"] == 1 + -(-len(every) // 100)
    with pytest.raises(ClientError) as error:
        pricing.get_products(ServiceCode="AmazonEC2", NextToken="x")
    assert code(error) == "InvalidNextTokenException"


def test_prices_can_be_refused_and_throttled(pricing: Any, cloud: TestCloud) -> None:
    cloud.faults.set("no-prices")
    with pytest.raises(ClientError) as error:
        products(pricing, **LINUX)
    assert code(error) == "AccessDeniedException"
    cloud.faults.clear("no-prices")
    cloud.faults.set("throttle", action="pricing:GetProducts")
    with pytest.raises(ClientError) as error:
        products(pricing, **LINUX)
    assert code(error) == "ThrottlingException"
    assert products(pricing, **LINUX, instanceType="m5.large")


def test_service_answers_in_its_own_regions_only(cloud: TestCloud) -> None:
    with pytest.raises(ClientError, match="valid region"):
        cloud.client("pricing").get_products(ServiceCode="AmazonEC2")


def test_other_services_and_actions_are_not_there(pricing: Any) -> None:
    with pytest.raises(ClientError) as error:
        pricing.get_products(ServiceCode="AmazonS3")
    assert code(error) == "NotFoundException"
    with pytest.raises(ClientError) as error:
        pricing.describe_services()
    assert code(error) == "UnknownOperationException"


@pytest.mark.parametrize(("action", "allowed"), [("pricing:GetProducts", True), ("ec2:*", False)])
def test_policies_decide_who_reads_prices(cloud: TestCloud, action: str, allowed: bool) -> None:
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="u")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    pricing = cloud.client("pricing", region="us-east-1", **keys)
    if allowed:
        assert products(pricing, **LINUX, instanceType="m5.large")
        return
    with pytest.raises(ClientError) as error:
        products(pricing, **LINUX)
    assert code(error) == "AccessDeniedException"
