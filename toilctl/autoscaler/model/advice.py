"""What a person can do so that jobs run, nodes come, or settings hold; the words for it are the command line's."""

from __future__ import annotations

from enum import StrEnum


class Advice(StrEnum):
    """What a person can do. Other versions' are no advice here."""

    RESUME = "resume"
    """Let the autoscaler go on."""
    ALLOW_NODES = "allow-nodes"
    """Raise a maximum, since no node type may have any node."""
    RAISE_MAXIMUM = "raise-maximum"
    RAISE_BUDGET = "raise-budget"
    RAISE_COST_PER_HOUR = "raise-cost-per-hour"
    FALL_BACK_FROM_SPOT = "fall-back-from-spot"
    """Let on-demand nodes do where spot ones are lacking."""
    ADD_ON_DEMAND = "add-on-demand"
    """Allow on-demand nodes to jobs that must not be interrupted, or say that they may be."""
    ADD_LARGER_NODES = "add-larger-nodes"
    ADD_LARGER_NODES_OR_DISKS = "add-larger-nodes-or-disks"
    WRITE_SETTINGS = "write-settings"
    """Have the leader's settings written anew."""
