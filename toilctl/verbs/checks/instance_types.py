"""Whether EC2 sells what was asked for: instance types, by zone and machine image, and within the account's quota."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from toilctl.system import aws, quotas
from toilctl.values import machine_images, wording
from toilctl.values.errors import CapacityError, UsageError
from toilctl.values.machine_images import MachineImage
from toilctl.values.node_types import NodeType
from toilctl.values.units import exact


def check(
    region: str, zones: Sequence[str], node_types: Iterable[NodeType], image: MachineImage
) -> dict[str, dict[str, Any]]:
    """Make sure that every instance type exists, fits the image, and is offered in a zone; return EC2's facts.

    :raises UsageError: for an unknown type (with the one that was perhaps meant), one that cannot boot the image, or a
        node type of which nothing is offered in the zones.
    """
    node_types = tuple(node_types)
    names = sorted({name for node_type in node_types for name in node_type.instance_types})
    described = describe(region, names)
    for node_type in node_types:
        for name in node_type.instance_types:
            machine_images.check_boots(described[name], image, spot=node_type.preemptible)
    offered = {offer["InstanceType"] for offer in _offers(region, names) if offer["Location"] in zones}
    for node_type in node_types:
        if not offered.intersection(node_type.instance_types):
            elsewhere = sorted({offer["Location"] for offer in _offers(region, node_type.instance_types)})
            raise UsageError(
                f"{'/'.join(node_type.instance_types)} is not offered in {', '.join(zones)}.",
                f"It is in {', '.join(elsewhere)}." if elsewhere else "Choose another instance type.",
                node_type=node_type, zones=zones,
            )  # fmt: skip
    return described


def first_offered(region: str, zones: Sequence[str], names: Sequence[str]) -> str:
    """Return the first instance type that is offered in a zone; the first of all where none is."""
    offered = {offer["InstanceType"] for offer in _offers(region, names) if offer["Location"] in zones}
    return next((name for name in names if name in offered), names[0])


def check_quota(
    region: str, wanted: Iterable[tuple[NodeType, int]], described: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse what is more than the account's vCPU quota allows at all, where that quota can be known.

    :raises CapacityError: naming quota and need.
    """
    need = {False: 0, True: 0}
    for node_type, count in wanted:
        names = node_type.instance_types
        if quotas.are_standard(names):
            need[node_type.preemptible] += count * min(described[name]["VCpuInfo"]["DefaultVCpus"] for name in names)
    for spot, vcpus in need.items():
        quota = quotas.vcpus(region, spot=spot) if vcpus else None
        if quota is not None and vcpus > quota:
            market = wording.market(spot)
            raise CapacityError(
                f"This needs {vcpus} {market} vCPUs, and the account's quota in {region} is {exact(quota)}.",
                f"Ask for fewer nodes, or for more quota: Service Quotas, EC2, {quotas.CODES[spot]}.",
                vcpus=vcpus, quota=quota, market=market,
            )  # fmt: skip


def describe(region: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return EC2's facts about instance types, by name.

    :raises UsageError: for an unknown one, with the one that was perhaps meant.
    """
    try:
        found = aws.client("ec2", region).describe_instance_types(InstanceTypes=list(names))["InstanceTypes"]
    except Exception as error:
        if aws.error_code(error) != "InvalidInstanceType":
            raise
        found = []
    described = {one["InstanceType"]: one for one in found}
    unknown = [name for name in names if name not in described]
    if unknown:
        _refuse_unknown(region, unknown)
    return described


def _refuse_unknown(region: str, names: Sequence[str]) -> None:
    known = {
        offer["InstanceType"]
        for offer in aws.pages("ec2", region, "describe_instance_type_offerings", "InstanceTypeOfferings")
    }
    for name in names:
        if name not in known:
            close = get_close_matches(name, sorted(known), n=3)
            hint = f"Did you mean {' or '.join(close)}?" if close else "'aws ec2 describe-instance-types' lists them."
            raise UsageError(f"EC2 has no instance type {name!r} in {region}.", hint, instance_type=name, close=close)


def _offers(region: str, names: Sequence[str]) -> Iterable[Any]:
    return aws.pages(
        "ec2", region, "describe_instance_type_offerings", "InstanceTypeOfferings",
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": list(names)}],
    )  # fmt: skip
