"""Every check that a launch can fail at, before anything is made; what comes out is the plan of the launch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toilctl import inventory, log, prices, tags, variables
from toilctl.autoscaler.policy import Limits
from toilctl.cluster import Cluster, ClusterName, Engine, Zone
from toilctl.errors import ConflictError, UsageError
from toilctl.node_types import NodeType, NodeTypes
from toilctl.shared import Shared
from toilctl.verbs import access, keys, offers, places, sameness, scaling, software, sse, storage
from toilctl.verbs.provisioner import Provisioner


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """What was asked for; None and empty leave it to the shared defaults."""

    cluster: ClusterName
    zones: tuple[Zone, ...] = ()
    region: str | None = None
    leader_node_type: NodeType | None = None
    node_types: NodeTypes = field(default_factory=NodeTypes)
    worker_counts: tuple[int, ...] | None = None
    wish: scaling.Wish = field(default_factory=scaling.Wish)
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
    engine: Engine | None = None
    appliance: str | None = None
    shared: Shared | None = None
    sse_key: Path | None = None
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
    private_key: keys.PrivateKey
    owner: str
    extra_tags: Mapping[str, str]
    vpc_subnet: str | None
    aws_ec2_profile_arn: str | None
    aws_ec2_extra_security_group_ids: tuple[str, ...]
    ssh_cidrs: tuple[str, ...]
    ami: str
    software: software.Software
    shared: Shared | None
    sse_key: Path | None
    """A file of this machine; None leaves the leader's own, where it has one."""
    enable_fuse: bool
    cost: prices.Cost
    """With the workers to begin with."""
    cost_at_maximum: prices.Cost | None
    """Of an autoscaled cluster."""
    exists: bool
    """Whether a cluster of this name and these settings is there; then the launch completes it."""

    def settings(self) -> dict[str, str]:
        """Return the tags of the security group by which a later launch compares."""
        return {
            tags.LEADER_NODE_TYPE: str(self.leader_node_type),
            tags.NODE_TYPES: str(self.node_types),
            tags.WORKERS: ",".join(map(str, self.worker_counts)),
            tags.ZONES: ",".join(self.zones),
            tags.KEY_PAIR_NAME: self.key_pair_name,
            tags.ENGINE: self.software.engine,
            tags.APPLIANCE: self.software.appliance_image,
            tags.AMI: self.ami,
            tags.LEADER_STORAGE: str(self.leader_storage_gb),
            tags.NODE_STORAGE: str(self.node_storage_gb),
            **(self.scaling.settings() if self.scaling else {tags.LIMITS: ""}),
            tags.DEFAULT_PREEMPTIBLE: scaling.yes_or_no(self.default_preemptible),
            tags.VPC_SUBNET: self.vpc_subnet or "",
            tags.PROFILE_ARN: self.aws_ec2_profile_arn or "",
            tags.EXTRA_SECURITY_GROUPS: ",".join(self.aws_ec2_extra_security_group_ids),
            tags.SHARED: self.shared or "",
            tags.FUSE: "yes" if self.enable_fuse else "",
        }

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
            engine=self.software.engine,
            appliance_image=self.software.appliance_image,
            shared=self.shared,
            sse_key=str(self.sse_key) if self.sse_key else None,
            enable_fuse=self.enable_fuse,
            ansible_ssh_private_key_file=str(self.private_key.path) if self.private_key.path else None,
        )


