"""AWS's codes of errors, by what they mean. Modules that run without toilctl have the same in their ``toilctl_aws``."""

from __future__ import annotations

from typing import Final

NO_CAPACITY: Final = "InsufficientInstanceCapacity"
NO_ADDRESSES: Final = "InsufficientFreeAddressesInSubnet"
PRICE_TOO_LOW: Final = "SpotMaxPriceTooLow"
UNSUPPORTED: Final = "Unsupported"
FLEET_CONFIGURATION: Final = "InvalidFleetConfiguration"
NOT_OFFERED: Final = frozenset({UNSUPPORTED, FLEET_CONFIGURATION})
"""EC2 does not sell an instance type in a zone, or not as spot: the second is a fleet's code."""
CLIENT_ERROR: Final = "Client.InternalError"
"""A state reason: an instance ended as it began, which a key of its disks that EC2 may not use makes it do."""
DISK_KEY_REFUSED: Final = (
    "EC2 may not use the key of its disks; for spot, the role AWSServiceRoleForEC2Spot has to be granted it "
    "('aws kms create-grant', as the manual's page on permissions has it)."
)
"""What a client error as an instance begins means."""
OUTLIVED: Final = "IdempotentInstanceTerminated"
"""A client token comes again whose instances have ended. "Error codes for the Amazon EC2 API"."""
CAPACITY: Final = frozenset({
    NO_CAPACITY, NO_ADDRESSES, PRICE_TOO_LOW, "InsufficientHostCapacity", "UnfulfillableCapacity",
})  # fmt: skip
"""EC2 has not what was asked for, there and at that price."""
SPOT_COUNT: Final = "MaxSpotInstanceCountExceeded"
VCPU_LIMIT: Final = "VcpuLimitExceeded"
QUOTA: Final = frozenset({"InstanceLimitExceeded", SPOT_COUNT, VCPU_LIMIT})
"""The account's quota leaves no room."""
THROTTLED: Final = frozenset({
    "EC2ThrottledException", "RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException",
})  # fmt: skip
"""Too many requests."""
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedAccess", "UnauthorizedOperation"})
"""The credentials lack a permission."""
EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
"""The credentials were good once."""


def is_not_found(code: str) -> bool:
    """Tell whether what was named does not exist: EC2 has a code for each kind of thing."""
    return "NotFound" in code or code == "NoSuchEntity"
