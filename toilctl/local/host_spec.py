"""What the cloud wants of a host: the one value that passes from the AWS side to the Docker side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HostSpec:
    """One instance as it should be now; whoever makes hosts needs no memory beside it.

    ``state`` is EC2's word for what the host should be: a pending or running instance has a running host, a stopping
    or stopped one has a stopped host, and one that is shutting down or terminated has none. ``reboots`` counts the
    reboots asked for since the launch: a host that has seen fewer restarts once more.
    """

    instance_id: str
    state: str
    reboots: int
    private_ip: str
    public_ip: str
    """Empty when the instance has no public address."""
    zone: str
    instance_type: str
    image: str
    """``plain`` or ``prepared``."""
    user_data: bytes
    public_key: str | None
    """The key pair's public half as one OpenSSH line."""
    login_user: str
    hostname: str
    """``ip-172-31-0-5``."""
    fault: Mapping[str, Any] = field(default_factory=dict)
    """``{"never_boot": True}``: the host must not come up, though the instance is said to run."""

    @property
    def wanted(self) -> bool:
        """Whether a host, running or stopped, should exist."""
        return self.state in ("pending", "running", "stopping", "stopped")

    @property
    def powered(self) -> bool:
        """Whether the host should be running."""
        return self.state in ("pending", "running")
