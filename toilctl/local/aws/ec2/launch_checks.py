"""RunInstances' checks: everything that a launch names is there, may be put together, and is offered.

The errors' codes and texts are those that EC2 gives (its error code reference, and what users of Terraform, Packer and
Karpenter reported). moto starts whatever it is asked for, so all checks are here.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.ec2 import offerings
from toilctl.local.aws.ec2.default_vpc import NO_DEFAULT_VPC
from toilctl.local.aws.ec2.launching import Data, Launch, tags_by_type, user_data
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.local.aws.requests.tags import too_many
from toilctl.values import aws_errors, aws_limits
from toilctl.values.tags import MAX_COUNT

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.amis import Ami
    from moto.ec2.models.security_groups import SecurityGroup
    from moto.ec2.models.subnets import Subnet
    from moto.iam.models import IAMBackend, InstanceProfile

_NO_SPOT_REQUEST: Final = (
    "You cannot specify tags for Spot instances requests if there are no Spot instances requests being created by the "
    "request."
)


@dataclass(frozen=True)
class Account:
    """Where a launch's names are looked up, and when."""

    backend: EC2Backend
    iam: IAMBackend
    now: datetime
    profile_delay_s: float


def resolve(account: Account, data: Data, market: str) -> Launch:
    """Find what a launch names.

    :raises Refusal: for whatever EC2 would not find, or would refuse to put together.
    """
    backend = account.backend
    image = _image(backend, data)
    instance_type = _instance_type(data, image)
    subnet = _subnet(backend, data, instance_type)
    _check_market(instance_type, market, subnet)
    _check_key(backend, data)
    _check_user_data(data)
    tags = tags_by_type(data.get("TagSpecifications") or [])
    if "spot-instances-request" in tags and market != "spot":
        raise Refusal("InvalidParameterValue", _NO_SPOT_REQUEST)
    if any(len(of_kind) > MAX_COUNT for of_kind in tags.values()):
        raise too_many()
    profile = _profile(account, data)
    groups, mappings = _groups(backend, data, subnet), _mappings(image, data)
    return Launch(backend, image, instance_type, subnet, market, groups, profile, mappings, tags, data)


def max_price(price: Any) -> float | None:
    """Read the most that a spot instance may cost, in USD per hour; None where nothing is said.

    :raises Refusal: for what EC2 takes for no price.
    """
    if not price:
        return None
    try:
        most = float(price)
    except ValueError:
        most = 0.0
    if not aws_limits.LEAST_SPOT_PRICE <= most < float("inf"):
        text = f"Invalid value '{price}' for maxPrice: it must be at least {aws_limits.LEAST_SPOT_PRICE}."
        raise Refusal("InvalidParameterValue", text)
    return most


