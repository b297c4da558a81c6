"""Every check that a launch can fail at, before anything is made; what comes out is the plan of the launch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from toilctl.system import credentials, inventory, leaders, price_table, progress, variables
from toilctl.values import machine_images, s3_places, tags
from toilctl.values.cluster import Cluster, Engine
from toilctl.values.errors import ConflictError, UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits
from toilctl.values.tuning import SETTINGS
from toilctl.values.worker_tags import NodeStorage
from toilctl.verbs.checks import instance_types, key_pairs, own_tags, permissions, references, zones_and_images
from toilctl.verbs.clusters import same_cluster
from toilctl.verbs.clusters.launch_plan import LaunchPlan, LaunchRequest
from toilctl.verbs.provisioner import Provisioner, ProvisionerName
from toilctl.verbs.settings import custom_init, node_storage, people_tags, scaling, software
from toilctl.verbs.settings import sse_key as sse

LEADER_SUCCESSOR: Final = "t3.medium"
"""What the default leader is where EC2 has no T2: regions opened since 2018 have none."""


def plan(request: LaunchRequest, provisioner: Provisioner) -> LaunchPlan:
    """Check a request against itself, AWS and what exists, and fill in what it left open.

    :raises ToilctlError: the first thing that would make the launch fail, with what to do about it.
    """
    request = replace(request, extra_tags=people_tags.merged(request.extra_tags))
    alone = _check_alone(request)
    region = zones_and_images.region_of(request.zones, request.region)
    with progress.step("Check the request"):
        permissions.check_identity(region)
        credentials.check_last(credentials.LAUNCH_S, "a launch")
        existing = _existing(region, request)
        request = _as_before(request, existing)
        # What it was told before stays where nothing else is asked for; limits are asked for anew.
        before = replace(scaling.told(existing), limits=Limits()) if existing else None
        scales = scaling.decide(request.wish, request.node_types, before) if request.wish.limits_nodes else None
        place = zones_and_images.check_zones(region, request.zones, request.vpc_subnet)
        zones = place.zones
        rehearsal = provisioner.name is ProvisionerName.LOCAL
        pair = key_pairs.key_pair(region, alone.key_pair_name, rehearsal=rehearsal)
        private_key = key_pairs.find(pair, request.ssh_key)
        image = zones_and_images.image(region, request.ami)
        login_user = machine_images.login_user(image, request.login_user)
        leader_gb, node_gb = _storage(request, image)
        leader = (_leader(region, zones, request.leader_node_type), 1)
        workers = tuple(zip(request.node_types, alone.worker_counts, strict=True))
        described = instance_types.check(region, zones, (leader[0], *request.node_types), image)
        instance_types.check_quota(region, (leader, *workers), described)
        _check_references(region, request, place)
        had = software.of_cluster(existing) if existing else None
        chosen = software.choose(
            software.SoftwareWish(request.engine, request.appliance, had), image.architecture, provisioner
        )
        if scales:
            scaling.check_sizes(scales, chosen.engine)
        if scales or chosen.engine is Engine.MESOS:
            from toilctl import bundle

            bundle.make()
    orphan_timeout = (existing.settings.get(tags.ORPHAN_TIMEOUT) or None) if existing else None
    root_gb = NodeStorage.parse(str(node_gb), request.node_types).gb

    def cost(counts: Iterable[tuple[NodeType, int]]) -> price_table.Cost:
        billed = (price_table.Nodes(*one, root_gb(one[0]), place.public_addresses) for one in counts)
        return price_table.cost(region, (price_table.Nodes(*leader, leader_gb, place.public_addresses), *billed))

    decided = LaunchPlan(
        cluster=request.cluster,
        region=region,
        zones=zones,
        leader_node_type=leader[0],
        node_types=request.node_types,
        worker_counts=alone.worker_counts,
        scaling=scales,
        default_preemptible=scaling.default_preemptible(request.wish, before),
        leader_storage_gb=leader_gb,
        node_storage_gb=node_gb,
        orphan_timeout_s=int(variables.settled("orphan_timeout_s", request.orphan_timeout_s, orphan_timeout)),
        key_pair_name=alone.key_pair_name,
        private_key=private_key,
        owner=request.owner or own_tags.tidy(people_tags.owner(alone.key_pair_name)),
        extra_tags=request.extra_tags,
        vpc_subnet=request.vpc_subnet,
        aws_ec2_profile_arn=request.aws_ec2_profile_arn,
        aws_ec2_extra_security_group_ids=request.aws_ec2_extra_security_group_ids,
        ssh_cidrs=request.ssh_cidrs,
        ami=image.ami,
        login_user=login_user,
        software=chosen,
        shared=request.shared,
        sse_key=alone.sse_key,
        s3_write=_writable(request, existing),
        enable_fuse=bool(variables.settled("enable_fuse", request.enable_fuse)),
        cost=cost(workers),
        cost_at_maximum=cost((one.node_type, one.max_nodes) for one in scales.limits) if scales else None,
        exists=existing is not None,
        without_custom_init=custom_init.is_too_late(existing),
    )
    tags.check_lengths({**decided.settings(), tags.S3_WRITE: s3_places.written(decided.s3_write)})
    if existing is None:
        permissions.check_permissions(
            region, decided.cluster, place.vpc_id, decided.group_tags(), makes_roles=not request.aws_ec2_profile_arn
        )
    return same_cluster.checked(decided, existing) if existing else decided


@dataclass(frozen=True)
class _Alone:
    """What a request says for itself."""

    key_pair_name: str
    worker_counts: tuple[int, ...]
    sse_key: Path | None


def _check_alone(request: LaunchRequest) -> _Alone:
    """Check what needs no answer from AWS."""
    leader = request.leader_node_type
    if leader and leader.spot_bid is not None:
        raise UsageError(
            f"The leader cannot be a spot instance: {leader} has a bid.",
            "Leave out the bid of --leader-node-type; when the leader goes, the workflow goes.", node_type=leader,
        )  # fmt: skip
    counts = _worker_counts(request)
    own_tags.check(request.extra_tags, request.owner, of_roles=not request.aws_ec2_profile_arn)
    custom_init.check()
    if not request.key_pair_name:
        raise UsageError("No key pair was named.", "Name one that EC2 knows with --key-pair-name.")
    key = sse.checked(request.sse_key) if request.sse_key else None
    return _Alone(request.key_pair_name, counts, key)


def _leader(region: str, zones: Sequence[str], asked: NodeType | None) -> NodeType:
    """Return the leader's node type: without one that was asked for, the default, or its successor in newer regions."""
    if asked:
        return asked
    default = NodeType.parse(variables.defaults()["leader_node_type"])
    names = (*default.instance_types, LEADER_SUCCESSOR)
    return NodeType((instance_types.first_offered(region, zones, names),))


