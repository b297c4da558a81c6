"""Every check that a launch can fail at, before anything is made; what comes out is the plan of the launch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toilctl import inventory, log, prices, tags, variables
from toilctl.cluster import Cluster, ClusterName, Engine, Zone
from toilctl.errors import ConflictError, UsageError
from toilctl.node_types import NodeType, NodeTypes
from toilctl.verbs import access, keys, offers, places, software
from toilctl.verbs.provisioner import Provisioner


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """What was asked for; None and empty leave it to the shared defaults."""

    cluster: ClusterName
    zones: tuple[Zone, ...] = ()
    region: str | None = None
    leader_node_type: NodeType | None = None
    node_types: NodeTypes = field(default_factory=NodeTypes)
    worker_counts: tuple[int, ...] = ()
    leader_storage_gb: int | None = None
    node_storage_gb: int | None = None
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


@dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """A launch with everything decided, as data."""

    cluster: str
    region: str
    zones: tuple[str, ...]
    leader_node_type: NodeType
    node_types: NodeTypes
    worker_counts: tuple[int, ...]
    leader_storage_gb: int
    node_storage_gb: int
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
    cost: prices.Cost
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
            tags.VPC_SUBNET: self.vpc_subnet or "",
            tags.PROFILE_ARN: self.aws_ec2_profile_arn or "",
            tags.EXTRA_SECURITY_GROUPS: ",".join(self.aws_ec2_extra_security_group_ids),
        }

    def variables(self) -> dict[str, Any]:
        """Return the extra variables of playbooks/launch.yml."""
        return variables.extra_vars(
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
            key_pair_name=self.key_pair_name,
            aws_ec2_profile_arn=self.aws_ec2_profile_arn,
            aws_ec2_extra_security_group_ids=self.aws_ec2_extra_security_group_ids or None,
            ssh_cidrs=self.ssh_cidrs or None,
            ami=self.ami,
            engine=self.software.engine,
            appliance_image=self.software.appliance_image,
            ansible_ssh_private_key_file=str(self.private_key.path) if self.private_key.path else None,
        )


def plan(request: LaunchRequest, provisioner: Provisioner) -> LaunchPlan:
    """Check a request against itself, AWS and what exists, and fill in what it left open.

    :raises ToilctlError: the first thing that would make the launch fail, with what to do about it.
    """
    leader, key_pair_name = _check_alone(request)
    region = places.region_of(request.zones, request.region)
    with log.step("Check the request"):
        access.check_identity(region)
        existing = _existing(region, request)
        request = _as_before(request, existing)
        zones = places.check_zones(region, request.zones, request.vpc_subnet)
        pair = keys.key_pair(region, key_pair_name)
        private_key = keys.find(pair, request.ssh_key)
        image = places.image(region, request.ami)
        leader_gb, node_gb = _storage(request, image)
        workers = tuple(zip(request.node_types, request.worker_counts, strict=True))
        described = offers.check(region, zones, (leader, *request.node_types), image)
        offers.check_quota(region, ((leader, 1), *workers), described)
        _check_references(region, request)
        had = software.of_cluster(existing) if existing else None
        chosen = software.choose(software.Wish(request.engine, request.appliance, had), image.architecture, provisioner)
    decided = LaunchPlan(
        cluster=request.cluster,
        region=region,
        zones=zones,
        leader_node_type=leader,
        node_types=request.node_types,
        worker_counts=request.worker_counts,
        leader_storage_gb=leader_gb,
        node_storage_gb=node_gb,
        key_pair_name=key_pair_name,
        private_key=private_key,
        owner=request.owner or os.environ.get("USER", ""),
        extra_tags=request.extra_tags,
        vpc_subnet=request.vpc_subnet,
        aws_ec2_profile_arn=request.aws_ec2_profile_arn,
        aws_ec2_extra_security_group_ids=request.aws_ec2_extra_security_group_ids,
        ssh_cidrs=request.ssh_cidrs,
        ami=image.ami,
        software=chosen,
        cost=prices.cost(region, ((leader, 1), *workers)),
        exists=existing is not None,
    )
    if existing:
        _check_same(decided, existing)
    return decided


def _check_alone(request: LaunchRequest) -> tuple[NodeType, str]:
    """Check what needs no answer from AWS; return the leader's node type and the key pair's name."""
    leader = request.leader_node_type or NodeType.parse(variables.defaults()["leader_node_type"])
    if leader.spot_bid is not None:
        raise UsageError(
            f"The leader cannot be a spot instance: {leader} has a bid.",
            "Leave out the bid of --leader-node-type; when the leader goes, the workflow goes.", node_type=leader,
        )  # fmt: skip
    if len(request.node_types) != len(request.worker_counts):
        raise UsageError(
            f"--node-types has {len(request.node_types)} and --workers {len(request.worker_counts)}.",
            "Give one number of workers per node type, such as --node-types c5.large,r5.large -w 3,2.",
            node_types=request.node_types, workers=request.worker_counts,
        )  # fmt: skip
    _check_tags(request)
    if not request.key_pair_name:
        raise UsageError("No key pair was named.", "Name one that EC2 knows with --key-pair-name.")
    return leader, request.key_pair_name


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


def _storage(request: LaunchRequest, image: places.Image) -> tuple[int, int]:
    defaults = variables.defaults()
    leader, node = (
        int(defaults[name]) if asked is None else asked
        for name, asked in (
            ("leader_storage_gb", request.leader_storage_gb),
            ("node_storage_gb", request.node_storage_gb),
        )
    )
    places.check_storage(image, leader_storage=leader, node_storage=node)
    return leader, node


def _check_references(region: str, request: LaunchRequest) -> None:
    if request.aws_ec2_profile_arn:
        access.check_profile(region, request.aws_ec2_profile_arn)
    access.check_security_groups(region, request.aws_ec2_extra_security_group_ids)


def _check_same(plan: LaunchPlan, existing: Cluster) -> None:
    """Refuse a name in use with other settings, and say which differ.

    While it has no nodes, as after a launch for which EC2 had no capacity, only its network is settled.
    """
    asked = plan.settings()
    if not any(node.live for node in existing.nodes):
        asked = {tags.VPC_SUBNET: asked[tags.VPC_SUBNET]}
    differing = {tag: (existing.settings.get(tag, ""), value) for tag, value in asked.items()}
    differing = {tag.partition(":")[2]: pair for tag, pair in differing.items() if pair[0] != pair[1]}
    if not differing:
        return
    told = "; ".join(f"{name} is {had or 'none'}, not {asked or 'none'}" for name, (had, asked) in differing.items())
    only_workers = set(differing) == {"workers"}
    zone = (existing.settings.get(tags.ZONES) or plan.zones[0]).partition(",")[0]
    raise ConflictError(
        f"There is a cluster {plan.cluster!r} in {plan.region} with other settings: {told}.",
        f"Resize it: toilctl scale-cluster -z {plan.zones[0]} {plan.cluster} -w {plan.settings()[tags.WORKERS]}"
        if only_workers
        else f"Choose another name, or destroy that cluster first: toilctl destroy-cluster -z {zone} {plan.cluster}",
        differing=differing,
    )
