"""What a workflow's cluster may grow to: workers, EC2's quotas for them, and the highest cost; asks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from toilctl.system import instance_table, inventory, price_table, quotas, variables
from toilctl.values.cluster import Role, Zone
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.wording import market
from toilctl.workflows import cactus as documented

_PRICED_IN: Final = "us-west-2"
"""When no region is known; Cactus's documentation runs there, too."""


@dataclass(frozen=True)
class NodeEstimate:
    """The leader, or a node type's workers at their maximum."""

    role: Role
    node_type: NodeType
    market: str
    max_nodes: int
    vcpus: int
    """Of all of them."""
    usd_per_hour: float | None
    """Of all of them, spot at its bid; None when the price is not known."""


@dataclass(frozen=True)
class QuotaEstimate:
    """One of EC2's quotas, and how much of it is needed."""

    market: str
    code: str
    name: str
    vcpus: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a workflow's cluster may grow to, and what to type for it."""

    workflow: str
    genomes: int
    size: documented.Size
    single_machine: bool
    """Whether a leader without workers is recommended."""
    region: str
    """Whose prices these are."""
    node_types: NodeTypes
    max_nodes: tuple[int, ...]
    nodes: tuple[NodeEstimate, ...]
    quotas: tuple[QuotaEstimate, ...]
    cost_at_maximum: price_table.Cost
    prices_as_of: str
    source: str
    """Where prices and sizes of instance types are from."""
    launch_command: str
    run_command: str


def cactus(
    genomes: documented.Genomes, size: documented.Size, zone: Zone | None = None, region: str | None = None
) -> Estimate:
    """Say what Cactus's documentation reckons with for so many genomes of a size.

    :raises UsageError: when zone and region disagree, or there is no such region.
    """
    named = inventory.named_region(zone, region)
    priced_in, table = named or _PRICED_IN, instance_table.shipped()
    workers = documented.workers(genomes, size)
    leader = documented.LEADER if workers else documented.SINGLE_MACHINE
    leader_gb, node_gb = (int(variables.defaults()[name]) for name in ("leader_storage_gb", "node_storage_gb"))
    billed = (price_table.Nodes(leader, 1, leader_gb), *(price_table.Nodes(*one, node_gb) for one in workers))
    roles = (Role.LEADER, *(Role.WORKER for _ in workers))
    nodes = tuple(_nodes(role, one, priced_in) for role, one in zip(roles, billed, strict=True))
    return Estimate(
        workflow="cactus",
        genomes=genomes,
        size=size,
        single_machine=not workers,
        region=priced_in,
        node_types=NodeTypes(node_type for node_type, _ in workers),
        max_nodes=tuple(count for _, count in workers),
        nodes=nodes,
        quotas=tuple(_quotas(nodes)),
        cost_at_maximum=price_table.cost(priced_in, billed),
        prices_as_of=table.prices_as_of,
        source=table.text,
        launch_command=_launch_command(zone, leader, workers),
        run_command=_run_command(named, bool(workers)),
    )


def _nodes(role: Role, billed: price_table.Nodes, region: str) -> NodeEstimate:
    node_type, count = billed.node_type, billed.count
    types = instance_table.shipped().types
    vcpus = max(types[name].vcpus for name in node_type.instance_types)
    cost = price_table.cost(region, [billed])
    return NodeEstimate(role, node_type, market(node_type.preemptible), count, count * vcpus, cost.usd_per_hour)


def _quotas(nodes: tuple[NodeEstimate, ...]) -> Iterator[QuotaEstimate]:
    """Add up by market, those with a need only: every instance type here is of a standard family."""
    for spot in (True, False):
        vcpus = sum(one.vcpus for one in nodes if one.node_type.preemptible is spot)
        if vcpus:
            yield QuotaEstimate(market(spot), quotas.CODES[spot], quotas.NAMES[spot], vcpus)


def _launch_command(zone: Zone | None, leader: NodeType, workers: tuple[tuple[NodeType, int], ...]) -> str:
    words = [f"toilctl launch-cluster NAME -z {zone or 'ZONE'} --key-pair-name KEY --leader-node-type {leader}"]
    if workers:
        types, counts = zip(*workers, strict=True)
        words += [f"--node-types {NodeTypes(types)}", f"--max-nodes {','.join(map(str, counts))}"]
        # The numbers are from when Cactus called its aligning jobs preemptible, as it now does its first ones alone.
        words += ["--default-preemptible"]
    return " ".join(words)


def _run_command(region: str | None, on_workers: bool) -> str:
    if on_workers:
        job_store, options = f"aws:{region or 'REGION'}:JOBSTORE", f"--consCores {documented.CONSOLIDATION_CORES}"
    else:
        job_store, options = "file:/var/lib/toil/JOBSTORE", "--batchSystem single_machine"
    return f"toilctl run NAME -- cactus {job_store} seqFile.txt output.hal {options}"
