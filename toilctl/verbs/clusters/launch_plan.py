"""A launch as it is asked for, and as it is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toilctl.system import price_table, variables
from toilctl.values import tags, worker_tags
from toilctl.values.cluster import ClusterName, Engine, Zone
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.s3_places import S3Place
from toilctl.values.shared_storage import Shared
from toilctl.verbs.checks import key_pairs
from toilctl.verbs.settings import meaning, scaling, software


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """What was asked for; None and empty leave it to the shared defaults."""

    cluster: ClusterName
    zones: tuple[Zone, ...] = ()
    region: str | None = None
    leader_node_type: NodeType | None = None
    node_types: NodeTypes = field(default_factory=NodeTypes)
    worker_counts: tuple[int, ...] | None = None
    wish: scaling.ScalingWish = field(default_factory=scaling.ScalingWish)
    leader_storage_gb: int | None = None
    node_storage_gb: tuple[int, ...] | None = None
    """One size for all, or one per node type."""
    orphan_timeout_s: int | None = None
    key_pair_name: str | None = None
    ssh_key: Path | None = None
    owner: str | None = None
    extra_tags: Mapping[str, str] = field(default_factory=dict)
    vpc_subnet: str | None = None
    aws_ec2_profile_arn: str | None = None
    aws_ec2_extra_security_group_ids: tuple[str, ...] = ()
    ssh_cidrs: tuple[str, ...] = ()
    ami: str | None = None
    login_user: str | None = None
    engine: Engine | None = None
    appliance: str | None = None
    shared: Shared | None = None
    sse_key: Path | None = None
    s3_write: tuple[S3Place, ...] = ()
    enable_fuse: bool | None = None


@dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """A launch with everything decided, as data."""

    cluster: str
    region: str
    zones: tuple[str, ...]
    leader_node_type: NodeType
    node_types: NodeTypes
    worker_counts: tuple[int, ...]
    """Those to begin with; of an autoscaled cluster that is there, none."""
    scaling: scaling.Scaling | None
    """None: nobody changes the number of workers but scale-cluster."""
    default_preemptible: bool
    leader_storage_gb: int
    node_storage_gb: int | str
    """One number, or one per node type with commas between."""
    orphan_timeout_s: int
    """After so many seconds without the leader workers end; 0 for never. A cluster that exists may get another one."""
    key_pair_name: str
    private_key: key_pairs.PrivateKey
    owner: str
    extra_tags: Mapping[str, str]
    vpc_subnet: str | None
    aws_ec2_profile_arn: str | None
    aws_ec2_extra_security_group_ids: tuple[str, ...]
    ssh_cidrs: tuple[str, ...]
    ami: str
    login_user: str
    software: software.Software
    shared: Shared | None
    sse_key: Path | None
    """A file of this machine; None leaves the leader's own, where it has one."""
    s3_write: tuple[S3Place, ...]
    """Where in S3 jobs may write beside job stores; none leaves a cluster's own."""
    enable_fuse: bool
    cost: price_table.Cost
    """With the workers to begin with."""
    cost_at_maximum: price_table.Cost | None
    """Of an autoscaled cluster."""
    exists: bool
    """Whether a cluster of this name and these settings is there; then the launch completes it."""
    without_custom_init: bool = False
    """Whether commands of the environment for new nodes are left out: the cluster's nodes run already."""

    def settings(self) -> dict[str, str]:
        """Return the tags of the security group by which a later launch compares, as role ec2_network writes them."""
        return {
            tags.LEADER_NODE_TYPE: str(self.leader_node_type),
            tags.WORKERS: worker_tags.keyed(dict(zip(self.node_types, self.worker_counts, strict=True))),
            tags.ZONES: ",".join(self.zones),
            tags.KEY_PAIR_NAME: self.key_pair_name,
            tags.ENGINE: self.software.engine,
            tags.APPLIANCE: self.software.appliance_image,
            tags.AMI: self.ami,
            tags.LOGIN_USER: self.login_user,
            tags.LEADER_STORAGE: str(self.leader_storage_gb),
            tags.NODE_STORAGE: str(worker_tags.NodeStorage.parse(str(self.node_storage_gb), self.node_types)),
            **(self.scaling.settings() if self.scaling else {tags.LIMITS: ""}),
            tags.DEFAULT_PREEMPTIBLE: meaning.yes_or_no(self.default_preemptible),
            tags.VPC_SUBNET: self.vpc_subnet or "",
            tags.PROFILE_ARN: self.aws_ec2_profile_arn or "",
            tags.EXTRA_SECURITY_GROUPS: ",".join(self.aws_ec2_extra_security_group_ids),
            tags.SHARED: self.shared or "",
            tags.FUSE: "yes" if self.enable_fuse else "",
        }

    def group_tags(self) -> dict[str, str]:
        """Return the tags of the security group, but for its generation."""
        return {**self.extra_tags, tags.OWNER: self.owner, tags.CLUSTER: self.cluster, **self.settings()}

    def variables(self) -> dict[str, Any]:
        """Return the extra variables of playbooks/launch.yml."""
        autoscaled = self.scaling.variables() if self.scaling else {}
        return autoscaled | variables.extra_vars(
            cluster_name=self.cluster,
            region=self.region,
            owner=self.owner,
            extra_tags=self.extra_tags,
            zones=self.zones,
            vpc_subnet=self.vpc_subnet,
            leader_node_type=self.leader_node_type,
            node_types=self.node_types,
            worker_counts=self.worker_counts,
            leader_storage_gb=self.leader_storage_gb,
            node_storage_gb=self.node_storage_gb,
            orphan_timeout_s=self.orphan_timeout_s,
            default_preemptible=self.default_preemptible,
            key_pair_name=self.key_pair_name,
            aws_ec2_profile_arn=self.aws_ec2_profile_arn,
            aws_ec2_extra_security_group_ids=self.aws_ec2_extra_security_group_ids or None,
            ssh_cidrs=self.ssh_cidrs or None,
            ami=self.ami,
            login_user=self.login_user,
            engine=self.software.engine,
            appliance_image=self.software.appliance_image,
            shared=self.shared,
            sse_key=str(self.sse_key) if self.sse_key else None,
            s3_write=self.s3_write or None,
            custom_init_command="" if self.without_custom_init else None,
            custom_docker_init_command="" if self.without_custom_init else None,
            enable_fuse=self.enable_fuse,
            ansible_ssh_private_key_file=str(self.private_key.path),
        )
