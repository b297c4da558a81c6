"""Machine images: which system one has, who logs in there, and which instance types can boot it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from toilctl.values import wording
from toilctl.values.errors import UsageError

_USER: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")


class LoginUser(str):
    """A user's name on nodes, as useradd takes it."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Check a name.

        :raises UsageError: for one that no system has.
        """
        if not _USER.fullmatch(name):
            raise UsageError(f"{name!r} is not the name of a login user.", "Write a name such as admin or ubuntu.")
        return cls(name)


@dataclass(frozen=True)
class System:
    """An operating system, as its makers' images on EC2 have it."""

    name: str
    login_user: str
    """Who has the key pair's key."""
    supported: bool
    """Whether it has apt, by which the nodes are set up."""


_SYSTEMS: Final = (
    (re.compile(r"debian-\d+-"), System("Debian", "admin", supported=True)),
    (re.compile(r"ubuntu(-minimal|-pro-server|-eks|-eks-pro)?/"), System("Ubuntu", "ubuntu", supported=True)),
    (re.compile(r"(al20\d\d|amzn\d?)-"), System("Amazon Linux", "ec2-user", supported=False)),
    (re.compile(r"RHEL-"), System("Red Hat Enterprise Linux", "ec2-user", supported=False)),
    (
        re.compile(r"(Rocky|AlmaLinux OS|CentOS)[ -]", re.IGNORECASE),
        System("a rebuild of Red Hat Enterprise Linux", "", supported=False),
    ),
    (re.compile(r"(suse|openSUSE)-"), System("SUSE Linux", "ec2-user", supported=False)),
    (re.compile(r"(Windows_Server|EC2LaunchV2-Windows)"), System("Windows", "", supported=False)),
)
"""By how the names of their makers' images begin (as DescribeImages gives them); names of one's own begin otherwise."""


@dataclass(frozen=True)
class MachineImage:
    """A machine image, as DescribeImages gives it."""

    ami: str
    architecture: str
    root_gb: int
    name: str = ""
    virtualization: str = "hvm"

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Read EC2's description."""
        root = described.get("RootDeviceName")
        sizes = (one.get("Ebs", {}).get("VolumeSize", 0) for one in described.get("BlockDeviceMappings", [])
                 if one.get("DeviceName") == root)  # fmt: skip
        return cls(
            described["ImageId"],
            described.get("Architecture", "x86_64"),
            int(next(iter(sizes), 0)),
            described.get("Name") or "",
            described.get("VirtualizationType") or "hvm",
        )

    @property
    def system(self) -> System | None:
        """The system by the image's name; None where the name does not tell."""
        return next((system for pattern, system in _SYSTEMS if pattern.match(self.name)), None)


def login_user(image: MachineImage, named: str | None) -> str:
    """Return who logs in on nodes of an image.

    :param named: the one that was asked for, or that the cluster has.
    :raises UsageError: for a system that nodes cannot have, and where nothing tells.
    """
    system = image.system
    if system and not system.supported:
        raise UsageError(
            f"The machine image {image.ami} ({image.name}) is none of Debian or Ubuntu, which nodes need.",
            "Name one of them with --ami, or leave --ami out.", ami=image.ami, name=image.name,
        )  # fmt: skip
    if named:
        return named
    if system:
        return system.login_user
    raise UsageError(
        f"The name of the machine image {image.ami} ({image.name or 'none'}) does not tell its login user.",
        "Name it with --login-user: admin where it was made from Debian's image, ubuntu from Ubuntu's.",
        ami=image.ami, name=image.name,
    )  # fmt: skip


def check_boots(described: Mapping[str, Any], image: MachineImage, *, spot: bool = False) -> None:
    """Make sure that an instance type can be a node with an image.

    :param described: EC2's facts about the type, as DescribeInstanceTypes gives them.
    :raises UsageError: saying what it lacks.
    """
    name = described["InstanceType"]
    supported = described.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if supported and image.architecture not in supported:
        raise UsageError(
            f"{name} is {'/'.join(supported)}, and the machine image {image.ami} is for {image.architecture}.",
            "Choose another instance type, or an image for it with --ami.", instance_type=name, ami=image.ami,
        )  # fmt: skip
    lacks = next(_lacks(described, image, spot=spot), None)
    if lacks:
        raise UsageError(f"{name} cannot be a node: {lacks}.", "Choose another instance type.", instance_type=name)


def _lacks(described: Mapping[str, Any], image: MachineImage, *, spot: bool) -> Iterator[str]:
    """Yield what an instance type lacks; what EC2 does not tell is there."""
    if image.virtualization not in described.get("SupportedVirtualizationTypes", [image.virtualization]):
        yield f"it does not run {image.virtualization} images, such as {image.ami}"
    if described.get("EbsInfo", {}).get("EncryptionSupport") == "unsupported":
        yield "its root volume cannot be encrypted, and toilctl encrypts it"
    if described.get("BareMetal"):
        yield "a bare-metal host takes longer to boot than nodes are waited for"
    market = wording.market(spot)
    if market not in described.get("SupportedUsageClasses", [market]):
        yield f"EC2 does not sell {market} instances of it"
