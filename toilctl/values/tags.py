"""The EC2 tags that tie resources to a cluster: its only memory outside the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from toilctl.values.aws_limits import FILTER_VALUE_LENGTH
from toilctl.values.errors import UsageError

CLUSTER: Final = "toilctl:cluster"
"""The cluster that the resource belongs to."""
GENERATION: Final = "toilctl:generation"
"""An id that is minted once for each life of a cluster: a cluster that is made again has another."""
ROLE: Final = "toilctl:role"
"""``leader`` or ``worker``."""
NODE_TYPE: Final = "toilctl:node-type"
"""The node type, such as ``c4.8xlarge:0.6``."""
INTENT: Final = "toilctl:intent"
"""The run that launched the node, so that a repetition counts it; a leader's is ``leader``."""
ENGINE: Final = "toilctl:engine"
"""``mesos`` or ``slurm``."""
APPLIANCE: Final = "toilctl:appliance"
"""The container image with Toil and the engine."""
STORAGE: Final = "toilctl:storage-gb"
"""A node's root volume, GB."""
NAME: Final = "Name"
"""For people: the cluster and the role."""
OWNER: Final = "Owner"
"""Who pays and whom to ask."""

ATTEMPT: Final = "toilctl:attempt"
"""Of a launch template, and so of one role and node type: how many launches EC2 has answered; while it has one to
answer, also of how many nodes, since when, and with which token."""

CONTENT: Final = "toilctl:content"
"""Of a launch template: which of its versions to use, and the digest of that version's content."""

# On the security group only: the cluster's settings, so that a second launch can compare and any machine can act.
STATE: Final = "toilctl:state"
"""``destroying`` while the cluster is being destroyed."""
LEADER_NODE_TYPE: Final = "toilctl:leader-node-type"
"""The leader's node type."""
WORKERS: Final = "toilctl:workers"
"""How many there are to be of each node type, in the user's order (``worker_tags``)."""
NODE_TYPES: Final = "toilctl:node-types"
"""Of clusters that the last release launched: the node types in whose order its numbers stand."""
LIMITS: Final = "toilctl:limits"
"""Limits per node type, such as ``c4.8xlarge:0.6=0..20``; autoscaled clusters have it, and are told by it."""
AUTOSCALER: Final = "toilctl:autoscaler"
"""How eager scaling is, as ``tuning.Tuning`` writes itself."""
PAUSED: Final = "toilctl:paused"
"""``yes`` while the autoscaler only watches."""
DEFAULT_PREEMPTIBLE: Final = "toilctl:default-preemptible"
"""``yes`` where jobs that say nothing about it may run on spot workers."""
LEADER_PUBLIC_KEY: Final = "toilctl:leader-public-key"
"""By which the leader opens its workers."""
ZONES: Final = "toilctl:zones"
"""The availability zones, with commas between."""
KEY_PAIR_NAME: Final = "toilctl:key-pair-name"
"""The EC2 key pair that opens the nodes."""
LOGIN_USER: Final = "toilctl:login-user"
"""The user that ssh logs in as."""
PUBLIC_ADDRESS: Final = "toilctl:public-address"
"""``yes`` where nodes have public addresses whatever their subnet gives: it was launched by those; else ``subnet``."""
LEADER_STORAGE: Final = "toilctl:leader-storage-gb"
"""The leader's root volume, GB."""
NODE_STORAGE: Final = "toilctl:node-storage-gb"
"""The workers' root volumes, GB: one number, or one for each node type (``worker_tags.NodeStorage``)."""
AMI: Final = "toilctl:ami"
"""The machine image; without it, Debian's newest."""
VPC_SUBNET: Final = "toilctl:vpc-subnet"
"""A subnet instead of the zone's default one."""
PROFILE_ARN: Final = "toilctl:profile-arn"
"""An instance profile instead of the two that are made."""
EXTRA_SECURITY_GROUPS: Final = "toilctl:extra-security-groups"
"""Security groups beside the cluster's own, with commas between."""
ORPHAN_TIMEOUT: Final = "toilctl:orphan-timeout"
"""Seconds after which a worker that does not hear the leader ends; 0 for never."""
SHARED: Final = "toilctl:shared"
"""The file system that all nodes have: ``nfs``, ``efs:ID`` or a path."""
SSE_KEY: Final = "toilctl:sse-key"
"""``yes`` where the leader has a key that Toil encrypts with; never the key."""
CUSTOM_INIT: Final = "toilctl:custom-init"
"""``yes`` where the leader has commands that nodes run before their services; never the commands."""
S3_WRITE: Final = "toilctl:s3-write"
"""Where in S3 jobs may write beside job stores, with commas between (``s3_places``)."""
FUSE: Final = "toilctl:fuse"
"""``yes`` where jobs may mount with FUSE."""

DESTROYING: Final = "destroying"
"""The value of ``STATE`` while a cluster is being destroyed; every launch refuses then."""

RESERVED_PREFIXES: Final = ("toilctl:", "aws:")
RESERVED_KEYS: Final = frozenset({NAME, OWNER, "clusterName", "ToilNodeType", "sshKeyName"})
"""Keys that a user's own tags must not have: ours, and those by which Toil's provisioner finds its nodes."""

MAX_COUNT: Final = 50
"""How many tags one thing can have; EC2's limit, and IAM's."""
MOST_OF_OURS: Final = 34
"""How many of them are kept for toilctl's own: a security group has the most."""
MAX_KEY_LENGTH: Final = 128
MAX_VALUE_LENGTH: Final = 256
"""Characters; EC2's limits."""
_OF_EACH_NODE_TYPE: Final = {LIMITS: "limits", WORKERS: "numbers of workers", NODE_STORAGE: "storage"}


def check_lengths(tags: Mapping[str, str]) -> None:
    """Make sure that EC2 takes the values.

    :raises UsageError: when one is too long.
    """
    for key, what in _OF_EACH_NODE_TYPE.items():
        if (length := len(tags.get(key, ""))) > MAX_VALUE_LENGTH:
            raise UsageError(
                f"There are too many node types: with their {what} they take {length} characters, and an EC2 tag holds "
                f"{MAX_VALUE_LENGTH}.",
                "Name fewer, or fewer alternatives in each.", length=length, most=MAX_VALUE_LENGTH,
            )  # fmt: skip
    for key, value in tags.items():
        # Nodes are found by their type, in a filter.
        most = FILTER_VALUE_LENGTH if key == LEADER_NODE_TYPE else MAX_VALUE_LENGTH
        if len(value) > most:
            raise UsageError(
                f"{key.partition(':')[2]} takes {len(value)} characters, and an EC2 tag holds {most}.",
                "Write fewer, or numbers with fewer digits.", length=len(value), most=most,
            )  # fmt: skip


def to_dict(tag_list: list[dict[str, str]] | None) -> dict[str, str]:
    """Turn EC2's ``[{"Key": k, "Value": v}]`` into a dict."""
    return {tag["Key"]: tag["Value"] for tag in tag_list or []}


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Turn a dict into EC2's list, sorted by key so that equal tags give equal requests."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
