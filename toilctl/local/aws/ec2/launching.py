"""A launch as a value: a launch template merged with a request, what it needs of its caller, and its start in moto.

``launch_checks`` makes one from a request; RunInstances and CreateFleet share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.ec2 import spot_requests
from toilctl.local.aws.iam.permissions import ExistingResources, Permission, ec2_arn, ec2_context, tagging, vpc_context

if TYPE_CHECKING:
    from moto.core.types import Base64EncodedString
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.amis import Ami
    from moto.ec2.models.instances import Instance, Reservation
    from moto.ec2.models.security_groups import SecurityGroup
    from moto.ec2.models.subnets import Subnet
    from moto.iam.models import InstanceProfile

_TAGGED: Final = ("instance", "volume", "network-interface", "spot-instances-request")

Data = Mapping[str, Any]
"""RunInstances' parameters, or a launch template's data: their names are the same."""


@dataclass(frozen=True)
class Launch:
    """A launch with everything found that it names."""

    backend: EC2Backend
    image: Ami
    instance_type: str
    subnet: Subnet
    market: str
    groups: Sequence[SecurityGroup]
    profile: InstanceProfile | None
    mappings: Sequence[dict[str, Any]]
    tags: Mapping[str, dict[str, str]]
    data: Data
    max_price: float | None = None
    template_id: str = ""
    managed_tags: dict[str, str] = field(default_factory=dict)
    """Tags that EC2 itself sets, ``aws:…``."""

    @property
    def zone(self) -> str:
        """The availability zone."""
        return self.subnet.availability_zone

    @property
    def interface(self) -> Data:
        """The primary network interface's settings, if any."""
        return next(iter(self.data.get("NetworkInterfaces") or []), {})


def merged(template: Data, request: Data) -> dict[str, Any]:
    """Lay a request over a launch template: lists replace lists, but tags and devices merge by key, as in EC2."""
    given = {key: value for key, value in request.items() if value not in (None, [], {})}
    result = {**template, **given}
    tags = tags_by_type([*(template.get("TagSpecifications") or []), *(request.get("TagSpecifications") or [])])
    result["TagSpecifications"] = [
        {"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in values.items()]}
        for kind, values in tags.items()
    ]
    devices = {
        mapping["DeviceName"]: mapping
        for source in (template, request)
        for mapping in source.get("BlockDeviceMappings") or []
    }
    result["BlockDeviceMappings"] = list(devices.values())
    return result


def start(launch: Launch, count: int) -> Reservation:
    """Start instances of a resolved launch."""
    data, interface = launch.data, launch.interface
    public = interface.get("AssociatePublicIpAddress", launch.subnet.map_public_ip_on_launch)
    nic = {"DeviceIndex": 0, "SubnetId": launch.subnet.id, "DeleteOnTermination": True}
    reservation = launch.backend.run_instances(
        launch.image.id, count, user_data(data), [],
        instance_type=launch.instance_type, is_instance_type_default=True, region_name=launch.backend.region_name,
        subnet_id=launch.subnet.id, security_group_ids=list(launch.groups), key_name=data.get("KeyName"),
        nics=[{**nic, "AssociatePublicIpAddress": str(public).lower() == "true"}],
        private_ip=data.get("PrivateIpAddress") or interface.get("PrivateIpAddress"),
        tags={kind: dict(tags) for kind, tags in launch.tags.items()},
        block_device_mappings=list(launch.mappings),
        instance_initiated_shutdown_behavior=data.get("InstanceInitiatedShutdownBehavior"),
        disable_api_termination=data.get("DisableApiTermination", False),
        metadata_options=data.get("MetadataOptions") or {},
        monitoring_state="enabled" if (data.get("Monitoring") or {}).get("Enabled") else "disabled",
        ebs_optimized=data.get("EbsOptimized", False), client_token=data.get("ClientToken", ""),
        lifecycle="spot" if launch.market == "spot" else None,
    )  # fmt: skip
    for instance in reservation.instances:
        _finish(launch, instance)
    return reservation


def permissions(
    launch: Launch, region: str, account_id: str, source: str, existing: ExistingResources
) -> list[Permission]:
    """Return what a launch needs of its caller: each resource it uses, each it makes, their tags, and the role."""
    used = [("image", launch.image.id), ("subnet", launch.subnet.id)]
    used += [("security-group", group.id) for group in launch.groups]
    if launch.data.get("KeyName"):
        used.append(("key-pair", launch.data["KeyName"]))
    if launch.template_id:
        used.append(("launch-template", launch.template_id))
    extra = _launch_context(launch)
    found = [
        Permission(
            "ec2:RunInstances",
            ec2_arn(region, account_id, kind, name),
            ec2_context(region, source, existing.tags(name), {})
            | vpc_context(region, account_id, name, existing)
            | extra,
        )
        for kind, name in used
    ]
    for kind in _TAGGED if launch.market == "spot" else _TAGGED[:3]:
        arn, tags = ec2_arn(region, account_id, kind, "*"), launch.tags.get(kind, {})
        found.append(Permission("ec2:RunInstances", arn, ec2_context(region, source, {}, tags) | extra))
        if tags:
            found.append(tagging(region, source, arn, tags, "RunInstances"))
    context = {"iam:passedtoservice": "ec2.amazonaws.com", "aws:requestedregion": region}
    roles = launch.profile.roles if launch.profile else []
    return found + [Permission("iam:PassRole", role.arn, context) for role in roles]


def tags_by_type(specifications: Iterable[Data]) -> dict[str, dict[str, str]]:
    """Read TagSpecifications: the tags of each resource type."""
    found: dict[str, dict[str, str]] = {}
    for specification in specifications:
        kind = specification.get("ResourceType", "")
        # moto mixes a template's own tags into its data.
        if kind != "launch-template":
            found.setdefault(kind, {}).update({tag["Key"]: tag.get("Value", "") for tag in specification["Tags"]})
    return {kind: tags for kind, tags in found.items() if tags}


def user_data(data: Data) -> Base64EncodedString | None:
    """Return a launch's user data; moto parses that of a template's first version and leaves others as they came."""
    from moto.core.types import Base64EncodedString

    value = data.get("UserData")
    return Base64EncodedString(str(value)) if value else None


def _launch_context(launch: Launch) -> dict[str, str]:
    context = {
        "ec2:instancetype": launch.instance_type,
        "ec2:instancemarkettype": launch.market,
        "ec2:islaunchtemplateresource": str(bool(launch.template_id)).lower(),
        "ec2:metadatahttptokens": (launch.data.get("MetadataOptions") or {}).get("HttpTokens", "optional"),
    }
    if launch.profile:
        context["ec2:instanceprofile"] = launch.profile.arn
    return context


def _finish(launch: Launch, instance: Instance) -> None:
    backend: Any = launch.backend
    instance.add_tags(launch.managed_tags)
    for nic in instance.nics.values():
        nic.add_tags(launch.tags.get("network-interface", {}))
    if launch.profile:
        backend.associate_iam_instance_profile(instance.id, iam_instance_profile_arn=launch.profile.arn)
    if launch.market == "spot":
        request = spot_requests.keep(f"sir-{instance.id[-8:]}", instance, launch.max_price)
        backend.create_tags([request.id], launch.tags.get("spot-instances-request", {}))