def _image(backend: EC2Backend, data: Data) -> Ami:
    image_id = data.get("ImageId")
    if not image_id:
        raise Refusal("MissingParameter", "The request must contain the parameter ImageId")
    if not str(image_id).startswith("ami-"):
        raise Refusal("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    image = backend.amis.get(image_id)
    if image is None:
        raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    return image


def _instance_type(data: Data, image: Ami) -> str:
    name = data.get("InstanceType") or "m1.small"
    known = offerings.instance_type(name)
    if known is None:
        raise Refusal("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
    architectures = known["ProcessorInfo"]["SupportedArchitectures"]
    if image.architecture not in architectures:
        raise Refusal(
            "InvalidParameterValue",
            f"The architecture '{','.join(architectures)}' of the specified instance type does not match the "
            f"architecture '{image.architecture}' of the specified AMI. Specify an instance type and an AMI that have "
            "matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to "
            "discover the architecture of the instance type or AMI.",
        )
    return str(name)


def _subnet(backend: EC2Backend, data: Data, instance_type: str) -> Subnet:
    zone = (data.get("Placement") or {}).get("AvailabilityZone")
    interface: Data = next(iter(data.get("NetworkInterfaces") or []), {})
    subnet_id = data.get("SubnetId") or interface.get("SubnetId")
    subnets = {subnet.id: subnet for by_id in backend.subnets.values() for subnet in by_id.values()}
    offered = offerings.zones(backend.region_name, instance_type)
    if subnet_id:
        if subnet_id not in subnets:
            raise Refusal("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        subnet = subnets[subnet_id]
    else:
        allowed = [zone] if zone else offered
        if backend.get_default_vpc() is None:
            raise Refusal("VPCIdNotSpecified", f"{NO_DEFAULT_VPC}. GroupName is only supported for default VPC.")
        choice = [s for s in subnets.values() if s.default_for_az and s.availability_zone in allowed]
        if not choice:
            raise Refusal("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        subnet = min(choice, key=lambda subnet: subnet.availability_zone)
    if subnet.availability_zone not in offered:
        raise Refusal(
            aws_errors.UNSUPPORTED,
            f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone "
            f"({subnet.availability_zone}). Please retry your request by not specifying an Availability Zone or "
            f"choosing {', '.join(offered)}.",
        )
    return subnet


def _check_market(instance_type: str, market: str, subnet: Subnet) -> None:
    """Refuse spot where an instance type is sold on demand alone; a fleet says the same of it as of a wrong zone."""
    if market == "spot" and "spot" not in (offerings.instance_type(instance_type) or {})["SupportedUsageClasses"]:
        raise Refusal(
            aws_errors.UNSUPPORTED,
            f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone "
            f"({subnet.availability_zone}). Please retry your request with another instance type.",
        )


def _groups(backend: EC2Backend, data: Data, subnet: Subnet) -> list[SecurityGroup]:
    interface: Data = next(iter(data.get("NetworkInterfaces") or []), {})
    ids = list(data.get("SecurityGroupIds") or interface.get("Groups") or [])
    names = list(data.get("SecurityGroups") or [])
    if not ids and not names:
        names = ["default"]
    if len({*ids, *names}) > aws_limits.GROUPS_PER_INTERFACE:
        text = "The maximum number of security groups per interface has been reached."
        raise Refusal("SecurityGroupsPerInterfaceLimitExceeded", text)
    groups = [(group_id, backend.get_security_group_from_id(group_id)) for group_id in ids]
    groups += [(name, backend.get_security_group_from_name(name, subnet.vpc_id)) for name in names]
    found = []
    for wanted, group in groups:
        if group is None:
            raise Refusal("InvalidGroup.NotFound", f"The security group '{wanted}' does not exist")
        if group.vpc_id != subnet.vpc_id:
            text = f"Security group {group.id} and subnet {subnet.id} belong to different networks."
            raise Refusal("InvalidParameter", text)
        found.append(group)
    return found


def _check_key(backend: EC2Backend, data: Data) -> None:
    name = data.get("KeyName")
    if name and name not in backend.key_pairs:
        raise Refusal("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")


def _check_user_data(data: Data) -> None:
    value = user_data(data)
    if value is not None and len(base64.b64decode(str(value))) > aws_limits.USER_DATA_BYTES:
        raise Refusal("InvalidParameterValue", f"User data is limited to {aws_limits.USER_DATA_BYTES} bytes")


def _profile(account: Account, data: Data) -> InstanceProfile | None:
    wanted = data.get("IamInstanceProfile") or {}
    if not wanted:
        return None
    by_name = "Name" in wanted
    value, what = (wanted["Name"], "name") if by_name else (wanted["Arn"], "arn")
    profile = next((p for p in account.iam.instance_profiles.values() if value == (p.name if by_name else p.arn)), None)
    if profile is None or account.now - profile.create_date < timedelta(seconds=account.profile_delay_s):
        text = f"Value ({value}) for parameter iamInstanceProfile.{what} is invalid. Invalid IAM Instance Profile "
        raise Refusal("InvalidParameterValue", text + ("name" if by_name else "ARN"))
    if not profile.roles:
        text = f'IAM Instance Profile "{profile.arn}" has no associated IAM Roles'
        raise Refusal("InvalidParameterValue", text)
    return profile


def _mappings(image: Ami, data: Data) -> list[dict[str, Any]]:
    """Return all volumes, with the image's as a base, in the form in which moto takes them."""
    devices = {mapping["DeviceName"]: dict(mapping["Ebs"]) for mapping in image.block_device_mappings}
    for mapping in data.get("BlockDeviceMappings") or []:
        if "NoDevice" in mapping:
            devices.pop(mapping["DeviceName"], None)
        elif "Ebs" in mapping:
            base = devices.get(mapping["DeviceName"], {})
            devices[mapping["DeviceName"]] = {**base, **mapping["Ebs"]}
    for mapping in image.block_device_mappings:
        size, least = devices.get(mapping["DeviceName"], {}).get("VolumeSize"), mapping["Ebs"]["VolumeSize"]
        if size is not None and int(size) < least:
            snapshot = mapping["Ebs"]["SnapshotId"]
            text = f"Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size>= {least}GB"
            raise Refusal("InvalidBlockDeviceMapping", text)
    return [{"DeviceName": name, "Ebs": ebs} for name, ebs in devices.items()]
