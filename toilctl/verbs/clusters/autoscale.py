"""autoscale: how a cluster scales, shown and changed; tags first, so that any machine sees it, then the leader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toilctl.system import aws, inventory, playbooks, price_table, progress
from toilctl.values import tags, worker_tags
from toilctl.values.cluster import Cluster, Engine
from toilctl.values.errors import ConflictError, ToilctlError, UsageError
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.scaling_policy import NodeLimits
from toilctl.values.wording import number
from toilctl.verbs.checks import instance_types, key_pairs, zones_and_images
from toilctl.verbs.clusters import nodes, scale
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.reports import autoscaler_report, explain
from toilctl.verbs.settings import meaning, node_storage, scaling

if TYPE_CHECKING:
    from toilctl.autoscaler.journal.report import TickReport

_JOURNAL_LINES: Final = 200
_SHOWN: Final = 10
_LEADER_ALONE: Final = "leader"
"""The intent of the leader's launch: the playbook then sees no other host, however many workers there are."""


class Action(StrEnum):
    """What an autoscaler can be told beside its settings."""

    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True)
class AutoscaleRequest:
    """What was asked for; None and empty leave it as it is."""

    cluster: str
    action: Action | None = None
    wish: scaling.ScalingWish = field(default_factory=scaling.ScalingWish)
    node_types: NodeTypes | None = None
    """Instead of the cluster's."""
    node_storage_gb: tuple[int, ...] | None = None
    zone: str | None = None
    region: str | None = None
    ssh_key: Path | None = None

    @property
    def changes(self) -> bool:
        """Whether it asks for more than a look."""
        return not (self.action is None and self.wish.empty and not self.node_types and not self.node_storage_gb)


@dataclass(frozen=True)
class AutoscaleStatus:
    """How a cluster scales, and what its autoscaler did last."""

    cluster: str
    region: str
    autoscaled: bool
    paused: bool
    scaling: scaling.Scaling | None
    decisions: tuple[TickReport, ...] = ()
    """The last ticks at which something was done, ended, or went wrong; oldest first."""
    last: TickReport | None = None
    age_s: float | None = None
    note: str = ""
    """Why there is nothing to show of the autoscaler, or what is wrong with it, and what to do."""


@dataclass(frozen=True)
class AutoscalePlan:
    """A change of how a cluster scales, as data."""

    cluster: str
    region: str
    before: scaling.Scaling | None
    """None: it is not autoscaled yet."""
    after: scaling.Scaling
    paused: bool
    settings: Mapping[str, str]
    """The tags of the security group that change."""
    cost_at_maximum: price_table.Cost


@dataclass(frozen=True)
class Changed:
    """What came of it."""

    plan: AutoscalePlan


def status(cluster: Cluster, ssh_key: Path | None) -> AutoscaleStatus:
    """Show how a cluster scales; a leader that cannot be reached is a note, not an error."""
    scales = scaling.of_cluster(cluster)
    shown = AutoscaleStatus(cluster.name, cluster.region, scales is not None, scaling.is_paused(cluster), scales)
    if scales is None:
        return replace(shown, note=explain.not_autoscaled(cluster))
    try:
        found = autoscaler_report.ask(cluster, ssh_key, _JOURNAL_LINES)
    except ToilctlError as error:
        return replace(shown, note=f"The last decisions are not known: {error}")
    eventful = tuple(_eventful(found.journal))[-_SHOWN:]
    note = explain.note_on(found, cluster, scales.tuning.scale_interval_s)
    return replace(shown, decisions=eventful, last=found.report, age_s=found.age_s, note=note)


def _eventful(journal: Iterable[TickReport]) -> Iterator[TickReport]:
    """Return the ticks at which something happened; a problem that lasts is told once, when it begins."""
    lasting = ""
    for one in journal:
        if one.actions or one.results or one.problem not in ("", lasting):
            yield one
        lasting = one.problem


def find(request: AutoscaleRequest) -> Cluster:
    """Find the cluster.

    :raises ConflictError: when it is to be changed, and is being destroyed, or has no leader.
    """
    cluster = inventory.find(request.cluster, request.zone, request.region)
    if request.changes:
        scale.check_usable(cluster)
    return cluster


def plan(request: AutoscaleRequest, cluster: Cluster) -> AutoscalePlan:
    """Decide what changes, and check it with EC2 as a launch would.

    :raises UsageError: for settings that cannot work.
    :raises ConflictError: for pausing a cluster that has no autoscaler.
    """
    before = scaling.of_cluster(cluster)
    if before is None and not request.wish.limits_nodes:
        raise ConflictError(
            f"Cluster {cluster.name!r} is not autoscaled.",
            f"Say within which limits: toilctl autoscale {cluster.name} --max-nodes N, one number per node type.",
            cluster=cluster.name,
        )
    node_types = request.node_types or (before.node_types if before else NodeTypes(nodes.desired(cluster)))
    after = scaling.decide(request.wish, node_types, before)
    return _plan(cluster, after, before, request)


