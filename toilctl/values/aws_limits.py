"""How much AWS takes at once. The rehearsal cloud refuses more, and toilctl asks for less.

Modules that run without toilctl have what they need of it in their ``toilctl_aws``. How many tags one thing can have,
and how long they are, is in ``tags``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FILTER_VALUES: Final = 200
"""Values in all filters of one call. EC2's FilterLimitExceeded; "Filtering" in the EC2 API developer guide."""
FILTER_VALUE_LENGTH: Final = 255
"""Characters; as above. It is one less than a tag's value may have."""
IDS_PER_CALL: Final = 1000
"""Ids in one call. "TerminateInstances" and "CreateTags" in the EC2 API reference."""
INSTANCE_TYPES_PER_CALL: Final = 100
""""DescribeInstanceTypes" in the EC2 API reference; a filter takes more."""
MAX_RESULTS: Final[Mapping[str, tuple[int, int]]] = {
    "DescribeInstances": (5, 1000), "DescribeInstanceTypes": (5, 100), "DescribeLaunchTemplates": (1, 200),
    "DescribeSecurityGroups": (5, 1000), "DescribeVolumes": (5, 1000),
}  # fmt: skip
"""The least and the most of a page, by action; EC2 API reference."""
CLIENT_TOKEN_LENGTH: Final = 64
"""Characters; "Ensuring idempotency in Amazon EC2 API requests"."""
USER_DATA_BYTES: Final = 16 * 1024
"""Before it is encoded; "Run commands when you launch an EC2 instance" in the EC2 user guide."""
GROUP_NAME_LENGTH: Final = 255
"""Of a security group's name, and of its description; "CreateSecurityGroup" in the EC2 API reference."""
LEAST_SPOT_PRICE: Final = 0.001
"""USD per hour, of the most that a spot instance may cost; "SpotMarketOptions" in the EC2 API reference."""
GROUPS_PER_INTERFACE: Final = 5
"""Security groups of a network interface, unless the account has more quota; "Amazon VPC quotas"."""
RULES_PER_GROUP: Final = 60
"""Inbound rules of a security group, of IPv4 and of IPv6 each; AWS raises it on request. "Amazon VPC quotas"."""
TEMPLATE_NAME_LENGTH: Final = (3, 128)
"""Of a launch template's name; "CreateLaunchTemplate" in the EC2 API reference."""
FLEET_CAPACITY: Final = 10_000
"""The target of one fleet; "EC2 Fleet quotas" in the EC2 user guide."""
FLEET_TEMPLATES: Final = 50
"""Launch templates of one fleet; "CreateFleet" in the EC2 API reference."""
ROLE_NAME_LENGTH: Final = 64
""""CreateRole" in the IAM API reference."""
PROFILE_NAME_LENGTH: Final = 128
""""CreateInstanceProfile" in the IAM API reference."""
ROLE_POLICY_CHARACTERS: Final = 10_240
"""All inline policies of a role, without white space; "IAM and AWS STS quotas"."""
TRUST_POLICY_CHARACTERS: Final = 2_048
"""Who may act in a role; as above."""
