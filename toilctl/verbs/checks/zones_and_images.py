"""Where a cluster can be launched: zones, subnets and images, checked with EC2 before anything is made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toilctl.system import aws, inventory, variables
from toilctl.values.cluster import Zone
from toilctl.values.errors import NotFoundError, UsageError
from toilctl.values.machine_images import MachineImage


@dataclass(frozen=True)
class Place:
    """Where the nodes of a cluster are."""

    zones: tuple[str, ...]
    vpc_id: str
    public_addresses: bool = True
    """Whether nodes get public addresses: those of a VPC's default subnets do."""


def region_of(zones: Sequence[Zone], region: str | None) -> str:
    """Return the one region that is meant.

    :raises UsageError: when zones and region disagree, or nothing names a region.
    """
    regions = sorted({zone.region for zone in zones})
    if len(regions) > 1:
        raise UsageError(
            f"Zones {', '.join(zones)} are in different regions.", "Name zones of one region.", zones=zones
        )
    named = inventory.named_region(zones[0] if zones else None, region)
    if named is None:
        raise UsageError("No zone was named.", "Say where to launch: -z us-west-2a, or set TOIL_AWS_ZONE.")
    return named


def check_zones(region: str, zones: Sequence[Zone], subnet: str | None) -> Place:
    """Return where to launch: in the zones that were named, else in the subnet's.

    :raises UsageError: for a zone that is not there, and when neither a zone nor a subnet was named.
    """
    described = aws.client("ec2", region).describe_availability_zones()["AvailabilityZones"]
    usable = [zone["ZoneName"] for zone in described if zone.get("State") == "available"]
    for zone in zones:
        if zone not in usable:
            raise UsageError(
                f"There is no zone {zone} in {region}.", f"It has {', '.join(usable)}.", zone=zone, known=usable
            )
    if subnet:
        return _check_subnet(region, subnet, zones)
    if not zones:
        raise UsageError("No zone was named.", f"Say which with -z: {region} has {', '.join(usable)}.", known=usable)
    return Place(tuple(dict.fromkeys(zones)), _check_default_subnets(region, zones))


def image(region: str, ami: str | None) -> MachineImage:
    """Look up the machine image that was named, else the one that the shared defaults' SSM parameter names.

    :raises NotFoundError: when there is no such image.
    """
    ami = ami or _default_ami(region)
    try:
        images = aws.client("ec2", region).describe_images(ImageIds=[ami])["Images"]
    except Exception as error:
        if not aws.error_code(error).startswith("InvalidAMIID"):
            raise
        images = []
    if not images:
        raise NotFoundError(
            f"There is no machine image {ami} in {region}.", "Name another with --ami, or leave --ami out.", ami=ami
        )
    return MachineImage.of(images[0])


def check_storage(image: MachineImage, **storage_gb: int) -> None:
    """Make sure that root volumes can hold the image.

    :raises UsageError: naming the option that is too small.
    """
    for option, gb in storage_gb.items():
        if gb < image.root_gb:
            raise UsageError(
                f"--{option.replace('_', '-')} {gb} is smaller than the machine image, which has {image.root_gb} GB.",
                f"Give at least {image.root_gb}.", ami=image.ami, storage_gb=gb, image_gb=image.root_gb,
            )  # fmt: skip


def _default_ami(region: str) -> str:
    name = str(variables.defaults()["ami_ssm_parameter"])
    answer = aws.look(aws.client("ssm", region).get_parameter, Name=name)
    if answer is None:
        raise NotFoundError(
            f"{region} has no SSM parameter {name}, which names Debian's machine image.", "Name an image with --ami."
        )
    return str(answer["Parameter"]["Value"])


def _check_subnet(region: str, subnet: str, zones: Sequence[Zone]) -> Place:
    try:
        described = aws.client("ec2", region).describe_subnets(SubnetIds=[subnet])["Subnets"][0]
    except Exception as error:
        if not aws.error_code(error).startswith("InvalidSubnet"):
            raise
        raise NotFoundError(
            f"There is no subnet {subnet} in {region}.", f"'aws ec2 describe-subnets --region {region}' lists them."
        ) from error
    zone = str(described["AvailabilityZone"])
    if zones and set(zones) != {zone}:
        raise UsageError(
            f"Subnet {subnet} is in zone {zone}, not in {', '.join(zones)}.",
            f"Say -z {zone}, or leave out --vpc-subnet.",
        )
    private = os.environ.get("TOILCTL_CONNECT_ADDRESS") == "private"
    if not private and not _gives_public_addresses(region, described):
        raise UsageError(
            f"Subnet {subnet} gives no public addresses, so this machine could not reach the nodes.",
            "Name a public subnet, or set TOILCTL_CONNECT_ADDRESS=private where private addresses can be reached.",
            subnet=subnet,
        )
    given = not private or bool(described.get("MapPublicIpOnLaunch"))
    return Place((zone,), str(described["VpcId"]), public_addresses=given)


def _gives_public_addresses(region: str, subnet: dict[str, Any]) -> bool:
    """Tell whether nodes can have them: we ask for a public address ourselves, so a way to the internet is enough."""
    if subnet.get("MapPublicIpOnLaunch"):
        return True
    tables = aws.client("ec2", region).describe_route_tables(
        Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}]
    )["RouteTables"]  # fmt: skip
    own = [
        table
        for table in tables
        if any(link.get("SubnetId") == subnet["SubnetId"] for link in table.get("Associations", []))
    ]
    main = [table for table in tables if any(link.get("Main") for link in table.get("Associations", []))]
    return any(
        str(route.get("GatewayId", "")).startswith("igw-") for table in own or main for route in table.get("Routes", [])
    )


def _check_default_subnets(region: str, zones: Sequence[str]) -> str:
    """Make sure that each zone has one, and return the VPC that they are in."""
    found = aws.client("ec2", region).describe_subnets(
        Filters=[{"Name": "default-for-az", "Values": ["true"]}, {"Name": "availability-zone", "Values": list(zones)}]
    )["Subnets"]
    missing = sorted(set(zones) - {subnet["AvailabilityZone"] for subnet in found})
    if missing:
        raise UsageError(
            f"Zone {missing[0]} has no default subnet.",
            "Name a subnet with --vpc-subnet, or another zone.",
            zones=missing,
        )
    return str(found[0]["VpcId"])
