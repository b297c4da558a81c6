"""What a person can do so that jobs run, nodes come, or settings hold; the words for it are the command line's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Advice(StrEnum):
    """What a person can do. Other versions' are no advice here."""

    RESUME = "resume"
    """Let the autoscaler go on."""
    ALLOW_NODES = "allow-nodes"
    """Raise a maximum that is 0."""
    RAISE_MAXIMUM = "raise-maximum"
    RAISE_BUDGET = "raise-budget"
    RAISE_COST_PER_HOUR = "raise-cost-per-hour"
    FALL_BACK_FROM_SPOT = "fall-back-from-spot"
    """Let on-demand nodes do where spot ones are lacking."""
    ADD_ON_DEMAND = "add-on-demand"
    """Allow on-demand nodes to jobs that must not be interrupted, or say that they may be."""
    ADD_LARGER_NODES = "add-larger-nodes"
    ENLARGE_DISKS = "enlarge-disks"
    """Give new nodes larger root volumes."""
    ADD_LARGER_NODES_OR_DISKS = "add-larger-nodes-or-disks"
    """As leaders of the first releases say it."""
    WRITE_SETTINGS = "write-settings"
    """Have the leader's settings written anew."""


@dataclass(frozen=True)
class Remedy:
    """The one change by which a job can run that no allowed node type can run. What it does not need is 0 or empty."""

    advice: Advice
    node_type: str = ""
    """The node type to add, or whose maximum or disks to raise."""
    storage_gb: tuple[int, ...] = ()
    """The workers' root volumes: one size for all node types, or one for each in the policy's order."""
    cores: int = 0
    """Of a node type to add, at least, as are the others."""
    memory_gib: int = 0
    """What EC2 says that it has, of which jobs get less."""
    instance_store_gb: int = 0
