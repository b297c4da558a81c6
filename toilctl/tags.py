"""The EC2 tags that tie resources to a cluster: its only memory outside the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CLUSTER: Final = "toilctl:cluster"
GENERATION: Final = "toilctl:generation"
ROLE: Final = "toilctl:role"
NODE_TYPE: Final = "toilctl:node-type"
INTENT: Final = "toilctl:intent"
ENGINE: Final = "toilctl:engine"
APPLIANCE: Final = "toilctl:appliance"
STORAGE: Final = "toilctl:storage-gb"
"""A node's root volume, GB."""
NAME: Final = "Name"
OWNER: Final = "Owner"

# On the security group only: the cluster's settings, so that a second launch can compare and any machine can act.
STATE: Final = "toilctl:state"
LEADER_NODE_TYPE: Final = "toilctl:leader-node-type"
NODE_TYPES: Final = "toilctl:node-types"
WORKERS: Final = "toilctl:workers"
LIMITS: Final = "toilctl:limits"
"""``autoscaler.policy.Limits``; on autoscaled clusters only, and that is how they are told."""
AUTOSCALER: Final = "toilctl:autoscaler"
"""``autoscaler.policy.Tuning``."""
PAUSED: Final = "toilctl:paused"
"""``yes`` while the autoscaler only watches."""
DEFAULT_PREEMPTIBLE: Final = "toilctl:default-preemptible"
LEADER_PUBLIC_KEY: Final = "toilctl:leader-public-key"
"""By which the leader opens its workers."""
ZONES: Final = "toilctl:zones"
KEY_PAIR_NAME: Final = "toilctl:key-pair-name"
LOGIN_USER: Final = "toilctl:login-user"
LEADER_STORAGE: Final = "toilctl:leader-storage-gb"
NODE_STORAGE: Final = "toilctl:node-storage-gb"
"""One number, or one per node type in the order of ``NODE_TYPES``, with commas."""
AMI: Final = "toilctl:ami"
VPC_SUBNET: Final = "toilctl:vpc-subnet"
PROFILE_ARN: Final = "toilctl:profile-arn"
EXTRA_SECURITY_GROUPS: Final = "toilctl:extra-security-groups"
ORPHAN_TIMEOUT: Final = "toilctl:orphan-timeout"
"""Seconds after which a worker that does not hear the leader ends; 0 for never."""
SHARED: Final = "toilctl:shared"
"""``shared.Shared``."""
SSE_KEY: Final = "toilctl:sse-key"
"""``yes`` where the leader has a key that Toil encrypts with; never the key."""
FUSE: Final = "toilctl:fuse"
"""``yes`` where jobs may mount with FUSE."""

DESTROYING: Final = "destroying"
"""The value of ``STATE`` while a cluster is being destroyed; every launch refuses then."""

RESERVED_PREFIXES: Final = ("toilctl:", "aws:")
RESERVED_KEYS: Final = frozenset({NAME, OWNER, "clusterName", "ToilNodeType", "sshKeyName"})
"""Keys that a user's own tags must not have: ours, and those by which Toil's provisioner finds its nodes."""

MAX_VALUE_LENGTH: Final = 256
"""Characters; EC2's limit."""


def to_dict(tag_list: list[dict[str, str]] | None) -> dict[str, str]:
    """Turn EC2's ``[{"Key": k, "Value": v}]`` into a dict."""
    return {tag["Key"]: tag["Value"] for tag in tag_list or []}


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Turn a dict into EC2's list, sorted by key so that equal tags give equal requests."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