def plan(request: LaunchRequest, provisioner: Provisioner) -> LaunchPlan:
    """Check a request against itself, AWS and what exists, and fill in what it left open.

    :raises ToilctlError: the first thing that would make the launch fail, with what to do about it.
    """
    alone = _check_alone(request)
    region = places.region_of(request.zones, request.region)
    with log.step("Check the request"):
        access.check_identity(region)
        existing = _existing(region, request)
        request = _as_before(request, existing)
        scales = _scaling(request, existing)
        zones = places.check_zones(region, request.zones, request.vpc_subnet)
        pair = keys.key_pair(region, alone.key_pair_name)
        private_key = keys.find(pair, request.ssh_key)
        image = places.image(region, request.ami)
        leader_gb, node_gb = _storage(request, image)
        leader = (alone.leader, 1)
        workers = tuple(zip(request.node_types, alone.worker_counts, strict=True))
        described = offers.check(region, zones, (alone.leader, *request.node_types), image)
        offers.check_quota(region, (leader, *workers), described)
        _check_references(region, request, zones)
        had = software.of_cluster(existing) if existing else None
        chosen = software.choose(software.Wish(request.engine, request.appliance, had), image.architecture, provisioner)
        if scales:
            scaling.check_sizes(scales, chosen.engine)
        if scales or chosen.engine is Engine.MESOS:
            _check_bundle()
    highest = [(one.node_type, one.max_nodes) for one in scales.limits] if scales else []
    decided = LaunchPlan(
        cluster=request.cluster,
        region=region,
        zones=zones,
        leader_node_type=alone.leader,
        node_types=request.node_types,
        worker_counts=alone.worker_counts,
        scaling=scales,
        default_preemptible=_default_preemptible(request, existing),
        leader_storage_gb=leader_gb,
        node_storage_gb=node_gb,
        orphan_timeout_s=_orphan_timeout_s(request, existing),
        key_pair_name=alone.key_pair_name,
        private_key=private_key,
        owner=request.owner or os.environ.get("USER", ""),
        extra_tags=request.extra_tags,
        vpc_subnet=request.vpc_subnet,
        aws_ec2_profile_arn=request.aws_ec2_profile_arn,
        aws_ec2_extra_security_group_ids=request.aws_ec2_extra_security_group_ids,
        ssh_cidrs=request.ssh_cidrs,
        ami=image.ami,
        software=chosen,
        shared=request.shared,
        sse_key=alone.sse_key,
        enable_fuse=_enable_fuse(request),
        cost=prices.cost(region, (leader, *workers)),
        cost_at_maximum=prices.cost(region, (leader, *highest)) if scales else None,
        exists=existing is not None,
    )
    return sameness.checked(decided, existing) if existing else decided


@dataclass(frozen=True)
class _Alone:
    """What a request says for itself."""

    leader: NodeType
    key_pair_name: str
    worker_counts: tuple[int, ...]
    sse_key: Path | None


def _check_alone(request: LaunchRequest) -> _Alone:
    """Check what needs no answer from AWS."""
    leader = request.leader_node_type or NodeType.parse(variables.defaults()["leader_node_type"])
    if leader.spot_bid is not None:
        raise UsageError(
            f"The leader cannot be a spot instance: {leader} has a bid.",
            "Leave out the bid of --leader-node-type; when the leader goes, the workflow goes.", node_type=leader,
        )  # fmt: skip
    counts = _worker_counts(request)
    _check_tags(request)
    if not request.key_pair_name:
        raise UsageError("No key pair was named.", "Name one that EC2 knows with --key-pair-name.")
    key = sse.checked(request.sse_key) if request.sse_key else None
    return _Alone(leader, request.key_pair_name, counts, key)


def _flags(tuning: Iterable[str]) -> str:
    """Return the options of fields of ``Tuning``."""
    return ", ".join(scaling.flag(name) for name in sorted(tuning))


def _worker_counts(request: LaunchRequest) -> tuple[int, ...]:
    """Return how many workers of each node type there are to be; a single node type without -w makes a leader only."""
    types, counts = request.node_types, request.worker_counts
    if request.wish.limits_nodes:
        return scaling.start_counts(scaling.decide(request.wish, types).limits, counts)
    if request.wish.tuning:
        raise UsageError(
            f"{_flags(request.wish.tuning)} says how to scale, and nothing says within which limits.",
            "Give --max-nodes, too: one number per node type, or one for all.",
        )
    counts = (0,) if counts is None and len(types) == 1 else counts or ()
    if len(types) != len(counts):
        raise UsageError(
            f"--node-types has {len(types)} and --workers {len(counts)}.",
            "Give one number of workers per node type, such as --node-types c5.large,r5.large -w 3,2; or --max-nodes, "
            "to let their number follow the demand.",
            node_types=types, workers=counts,
        )  # fmt: skip
    return counts


