"""What exists in a region of EC2, as ``iam.permissions`` asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend


@dataclass(frozen=True)
class Existing:
    """A region's resources."""

    backend: EC2Backend

    def tags(self, resource_id: str) -> Mapping[str, str]:
        """Return a resource's tags; a key pair may be given by its name."""
        if resource_id in self.backend.key_pairs:
            resource_id = self.backend.key_pairs[resource_id].id
        return self.backend.tags.get(resource_id, {})

    def template_id(self, name: str) -> str | None:
        """Return a launch template's id."""
        return self.backend.launch_template_name_to_ids.get(name)

    def vpc_id(self, resource_id: str = "") -> str | None:
        """Return the VPC of a subnet or a security group; without an id, the default one."""
        if not resource_id:
            return next((vpc.id for vpc in self.backend.vpcs.values() if vpc.is_default), None)
        if resource_id.startswith("sg-"):
            group = self.backend.get_security_group_from_id(resource_id)
            return group.vpc_id if group else None
        subnets = (by_id[resource_id] for by_id in self.backend.subnets.values() if resource_id in by_id)
        return next((subnet.vpc_id for subnet in subnets), None)
