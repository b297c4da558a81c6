"""How the shipped table of instance types is made of apache-libcloud's, which are not at hand here."""

from __future__ import annotations

import json
from typing import Any

from docs.generate.instance_types import OUT, table, text

_MEMORY_GIB = {"large": 4, "xlarge": 8, "2xlarge": 16, "4xlarge": 32}
_SHARED = {"large": 0.1, "xlarge": 0.2, "2xlarge": 0.4, "4xlarge": 0.8}


def made(**other_prices: dict[str, float]) -> Any:
    """Make a table of a family whose sizes have their shared tenancy's prices, unless others are told."""
    sizes = {
        f"c9.{size}": {"extra": {"vcpu": str(gib // 2)}, "ram": gib * 1024, "disk": 0}
        for size, gib in _MEMORY_GIB.items()
    }
    prices = {
        f"c9.{size}": {"us-east-1": usd, "us-west-2": usd, "eu-west-1": 1.2 * usd, "us-west-2-lax-1": 9.0}
        | other_prices.get(f"s{size}", {})
        for size, usd in _SHARED.items()
    }
    everything = {"updated": 1740936978, "compute": {"ec2_linux": {**prices, "c9": {"us-east-1": 5.0}}}}
    return table(everything, sizes, "9.9")


def test_table_has_sizes_prices_source_and_date() -> None:
    found = made()
    assert (found["source"], found["prices_as_of"]) == ("apache-libcloud 9.9", "March 2025")
    assert found["types"]["c9.xlarge"] == [4, 8192, 0, 0.2]
    assert found["regions"] == {"c9": {"eu-west-1": 1.2, "us-east-1": 1.0, "us-west-2": 1.0}}
    assert list(found["types"]) == ["c9.large", "c9.xlarge", "c9.2xlarge", "c9.4xlarge"]


def test_price_of_dedicated_tenancy_or_of_a_reservation_is_not_the_shared_one() -> None:
    assert made(s2xlarge={"us-east-1": 0.44, "us-west-2": 0.0, "eu-west-1": 0.0}) == made()
    assert made(slarge={"us-east-1": 0.0, "us-west-2": 0.0}, sxlarge={"eu-west-1": 0.264}) == made()


def test_size_that_is_dear_for_another_reason_keeps_its_price() -> None:
    assert made(s2xlarge={"us-east-1": 0.6, "us-west-2": 0.6})["types"]["c9.2xlarge"][3] == 0.6


def test_file_is_as_it_is_written_now() -> None:
    kept = OUT.read_text()
    assert text(json.loads(kept)) == kept