def _scaling(request: LaunchRequest, existing: Cluster | None) -> scaling.Scaling | None:
    """Return how the cluster is to scale; what it was told before stays where nothing else is asked for."""
    if not request.wish.limits_nodes:
        return None
    before = scaling.of_cluster(existing) if existing else None
    kept = scaling.Scaling(Limits(), before.tuning, before.default_preemptible) if before else None
    return scaling.decide(request.wish, request.node_types, kept)


def _default_preemptible(request: LaunchRequest, existing: Cluster | None) -> bool:
    if request.wish.default_preemptible is not None:
        return request.wish.default_preemptible
    if existing and existing.settings.get(tags.DEFAULT_PREEMPTIBLE):
        return existing.settings[tags.DEFAULT_PREEMPTIBLE] == "yes"
    return bool(variables.defaults()["default_preemptible"])


def _orphan_timeout_s(request: LaunchRequest, existing: Cluster | None) -> int:
    if request.orphan_timeout_s is not None:
        return request.orphan_timeout_s
    had = existing.settings.get(tags.ORPHAN_TIMEOUT) if existing else None
    return int(had or variables.defaults()["orphan_timeout_s"])


def _enable_fuse(request: LaunchRequest) -> bool:
    return bool(variables.defaults()["enable_fuse"]) if request.enable_fuse is None else request.enable_fuse


def _check_bundle() -> None:
    """Make sure that the leader can be given an autoscaler.

    :raises HostError: when this machine lacks what it needs.
    """
    from toilctl import bundle

    bundle.make()


def _check_tags(request: LaunchRequest) -> None:
    for key, value in request.extra_tags.items():
        if key in tags.RESERVED_KEYS or key.startswith(tags.RESERVED_PREFIXES):
            hint = "Use --owner for it." if key == tags.OWNER else "Choose another key."
            raise UsageError(f"The tag {key!r} is toilctl's or Toil's own.", hint, key=key)
        if len(value) > tags.MAX_VALUE_LENGTH or len(key) > tags.MAX_VALUE_LENGTH // 2:
            raise UsageError(
                f"The tag {key[:40]!r} is too long.",
                f"EC2 allows 128 characters for keys and {tags.MAX_VALUE_LENGTH} for values.",
            )


def _existing(region: str, request: LaunchRequest) -> Cluster | None:
    name = request.cluster
    found = inventory.clusters(region, name)
    if not found:
        access.check_permissions(region, name, makes_roles=not request.aws_ec2_profile_arn)
        return None
    if found[0].settings.get(tags.STATE) == tags.DESTROYING:
        raise ConflictError(
            f"Cluster {name!r} in {region} is being destroyed.",
            f"Wait for that, or finish it: toilctl destroy-cluster -z {region}a {name}", cluster=name, region=region,
        )  # fmt: skip
    return found[0]


def _as_before(request: LaunchRequest, existing: Cluster | None) -> LaunchRequest:
    """Keep what a cluster has where nothing else is asked for: defaults may have moved on since it was launched."""
    if existing is None:
        return request
    from dataclasses import replace

    had = existing.settings
    return replace(
        request,
        ami=request.ami or had.get(tags.AMI) or None,
        owner=request.owner or had.get(tags.OWNER) or None,
    )


def _storage(request: LaunchRequest, image: places.Image) -> tuple[int, int | str]:
    defaults = variables.defaults()
    leader = int(defaults["leader_storage_gb"]) if request.leader_storage_gb is None else request.leader_storage_gb
    sizes = storage.sizes(request.node_types, request.node_storage_gb)
    for node in sizes:
        places.check_storage(image, leader_storage=leader, node_storage=node)
    return leader, sizes[0] if len(sizes) == 1 else storage.text(sizes)


def _check_references(region: str, request: LaunchRequest, zones: Sequence[str]) -> None:
    if request.aws_ec2_profile_arn:
        access.check_profile(region, request.aws_ec2_profile_arn)
    access.check_security_groups(region, request.aws_ec2_extra_security_group_ids)
    if request.shared and request.shared.efs_id:
        access.check_file_system(region, request.shared.efs_id, zones)
