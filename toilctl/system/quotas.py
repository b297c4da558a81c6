"""Quotas that a launch can meet, as Service Quotas has them: vCPUs of the standard families by market, and groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from toilctl.system import aws
from toilctl.values.wording import ON_DEMAND, SPOT

CODES: Final[Mapping[bool, str]] = {False: "L-1216C47A", True: "L-34B43A08"}
"""Service Quotas' codes, by ``spot``."""
NAMES: Final[Mapping[bool, str]] = {
    False: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    True: "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}
"""Service Quotas' names of them."""
MARKETS: Final[Mapping[str, str]] = {CODES[False]: ON_DEMAND, CODES[True]: SPOT}
"""The markets by the quotas' codes."""

GROUPS_CODE: Final = "L-2AFB9258"
"""Service Quotas' code of Amazon VPC's "Security groups per network interface"."""
MOST_GROUPS: Final = 16
"""To how many that quota can be raised; "Amazon VPC quotas" in the VPC user guide."""

STANDARD_FAMILY: Final = re.compile(r"(?:[acdhimrtz]|im|is)\d")
"""How the instance types of standard families begin (EC2 user guide, "On-Demand Instance quotas").

Im and Is are families of I. Each other one has a quota of its own: DL, F, G and VT, HPC, Inf, Mac, P, Trn, U, X."""


def are_standard(instance_types: Iterable[str]) -> bool:
    """Tell whether instance types count against these quotas."""
    return all(STANDARD_FAMILY.match(name) for name in instance_types)


def vcpus(region: str, *, spot: bool) -> float | None:
    """Ask for a quota; None when it cannot be known: nobody needs the permission to read quotas in order to launch."""
    return _value(region, "ec2", CODES[spot])


def groups_per_interface(region: str) -> float | None:
    """Ask how many security groups a network interface may have; None as of ``vcpus``."""
    return _value(region, "vpc", GROUPS_CODE)


def _value(region: str, service: str, code: str) -> float | None:
    try:
        answer = aws.client("service-quotas", region).get_service_quota(ServiceCode=service, QuotaCode=code)
    except Exception:
        return None
    return float(answer["Quota"]["Value"])
