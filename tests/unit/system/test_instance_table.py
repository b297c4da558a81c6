"""The table of instance types that is shipped."""

from __future__ import annotations

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from toilctl.system.instance_table import shipped


def test_table_says_whose_it_is_and_of_when() -> None:
    found = shipped()
    assert found.source.startswith("apache-libcloud ")
    month, year = found.prices_as_of.split()
    assert month.isalpha()
    assert int(year) >= 2025
    assert found.text == f"the table that comes with toilctl ({found.source}, {found.prices_as_of})"


def test_sizes_are_those_that_ec2_describes() -> None:
    both = [one for one in shipped().types.values() if one.name in INSTANCE_TYPES]
    assert len(both) > 700
    for what, key in (("vcpus", ("VCpuInfo", "DefaultVCpus")), ("memory_mib", ("MemoryInfo", "SizeInMiB"))):
        told = {one.name: INSTANCE_TYPES[one.name][key[0]][key[1]] for one in both}
        assert [one.name for one in both if abs(getattr(one, what) / told[one.name] - 1) > 0.02] == []
    # The disks of a few are not in AWS's price list.
    stores = {one.name: INSTANCE_TYPES[one.name].get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0) for one in both}
    other = [one.name for one in both if abs(one.instance_store_gb - stores[one.name]) > 0.03 * stores[one.name]]
    assert len(other) <= 4


@pytest.mark.parametrize(
    ("region", "name", "usd"),
    [
        ("us-east-1", "c4.8xlarge", 1.591), ("us-west-2", "c5.xlarge", 0.17), ("eu-west-1", "c4.8xlarge", 1.811),
        ("us-east-2", "c6a.large", 0.0765), ("us-west-2", "r3.8xlarge", 2.66), ("sa-east-1", "m4.large", 0.159),
    ],
)  # fmt: skip
def test_prices_are_those_of_shared_tenancy(region: str, name: str, usd: float) -> None:
    """Of these the tables that it is made of have a reservation's, 0, or a dedicated tenancy's."""
    assert shipped().usd_per_hour(region, name) == pytest.approx(usd, rel=0.01)


@pytest.mark.parametrize("place", [("eu-north-1", "r3.large"), ("us-west-2", "x9.large"), ("mars-1", "t2.micro")])
def test_what_is_not_known_has_no_price(place: tuple[str, str]) -> None:
    assert shipped().usd_per_hour(*place) is None
