"""A cluster and its nodes as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType

MAX_NAME_LENGTH: Final = 32
"""Characters; with the longest region, ``toilctl-NAME-REGION-leader`` still fits IAM's 64 for a role."""

_NAME = re.compile(r"[A-Za-z0-9]+(-+[A-Za-z0-9]+)*")
_ZONE = re.compile(r"(?P<region>[a-z]{2,4}(-[a-z]+)+-\d)(?P<letter>[a-z])")


class Role(StrEnum):
    """The two roles of a node, and the inventory's groups."""

    LEADER = "leader"
    WORKER = "worker"


class Engine(StrEnum):
    """The distributed engine that places jobs on nodes."""

    MESOS = "mesos"
    SLURM = "slurm"


class NodeState(StrEnum):
    """What an engine does with a node."""

    JOINED = "joined"
    CORDONED = "cordoned"
    """Gets no new jobs, because a human said so."""
    DRAINING = "draining"
    """Gets no new jobs, because it is about to be terminated."""
    DOWN = "down"


class ClusterName(str):
    """A name that can be part of the names of EC2 and IAM resources."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Check a name.

        :raises UsageError: when it is empty, too long, or has other characters than letters, digits and inner hyphens.
        """
        if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be a cluster's name.",
                f"Use letters, digits and hyphens between them, at most {MAX_NAME_LENGTH} characters.",
                cluster=name,
            )
        return cls(name)


class Zone(str):
    """An availability zone, such as us-west-2a."""

    @classmethod
    def parse(cls, zone: str) -> Self:
        """Check a zone's form.

        :raises UsageError: when it does not look like one, such as a region.
        """
        if not _ZONE.fullmatch(zone):
            raise UsageError(
                f"{zone!r} is not an availability zone.",
                "Name a region and a letter, such as us-west-2a.",
                zone=zone,
            )
        return cls(zone)

    @property
    def region(self) -> str:
        """The region that it is in."""
        return self[:-1]


@dataclass(frozen=True)
class Node:
    """One EC2 instance of a cluster, read from its tags and description."""

    instance_id: str
    role: Role
    node_type: NodeType
    instance_type: str
    state: str
    """EC2's: pending, running, stopping, stopped, shutting-down, terminated."""
    zone: str
    private_address: str | None
    public_address: str | None
    spot: bool
    launched_at: str
    """ISO 8601, UTC."""
    intent: str = ""
    ended_by: str = ""
    """Why it stopped or ended: EC2's code, such as Server.SpotInstanceTermination; empty while it runs."""
    storage_gb: int = 0
    """Its root volume; 0 where its tag does not say."""

    @property
    def connect_address(self) -> str | None:
        """Where the machine that runs toilctl reaches it: the public address, else the private one."""
        return self.public_address or self.private_address

    @property
    def live(self) -> bool:
        """Whether it exists for the purpose of counting: anything but going or gone."""
        return self.state in ("pending", "running", "stopping", "stopped")


@dataclass(frozen=True)
class Cluster:
    """A cluster as EC2's tags tell it; the settings are those of its security group."""

    name: str
    region: str
    generation: str
    security_group_id: str
    settings: dict[str, str]
    """The security group's tags (``toilctl.values.tags``)."""
    nodes: tuple[Node, ...] = field(default=())
    damage: Mapping[str, str] = field(default_factory=dict)
    """Tags of ours that cannot have been ours, by their keys: ``settings`` are without them."""

    @property
    def leader(self) -> Node | None:
        """The leader, when there is a live one."""
        return next((node for node in self.nodes if node.role is Role.LEADER and node.live), None)

    @property
    def workers(self) -> tuple[Node, ...]:
        """The live workers, oldest first."""
        live = (node for node in self.nodes if node.role is Role.WORKER and node.live)
        return tuple(sorted(live, key=lambda node: (node.launched_at, node.instance_id)))