def plan_scale(cluster: Cluster, request: scale.ScaleRequest) -> AutoscalePlan:
    """Decide the limits by which an autoscaled cluster has so many workers, as scale-cluster asks.

    :raises UsageError: for counts that do not fit the node types, and for --force.
    """
    before = scaling.of_cluster(cluster)
    if before is None:
        raise ConflictError(explain.not_autoscaled(cluster))
    if request.force:
        raise UsageError(
            f"Cluster {cluster.name!r} is autoscaled, and its autoscaler never ends a running job: no --force there.",
            "Leave out --force: workers that are too many go when their jobs are done.",
        )
    fixed = _counts(cluster, before, request)
    limits = [fixed.pop(one.node_type, one) for one in before.limits]
    after = replace(before, limits=type(before.limits)([*limits, *fixed.values()]))
    return _plan(cluster, after, before, AutoscaleRequest(cluster.name))


def carry_out(plan: AutoscalePlan, cluster: Cluster, ssh_key: Path | None, provisioner: Provisioner) -> Changed:
    """Write the tags, then let the leader follow them.

    :raises ToilctlError: when the leader cannot be told; the tags are there, and the same command tries again.
    """
    private_key = key_pairs.of_cluster(cluster, ssh_key)
    common = {**provisioner.extra_variables, **scale.cluster_variables(cluster, private_key)}
    if plan.settings:
        aws.client("ec2", cluster.region).create_tags(
            Resources=[cluster.security_group_id], Tags=tags.to_list(plan.settings)
        )
    target = playbooks.PlaybookTarget(cluster.region, cluster.name)
    resume = "The settings are with the cluster; the same command tells the leader."
    result = playbooks.run("autoscale.yml", target, common, intent=_LEADER_ALONE, resume=resume)
    playbooks.raise_failure(result)
    return Changed(plan)


def _plan(
    cluster: Cluster, after: scaling.Scaling, before: scaling.Scaling | None, request: AutoscaleRequest
) -> AutoscalePlan:
    paused = scaling.is_paused(cluster) if request.action is None else request.action is Action.PAUSE
    sizes = node_storage.sizes(after.node_types, request.node_storage_gb) if request.node_storage_gb else None
    storage = node_storage.kept(after.node_types, sizes) if sizes else node_storage.moved(cluster, after.node_types)
    had, begun_with = meaning.of(cluster.settings), worker_tags.counts(cluster.settings)
    settings = {
        **after.settings(),
        tags.WORKERS: worker_tags.keyed({one: begun_with.get(one, 0) for one in after.node_types}),
        tags.NODE_STORAGE: str(storage),
        tags.PAUSED: meaning.yes_or_no(paused),
    }
    tags.check_lengths(settings)
    _check(cluster, after, before, sizes)
    leader = cluster.leader
    public = leader is None or leader.public_address is not None
    highest = (
        price_table.Nodes(one.node_type, one.max_nodes, storage.gb(one.node_type), public) for one in after.limits
    )
    return AutoscalePlan(
        cluster=cluster.name,
        region=cluster.region,
        before=before,
        after=after,
        paused=paused,
        settings={key: value for key, value in settings.items() if had.get(key, "") != value},
        cost_at_maximum=price_table.cost(cluster.region, (*price_table.there([leader] if leader else ()), *highest)),
    )


def _check(
    cluster: Cluster, after: scaling.Scaling, before: scaling.Scaling | None, sizes: Sequence[int] | None
) -> None:
    scaling.check_sizes(after, Engine(cluster.settings.get(tags.ENGINE, Engine.MESOS)))
    if before and before.limits == after.limits and not sizes:
        return
    with progress.step("Check the settings"):
        image = zones_and_images.image(cluster.region, cluster.settings.get(tags.AMI) or None)
        for size in sizes or ():
            zones_and_images.check_storage(image, node_storage=size)
        zones = [zone for zone in cluster.settings.get(tags.ZONES, "").split(",") if zone]
        leader = [(cluster.leader.node_type, 1)] if cluster.leader else []
        described = instance_types.check(cluster.region, zones, [*after.node_types, *(one for one, _ in leader)], image)
        least = [(one.node_type, one.min_nodes) for one in after.limits]
        instance_types.check_quota(cluster.region, [*leader, *least], described)
        if before is None:
            from toilctl import bundle

            bundle.make()


def _counts(cluster: Cluster, before: scaling.Scaling, request: scale.ScaleRequest) -> dict[NodeType, NodeLimits]:
    """Return the limits that fix the number of workers of the node types that were named."""
    names = before.node_types if request.node_type is None else NodeTypes([request.node_type])
    if len(names) != len(request.counts):
        raise UsageError(
            f"Cluster {cluster.name!r} has the node types {before.node_types}, and -w has "
            f"{number(len(request.counts), 'number')}.",
            "Give one number per node type, or one number and its --node-type.",
            node_types=before.node_types, workers=request.counts,
        )  # fmt: skip
    return {name: NodeLimits(name, count, count) for name, count in zip(names, request.counts, strict=True)}