def _worker_counts(request: LaunchRequest) -> tuple[int, ...]:
    """Return how many workers of each node type there are to be; a single node type without -w makes a leader only."""
    types, counts = request.node_types, request.worker_counts
    if request.wish.limits_nodes:
        return scaling.start_counts(scaling.decide(request.wish, types).limits, counts)
    if request.wish.tuning:
        flags = ", ".join(SETTINGS[name].flag for name in sorted(request.wish.tuning))
        raise UsageError(
            f"{flags} says how to scale, and nothing says within which limits.",
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


def _existing(region: str, request: LaunchRequest) -> Cluster | None:
    name = request.cluster
    found = inventory.clusters(region, name)
    if not found:
        return None
    inventory.require_sound(found[0])
    if found[0].settings.get(tags.STATE) == tags.DESTROYING:
        raise ConflictError(
            f"Cluster {name!r} in {region} is being destroyed.",
            f"Wait for that, or finish it: toilctl destroy-cluster -z {region}a {name}", cluster=name, region=region,
        )  # fmt: skip
    if leaders.is_stopped(found[0]):
        leaders.require(found[0])
    return found[0]


def _as_before(request: LaunchRequest, existing: Cluster | None) -> LaunchRequest:
    """Keep what a cluster has where nothing else is asked for: defaults may have moved on since it was launched."""
    if existing is None:
        return request
    had = existing.settings
    return replace(
        request,
        ami=request.ami or had.get(tags.AMI) or None,
        login_user=request.login_user or had.get(tags.LOGIN_USER) or None,
        owner=request.owner or had.get(tags.OWNER) or None,
    )


def _storage(request: LaunchRequest, image: machine_images.MachineImage) -> tuple[int, int | str]:
    leader = int(variables.settled("leader_storage_gb", request.leader_storage_gb))
    sizes = node_storage.sizes(request.node_types, request.node_storage_gb)
    for node in sizes:
        zones_and_images.check_storage(image, leader_storage=leader, node_storage=node)
    return leader, sizes[0] if len(sizes) == 1 else node_storage.text(sizes)


def _writable(request: LaunchRequest, existing: Cluster | None) -> tuple[s3_places.S3Place, ...]:
    """Return where in S3 jobs may write: what is asked for, else what a cluster has."""
    if request.s3_write and request.aws_ec2_profile_arn:
        raise UsageError(
            "--s3-write changes the roles that toilctl makes, and --aws-ec2-profile-arn names another.",
            "Leave out one of them; what jobs may do in S3 is in the policies of that profile's role.",
        )
    return request.s3_write or (s3_places.read(existing.settings.get(tags.S3_WRITE, "")) if existing else ())


def _check_references(region: str, request: LaunchRequest, place: zones_and_images.Place) -> None:
    if request.aws_ec2_profile_arn:
        references.check_profile(region, request.aws_ec2_profile_arn)
    references.check_security_groups(region, place.vpc_id, request.aws_ec2_extra_security_group_ids)
    if request.shared and request.shared.efs_id:
        references.check_file_system(region, place, request.shared.efs_id)
