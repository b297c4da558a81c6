"""Accounts with a default VPC and without, and security groups that need one."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Refusal

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

NO_DEFAULT_VPC: Final = "No default VPC for this user"
_SUBNET_BITS: Final = 20
"""Of a default subnet; "Default VPCs" in the VPC user guide."""


def install(patches: Patches, cidr: str, *, default: bool) -> None:
    """Give each region one VPC of this range, with a public subnet per zone.

    :param default: whether it is the default one; many accounts have none.
    """
    from moto.ec2.models.vpcs import VPCBackend

    def create_default_vpc(backend: Any) -> Any:
        vpc = backend.create_vpc(cidr_block=cidr, is_default=default)
        ranges = IPv4Network(cidr).subnets(new_prefix=_SUBNET_BITS)
        for zone, block in zip(backend.describe_availability_zones(), ranges, strict=False):
            subnet = backend.create_subnet(vpc.id, str(block), availability_zone=zone.name)
            subnet.default_for_az = default
        return vpc

    patches.replace(VPCBackend, "create_default_vpc", create_default_vpc)


def check(call: Call, backend: EC2Backend) -> None:
    """Refuse a security group without a VPC, a dry run's included.

    :raises Refusal: when the VPC does not exist, or none is named and the account has no default one.
    """
    if call.action != "CreateSecurityGroup":
        return
    wanted = str(call.params.get("VpcId", ""))
    if not wanted and backend.get_default_vpc() is None:
        raise Refusal("VPCIdNotSpecified", NO_DEFAULT_VPC)
    if wanted and wanted not in backend.vpcs:
        raise Refusal("InvalidVpcID.NotFound", f"The vpc ID '{wanted}' does not exist")
