"""Snapshots and policies of which a test names only what matters."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from toilctl.autoscaler.model.snapshot import BackOff, NodeView, Offer, Offering, SetAside, Snapshot
from toilctl.system import variables
from toilctl.values.capacity import InstanceType, Resources, allocatable
from toilctl.values.cluster import NodeState
from toilctl.values.jobs import Demand, Job, Shape
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits, NodeLimits, Policy
from toilctl.values.tuning import Tuning

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SPOT, MEMORY = "c4.8xlarge:0.6", "r3.8xlarge"
ZONE = "us-west-2a"

_SIZES = {
    "c4.8xlarge": (36, 60, 0, 1.591), "r3.8xlarge": (32, 244, 640, 2.66), "m5.large": (2, 8, 0, 0.096),
    "m5.xlarge": (4, 16, 0, 0.192), "c5.9xlarge": (36, 72, 0, 1.53),
}  # fmt: skip
"""Of EC2, by instance type: vCPUs, GiB of memory, GB of instance store, USD per hour in us-west-2."""
_numbers = itertools.count()


def ago(seconds: float) -> datetime:
    """Return a moment before NOW."""
    return NOW - timedelta(seconds=seconds)


def shape(cores: float = 1, memory_gb: float = 1, disk_gb: float = 1, preemptible: bool = False) -> Shape:
    """Return a shape; a small one that must not be interrupted unless told otherwise."""
    return Shape(cores, int(memory_gb * 1024), int(disk_gb * 1024), preemptible)


def job(name: str = "sort", node: str | None = None, since: datetime | None = None, service: bool = False,
        held: str = "", **needed: float) -> Job:  # fmt: skip
    """Return a job that waits, or runs on a node."""
    return Job(f"job-{next(_numbers)}", name, shape(**needed), node, since, service, held)  # type: ignore[arg-type]


def jobs(count: int, **what: object) -> list[Job]:
    """Return several like that."""
    return [job(**what) for _ in range(count)]  # type: ignore[arg-type]


def offer(node_type: str, price: float | None = None, storage_gb: int = 50) -> Offer:
    """Return what a node type gives, as the autoscaler reckons it."""
    parsed = NodeType.parse(node_type)
    vcpus, memory_gb, store_gb, on_demand = _SIZES[parsed.instance_types[0]]
    facts = InstanceType(parsed.instance_types[0], vcpus, memory_gb * 1024, store_gb)
    cost = parsed.spot_bid if parsed.spot_bid is not None else on_demand
    return Offer(
        parsed, allocatable(facts, storage_gb), cost if price is None else price, vcpus, most_usd_per_hour=cost,
        equivalents=(facts,), storage_gb=storage_gb,
    )  # fmt: skip


def node(instance_id: str = "i-1", node_type: str = MEMORY, *, state: NodeState | None = NodeState.JOINED,
         running: Sequence[str] = (), idle_s: float | None = None, age_s: float = 3600, ec2_state: str = "running",
         missing_s: float | None = None, resources: Resources | None = None, **more: object) -> NodeView:  # fmt: skip
    """Return a joined node that runs nothing, unless told otherwise; times are in seconds before NOW."""
    parsed = NodeType.parse(node_type)
    joined = state is not None
    return NodeView(
        instance_id, parsed, parsed.instance_types[0], ZONE, ec2_state, ago(age_s), intent="auto-1", engine_state=state,
        running=tuple(running), resources=(resources or offer(node_type).resources) if joined else None,
        idle_since=None if idle_s is None else ago(idle_s),
        missing_since=None if missing_s is None else ago(missing_s), **{"joined_before": joined, **more},  # type: ignore[arg-type]
    )  # fmt: skip


def booting(instance_id: str = "i-1", node_type: str = MEMORY, **more: object) -> NodeView:
    """Return a node that a playbook is setting up."""
    values = {"state": None, "age_s": 60, "set_up_by": "auto-1"}
    return node(instance_id, node_type, **(values | more))  # type: ignore[arg-type]


def busy(instance_id: str = "i-1", node_type: str = MEMORY, count: int = 1, cores: float = 32, **what: object) -> tuple[
    NodeView, list[Job]
]:  # fmt: skip
    """Return a node and the jobs that run there."""
    there = [job(node=instance_id, cores=cores, **what) for _ in range(count)]  # type: ignore[arg-type]
    return node(instance_id, node_type, running=[one.job_id for one in there]), there


def aside(node_type: str, code: str = "InsufficientInstanceCapacity", for_s: float = 180, zone: str = ZONE) -> list[
    SetAside
]:  # fmt: skip
    """Set aside all offerings of a node type in a zone."""
    parsed = NodeType.parse(node_type)
    return [
        SetAside(Offering(kind, zone, parsed.preemptible), NOW + timedelta(seconds=for_s), code)
        for kind in parsed.instance_types
    ]


def backed_off(node_type: str, for_s: float = 600, error: str = "ssh did not answer") -> BackOff:
    """Back a node type off after three failures."""
    return BackOff(NodeType.parse(node_type), 3, NOW + timedelta(seconds=for_s), error)


def snapshot(
    jobs: Iterable[Job] = (), nodes: Iterable[NodeView] = (), run_times_s: Mapping[str, float] | None = None,
    offers: Iterable[Offer] | None = None, requested: Mapping[str, int] | None = None,
    smoothed: Mapping[str, float] | None = None, **more: object,
) -> Snapshot:  # fmt: skip
    """Return a snapshot; by default all node types that the builders know are on offer."""
    kinds = [SPOT, MEMORY, "m5.large", "m5.large:0.05", "m5.xlarge", "m5.xlarge:0.1", "c4.8xlarge/c5.9xlarge:0.6"]
    known = [offer(kind) for kind in kinds] if offers is None else offers
    return Snapshot(
        nodes=tuple(nodes), demand=Demand(tuple(jobs), run_times_s or {}),
        offers={one.node_type: one for one in known},
        requested={NodeType.parse(one): count for one, count in (requested or {}).items()},
        smoothed={NodeType.parse(one): count for one, count in (smoothed or {}).items()}, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def tuning(**values: float) -> Tuning:
    """Return the shared defaults with some changed, but without inertia."""
    return Tuning.of({**variables.defaults(), "beta_inertia": 0, **values})


def policy(
    node_types: Sequence[str] = (SPOT, MEMORY), most: int | Sequence[int] = 10, least: int | Sequence[int] = 0,
    zones: Sequence[str] = (ZONE,), paused: bool = False, **values: float,
) -> Policy:  # fmt: skip
    """Return a policy with the same limits for all node types, or those given."""
    highs = [most] * len(node_types) if isinstance(most, int) else most
    lows = [least] * len(node_types) if isinstance(least, int) else least
    limits = Limits(
        NodeLimits(NodeType.parse(kind), low, high) for kind, low, high in zip(node_types, lows, highs, strict=True)
    )
    return Policy(limits, tuning(**values), tuple(zones), paused)


def types(counts: Mapping[NodeType, int]) -> dict[str, int]:
    """Return counts by the node types' strings."""
    return {str(node_type): count for node_type, count in counts.items() if count}
