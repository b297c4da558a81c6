"""scale-cluster: more or fewer workers, by node type; a job that runs is never ended unless that is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toilctl.system import aws, credentials, inventory, leaders, playbooks, progress, variables
from toilctl.values import tags, worker_tags
from toilctl.values.cluster import Cluster, Node
from toilctl.values.errors import ConflictError, PartialError, UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.wording import number
from toilctl.verbs.checks import instance_types, key_pairs, zones_and_images
from toilctl.verbs.clusters import launch, nodes
from toilctl.verbs.connect import let_in
from toilctl.verbs.provisioner import Provisioner

if TYPE_CHECKING:
    from toilctl.engines.client import EngineNode


@dataclass(frozen=True)
class ScaleRequest:
    """What was asked for."""

    cluster: str
    counts: tuple[int, ...]
    node_type: NodeType | None = None
    zone: str | None = None
    region: str | None = None
    force: bool = False
    ssh_key: Path | None = None


@dataclass(frozen=True)
class ScalePlan:
    """A change of numbers, as data."""

    cluster: str
    region: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    launches: Mapping[str, int]
    terminate: tuple[str, ...]
    """Instance ids: idle ones first, and newest first."""
    configure: tuple[str, ...]
    """Instance ids of workers that are there and not in the engine; they are set up again."""
    force: bool

    @property
    def nothing_to_do(self) -> bool:
        """Whether the cluster is as it was asked to be."""
        return not self.launches and not self.terminate and not self.configure


@dataclass(frozen=True)
class Scaled:
    """What came of it."""

    plan: ScalePlan
    nodes: tuple[nodes.NodeLine, ...]


def find(request: ScaleRequest) -> Cluster:
    """Find the cluster.

    :raises ConflictError: when it is being destroyed, or has no leader.
    """
    cluster = inventory.find(request.cluster, request.zone, request.region)
    check_usable(cluster)
    return cluster


def plan(request: ScaleRequest, cluster: Cluster) -> tuple[ScalePlan, key_pairs.PrivateKey]:
    """Decide what to launch and what to terminate.

    :raises UsageError: for counts that do not fit the cluster's node types.
    """
    wanted = _wanted(cluster, request)
    with progress.step("Ask the engine"):
        private_key = key_pairs.of_cluster(cluster, request.ssh_key)
        known = let_in.with_admission(cluster, lambda: nodes.members(cluster, private_key.path))
    tags.check_lengths({tags.WORKERS: worker_tags.keyed(wanted)})
    have = nodes.counts(cluster)
    terminate = tuple(
        node.instance_id
        for kind, count in wanted.items()
        for node in least_missed(cluster.workers, kind, known)[: max(0, have.get(kind, 0) - count)]
    )
    staying = (node for node in cluster.workers if node.instance_id not in terminate)
    decided = ScalePlan(
        cluster=cluster.name,
        region=cluster.region,
        before={str(kind): have.get(kind, 0) for kind in wanted},
        after={str(kind): count for kind, count in wanted.items()},
        launches={str(kind): count for kind, count in nodes.short_of(cluster, wanted).items()},
        terminate=terminate,
        configure=tuple(nodes.missing_from(staying, known)),
        force=request.force,
    )
    if decided.launches:
        credentials.check_last(credentials.LAUNCH_S, "launching nodes")
    return decided, private_key


def carry_out(plan: ScalePlan, cluster: Cluster, private_key: key_pairs.PrivateKey, provisioner: Provisioner) -> Scaled:
    """Do what a plan says.

    :raises PartialError: when nodes are missing, or are still busy, afterwards; ``facts["result"]`` is what there is.
    """
    common = {**provisioner.extra_variables, **cluster_variables(cluster, private_key)}
    target = playbooks.PlaybookTarget(cluster.region, cluster.name)
    _remember(cluster, plan.after)
    results = []
    if plan.terminate:
        chosen = {"instance_ids": list(plan.terminate), "force": plan.force}
        results.append(playbooks.run("scale_in.yml", target, common | chosen))
        playbooks.raise_failure(results[-1])
    if plan.launches:
        launches = [{"node_type": kind, "count": count} for kind, count in plan.launches.items()]
        intent = _intent(cluster, plan)
        results.append(playbooks.run("scale_out.yml", target, common | {"launches": launches}, intent=intent))
    if plan.configure:
        results.append(playbooks.run("configure.yml", target, common))
    return _outcome(plan, nodes.refreshed(cluster), private_key, results)


def least_missed(workers: Sequence[Node], kind: NodeType, known: Mapping[str, EngineNode]) -> list[Node]:
    """Order a node type's workers by how little is lost with them: not in the engine, idle, then newest first."""

    def busy(node: Node) -> int:
        member = known.get(node.instance_id)
        return -1 if member is None else len(member.running)

    newest_first = sorted(workers, key=lambda node: (node.launched_at, node.instance_id), reverse=True)
    return sorted((node for node in newest_first if node.node_type == kind), key=busy)


