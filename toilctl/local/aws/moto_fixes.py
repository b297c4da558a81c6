"""Where moto differs from AWS in what it stores: addresses, states, dependencies, tags, and two requests it refuses.

- The VPC has the range that the cloud was given (``ec2.default_vpc``); addresses are never given again while others are
  left, and never twice in two regions; a public address has the private one's host part.
- Instances change their states in time (``ec2.instance_states``).
- A security group cannot be deleted while a network interface or another group's rule uses it (DependencyViolation).
- A security group has so many rules of IPv4 and as many of IPv6; one that names a group is among both.
- PutBucketEncryption takes a rule without a default algorithm, as S3 does and Toil sends.
- Service-linked roles have AWS's names, and a second one of a service is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.ec2 import default_vpc
from toilctl.local.aws.ec2.instance_states import Lifetimes
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values.aws_errors import NO_ADDRESSES
from toilctl.values.aws_limits import RULES_PER_GROUP

if TYPE_CHECKING:
    from toilctl.local.aws.ec2.rehearsed import Rehearsed

RESERVED: Final = 4
"""The first addresses of a subnet, which AWS keeps for itself."""

_MORE_FILTERS: Final = {
    "instance-lifecycle": "lifecycle", "client-token": "client_token", "network-interface.subnet-id": "subnet_id",
    "iam-instance-profile.arn": "iam_instance_profile.Arn",
}  # fmt: skip


def install(patches: Patches, cloud: Rehearsed) -> None:
    """Correct moto for one cloud."""
    default_vpc.install(patches, cloud.cidr, default=cloud.default_vpc)
    _patch_addresses(patches, cloud.lifetimes, IPv4Network(cloud.cidr), IPv4Network(cloud.public_cidr))
    _patch_states(patches, cloud.lifetimes)
    _patch_descriptions(patches, cloud.lifetimes)
    _patch_security_groups(patches)
    _patch_tags(patches)
    _patch_bucket_encryption(patches)
    _patch_service_linked_roles(patches)


def _patch_addresses(patches: Patches, lifetimes: Lifetimes, private: IPv4Network, public: IPv4Network) -> None:
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface
    from moto.ec2.models.subnets import Subnet

    cursors: dict[str, int] = {}

    def allocate(subnet: Any, instance: Any) -> str:
        first, size = int(subnet.cidr.network_address), subnet.cidr.num_addresses
        for step in range(size):
            offset = (cursors.get(subnet.id, RESERVED) + step) % size
            address = str(IPv4Address(first + offset))
            taken = address in subnet._subnet_ips or address in lifetimes.by_address
            if RESERVED <= offset < size - 1 and not taken:
                cursors[subnet.id] = offset + 1
                subnet._subnet_ips[address] = instance
                return address
        text = f"There are not enough free addresses in subnet '{subnet.id}'"
        raise Refusal(NO_ADDRESSES, f"{text} to satisfy the requested number of instances.")

    def free(subnet: Any, address: str) -> None:
        subnet._subnet_ips.pop(address, None)

    def assign_public(nic: Any) -> None:
        inside = nic.private_ip_address and IPv4Address(nic.private_ip_address) in private
        if str(nic.public_ip_auto_assign).lower() == "true" and inside:
            offset = int(IPv4Address(nic.private_ip_address)) - int(private.network_address)
            nic.public_ip = str(public.network_address + offset)

    patches.replace(Subnet, "get_available_subnet_ip", allocate)
    patches.replace(Subnet, "del_subnet_ip", free)
    patches.replace(NetworkInterface, "check_auto_public_ip", assign_public)


def _patch_states(patches: Patches, lifetimes: Lifetimes) -> None:
    from moto.ec2.models.instances import Instance, InstanceBackend

    def run(backend: Any, *args: Any, **kwargs: Any) -> Any:
        reservation = original_run(backend, *args, **kwargs)
        for instance in reservation.instances:
            lifetimes.begin(instance)
        return reservation

    original_run = patches.replace(InstanceBackend, "run_instances", run)
    for action in ("start", "stop", "terminate", "reboot"):
        method = getattr(lifetimes, action)
        patches.replace(Instance, action, lambda instance, method=method: method(instance))
    # A terminated instance has no interface any more, and these read the first one.
    for name in ("private_ip", "private_ip_address", "private_dns_name", "public_ip", "public_ip_address"):
        original = vars(Instance)[name].fget
        getter = lambda instance, read=original: read(instance) if instance.nics else None  # noqa: E731
        patches.replace(Instance, name, property(getter))


def _patch_descriptions(patches: Patches, lifetimes: Lifetimes) -> None:
    from moto.ec2 import utils
    from moto.ec2.exceptions import InvalidInstanceIdError
    from moto.ec2.models.instances import InstanceBackend

    def described(backend: Any, filters: Any = None) -> Any:
        for reservation in (found := original(backend, filters)):
            reservation.instances = [i for i in reservation.instances if lifetimes.is_described(i.id)]
        return [reservation for reservation in found if reservation.instances]

    def by_id(backend: Any, instance_ids: Sequence[str], filters: Any = None) -> Any:
        hidden = [i for i in instance_ids if not lifetimes.is_described(i)]
        if hidden:
            raise InvalidInstanceIdError(hidden)
        return original_by_id(backend, instance_ids, filters)

    original = patches.replace(InstanceBackend, "describe_instances", described)
    original_by_id = patches.replace(InstanceBackend, "get_reservations_by_instance_ids", by_id)
    patches.update(utils.filter_dict_attribute_mapping, **_MORE_FILTERS)


def _patch_security_groups(patches: Patches) -> None:
    from moto.ec2.models.security_groups import SecurityGroupBackend

    def delete(backend: Any, name: str | None = None, group_id: str | None = None) -> None:
        group = backend.get_security_group_by_name_or_id(group_id or name)
        if group is not None and _in_use(backend, group):
            raise Refusal("DependencyViolation", f"resource {group.id} has a dependent object")
        original(backend, name, group_id)

    original = patches.replace(SecurityGroupBackend, "delete_security_group", delete)
    patches.replace(SecurityGroupBackend, "_verify_group_will_respect_rule_count_limit", _check_rules)


def _check_rules(
    _: Any, group: Any, __: int, ranges: Sequence[Mapping[str, str]], groups: Sequence[Any] = (), egress: bool = False
) -> None:
    there = group.egress_rules if egress else group.ingress_rules
    for family in ("CidrIp", "CidrIpv6"):
        present = sum(not rule.ip_range or family in rule.ip_range for rule in there)
        new = sum(family in one for one in ranges or ()) + len(groups or ())
        if new and present + new > RULES_PER_GROUP:
            text = "The maximum number of rules per security group has been reached."
            raise Refusal("RulesPerSecurityGroupLimitExceeded", text)


def _in_use(backend: Any, group: Any) -> bool:
    if any(group.id == other.id for nic in backend.enis.values() for other in nic.group_set):
        return True
    others = (other for by_id in backend.groups.values() for other in by_id.values() if other.id != group.id)
    rules = (rule for other in others for rule in [*other.ingress_rules, *other.egress_rules])
    return any(rule.source_group.get("GroupId") == group.id for rule in rules)


def _patch_tags(patches: Patches) -> None:
    """Look a resource's tags up; moto's own search of all tags makes a listing of 1,000 instances take a minute."""
    from moto.ec2.models.core import TaggedEC2Resource

    def get_tags(resource: Any) -> list[dict[str, str]]:
        tags = resource.ec2_backend.tags.get(resource.id, {}) if resource.id else {}
        return [{"key": key, "value": value, "resource_id": resource.id} for key, value in tags.items()]

    patches.replace(TaggedEC2Resource, "get_tags", get_tags)


def _patch_bucket_encryption(patches: Patches) -> None:
    from moto.s3.responses import S3Response

    def from_body(response: Any) -> Any:
        if b"<BlockedEncryptionTypes>" in response.body and b"<SSEAlgorithm>" not in response.body:
            # S3 encrypts with its own keys when a rule names no others.
            return {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}}
        return original(response)

    original = patches.replace(S3Response, "_encryption_config_from_body", from_body)


def _patch_service_linked_roles(patches: Patches) -> None:
    from moto.iam import models

    from toilctl.local.aws.base.account import SERVICE_LINKED_ROLES, service_linked_role

    def create(backend: Any, service_name: str, description: str, suffix: str) -> Any:
        if service_name in SERVICE_LINKED_ROLES and service_linked_role(backend, service_name):
            name = SERVICE_LINKED_ROLES[service_name]
            text = f"Service role name {name} has been taken in this account, please try a different suffix."
            raise Refusal("InvalidInput", text)
        return original(backend, service_name, description, suffix)

    patches.update(models.SERVICE_NAME_CONVERSION, spot="EC2Spot")
    original = patches.replace(models.IAMBackend, "create_service_linked_role", create)
