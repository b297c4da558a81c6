"""Make ``toilctl/system/data/instance_types.json``, sizes and prices of instance types, from apache-libcloud's tables.

    pip download --no-deps apache-libcloud
    python -m docs.generate.instance_types apache_libcloud-*.whl

apache-libcloud (Apache-2.0) reads AWS's price list into two tables. Of a type's prices in a region it keeps one: that
of shared tenancy, that of dedicated tenancy, which is 6 to 12 % above, or that of a reservation, 0. So what is told is
what all of them have in common: sizes cost in proportion to their family's others, and a family costs so many times as
much in a region as in the US, where three regions have the same prices. Of several prices the least is the shared one.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

OUT: Final = Path(__file__).parents[2] / "toilctl/system/data/instance_types.json"
_PRICES: Final = "libcloud/data/pricing.json"
_SIZES: Final = "libcloud/compute/constants/ec2_instance_types.py"
_BASE: Final = ("us-east-1", "us-east-2", "us-west-2")
"""Regions with the same prices."""
_REGION: Final = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")
"""Not a local zone."""
_LARGE: Final = {"nano": 1 / 16, "micro": 1 / 8, "small": 1 / 4, "medium": 1 / 2, "large": 1.0, "xlarge": 2.0}
_DEDICATED: Final = (1.03, 1.15)
"""How many times a shared tenancy's price a dedicated one's is."""
_SAME: Final = 0.01
_MOST: Final = 0.5
"""The share of a family's sizes that must cost in proportion, for the others to be taken to do so, too."""

_Prices = Mapping[str, Mapping[str, float]]
"""USD per hour by instance type and region; what is 0 is not known."""


def table(prices: Any, sizes: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return what toilctl keeps."""
    linux = {
        name: {region: float(usd) for region, usd in prices["compute"]["ec2_linux"].get(name, {}).items()}
        for name in sorted(sizes, key=_order)
    }
    base = proportional(
        {name: min(told) for name, of in linux.items() if (told := [of[one] for one in _BASE if of.get(one)])},
        sizes,
    )
    return {
        "source": f"apache-libcloud {version}",
        "prices_as_of": f"{datetime.fromtimestamp(prices['updated'], UTC):%B %Y}",
        "types": {
            name: [int(one["extra"]["vcpu"]), int(one["ram"]), int(one["disk"]), base.get(name)]
            for name, one in sorted(sizes.items(), key=lambda item: _order(item[0]))
        },
        "regions": factors(linux, base),
    }


def proportional(usd: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    """Return prices where one of dedicated tenancy gives way to what is in proportion to the family's others.

    :param names: all types; one without a price gets what is proportional.
    """
    families = defaultdict[str, list[str]](list)
    for name in names:
        if _multiple(name):
            families[_family(name)].append(name)
    found = dict(usd)
    for members in families.values():
        units = {name: usd[name] / _multiple(name) for name in members if name in usd}
        alike = [[one for one in units.values() if abs(one / unit - 1) < _SAME] for unit in units.values()]
        # Of as many that agree, the lower ones.
        most = max(alike, key=lambda of: (len(of), -median(of)), default=[])
        if len(most) < 2 or len(most) < _MOST * len(units):
            continue
        unit = median(most)
        for name in members:
            if name not in units or _DEDICATED[0] < units[name] / unit < _DEDICATED[1]:
                found[name] = round(unit * _multiple(name), 4)
    return found


def factors(prices: _Prices, base: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return how many times as much a family costs in each region as in the US."""
    asked = defaultdict[str, dict[str, float]](dict)
    for name, of in prices.items():
        for region, usd in of.items():
            if usd and name in base and _REGION.fullmatch(region):
                family = asked[_family(name)]
                family[region] = min(family.get(region, float("inf")), usd / base[name])
    return {
        family: {region: 1.0 if region in _BASE else round(of[region], 4) for region in sorted(of)}
        for family, of in sorted(asked.items())
    }


def text(kept: Mapping[str, Any]) -> str:
    """Write it as JSON, a line for each type and each family."""
    lines = [f'"{key}": {json.dumps(kept[key])}' for key in ("source", "prices_as_of")]
    lines += [f'"{key}": {{\n{_lines(kept[key])}\n}}' for key in ("types", "regions")]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(of: Mapping[str, Any]) -> str:
    return ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in of.items())


def _family(name: str) -> str:
    return name.partition(".")[0]


def _multiple(name: str) -> float:
    """Return how many times a family's ``large`` a size is; 0 when its name does not tell."""
    size = name.partition(".")[2]
    if size.endswith("xlarge") and size[:-6].isdigit():
        return 2.0 * int(size[:-6])
    return _LARGE.get(size, 0.0)


def _order(name: str) -> tuple[str, float, str]:
    return _family(name), _multiple(name), name


def _read(wheel: Path) -> tuple[Any, Mapping[str, Any], str]:
    with zipfile.ZipFile(wheel) as archive:
        prices = json.loads(archive.read(_PRICES))
        module = ast.parse(archive.read(_SIZES))
    values = [one.value for one in module.body if isinstance(one, ast.Assign)]
    return prices, ast.literal_eval(values[0]), wheel.name.split("-")[1]


def main() -> None:
    """Make the file anew from the wheel on the command line."""
    OUT.write_text(text(table(*_read(Path(sys.argv[1])))))


if __name__ == "__main__":
    main()