def cluster_variables(cluster: Cluster, private_key: key_pairs.PrivateKey) -> dict[str, Any]:
    """Return the extra variables that name a cluster; its settings are in the tags of its security group."""
    return variables.extra_vars(
        cluster_name=cluster.name,
        region=cluster.region,
        ansible_ssh_private_key_file=str(private_key.path),
    )


def check_usable(cluster: Cluster) -> None:
    """Make sure that a cluster's workers may be changed.

    :raises ConflictError: when it is being destroyed, or its leader is not there, or stopped.
    """
    if cluster.settings.get(tags.STATE) == tags.DESTROYING:
        raise ConflictError(f"Cluster {cluster.name!r} is being destroyed.", "Finish it with destroy-cluster.")
    if absent := leaders.absence(cluster):
        raise ConflictError(absent.message, absent.next_step, cluster=cluster.name)


def _wanted(cluster: Cluster, request: ScaleRequest) -> dict[NodeType, int]:
    wanted = nodes.desired(cluster)
    if request.node_type is not None:
        if len(request.counts) != 1:
            raise UsageError("--node-type goes with one number of workers.", "Write -w N.", workers=request.counts)
        if request.node_type not in wanted:
            _check_new(cluster, request.node_type)
        return wanted | {request.node_type: request.counts[0]}
    if len(request.counts) != len(wanted):
        known = ", ".join(map(str, wanted)) or "none"
        raise UsageError(
            f"Cluster {cluster.name!r} has the node types {known}, and -w has "
            f"{number(len(request.counts), 'number')}.",
            "Give one number per node type, or name one with --node-type.",
            node_types=list(wanted), workers=request.counts,
        )  # fmt: skip
    return dict(zip(wanted, request.counts, strict=True))


def _check_new(cluster: Cluster, node_type: NodeType) -> None:
    """Check a node type that the cluster does not have yet as a launch would."""
    zones = cluster.settings.get(tags.ZONES, "").split(",")
    image = zones_and_images.image(cluster.region, cluster.settings.get(tags.AMI) or None)
    instance_types.check(cluster.region, zones, [node_type], image)


def _remember(cluster: Cluster, after: Mapping[str, int]) -> None:
    """Write the wanted numbers down first, so that after a crash everybody can see what is missing."""
    settings = {tags.WORKERS: worker_tags.keyed({NodeType.parse(kind): count for kind, count in after.items()})}
    if cluster.settings.get(tags.WORKERS) != settings[tags.WORKERS]:
        aws.client("ec2", cluster.region).create_tags(
            Resources=[cluster.security_group_id], Tags=tags.to_list(settings)
        )


def _intent(cluster: Cluster, plan: ScalePlan) -> str:
    """Name a scale-out by what it starts from: repeated after a crash it is the same, and launches nothing twice."""
    known = sorted(node.instance_id for node in cluster.workers)
    facts = repr((cluster.generation, known, sorted(plan.after.items())))
    return f"scale-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def _outcome(
    plan: ScalePlan, cluster: Cluster, private_key: key_pairs.PrivateKey, results: Sequence[playbooks.PlaybookResult]
) -> Scaled:
    members = nodes.wait_for_members(cluster, private_key.path, patiently=all(result.succeeded for result in results))
    scaled = Scaled(plan, nodes.lines(cluster, members.members))
    shortfalls = [one for result in results for one in result.data.get("shortfalls", ())]
    wanted = {NodeType.parse(kind): count for kind, count in plan.after.items()}
    missing = launch.missing_text(nodes.short_of(cluster, wanted), members, shortfalls)
    busy = [node.instance_id for node in cluster.workers if node.instance_id in plan.terminate]
    if busy:
        missing = "; ".join(filter(None, [missing, f"{', '.join(busy)} still run jobs"]))
    if missing:
        raise PartialError(
            f"Cluster {cluster.name!r} was scaled in part: {missing}.",
            f"{launch.advice(shortfalls)}The same command tries again for the rest.",
            result=scaled, missing=members.missing, busy=busy,
        )  # fmt: skip
    for result in results:
        playbooks.raise_failure(result)
    return scaled
