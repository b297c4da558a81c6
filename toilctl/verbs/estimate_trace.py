"""estimate trace: what a recorded run's jobs would need of an autoscaled cluster, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from toilctl import prices, variables
from toilctl.autoscaler import trace
from toilctl.autoscaler.facts import Facts
from toilctl.autoscaler.model import Infeasible, Offer
from toilctl.autoscaler.policy import NodeLimits, Policy
from toilctl.autoscaler.settings import Settings
from toilctl.autoscaler.simulate import simulate
from toilctl.autoscaler.simulated import HOUR_S, Simulated, Waits, most_at_once
from toilctl.cluster import Engine, Zone
from toilctl.errors import UsageError
from toilctl.node_types import NodeType, NodeTypes
from toilctl.verbs import access, offers, places, scaling, storage
from toilctl.verbs.launch import command
from toilctl.verbs.provisioner import Provisioner

BOOT_S: Final = 240.0
"""From a node's launch until it takes jobs: a guess, as the way of the appliance's image differs."""
NOTE: Final = "Jobs arrive when they did in the recording; on more or faster workers, later ones would arrive earlier."


@dataclass(frozen=True, kw_only=True)
class TraceRequest:
    """What was asked for; None and empty leave it to the shared defaults."""

    files: tuple[Path, ...]
    node_types: NodeTypes
    wish: scaling.Wish
    zones: tuple[Zone, ...] = ()
    region: str | None = None
    leader_node_type: NodeType | None = None
    node_storage_gb: tuple[int, ...] | None = None
    boot_s: float = BOOT_S


@dataclass(frozen=True)
class NodeUse:
    """A node type's workers over the whole run."""

    node_type: NodeType
    market: str
    max_nodes: int
    """How many were allowed."""
    most_at_once: int
    launched: int
    node_hours: float
    idle_hours: float
    """Of those, how many they could have run jobs and ran none."""
    usd: float
    """Spot at its bid."""
    price_estimated: bool
    """Whether the price is reckoned from the size, because none is known."""


@dataclass(frozen=True, kw_only=True)
class TraceEstimate:
    """What the recorded jobs need, and what to type to get it."""

    files: tuple[str, ...]
    region: str
    jobs: int
    """Those that ran."""
    recorded_s: float
    makespan_s: float
    nodes: tuple[NodeUse, ...]
    workers_usd: float
    at_most: bool
    """Whether bids are in it: spot costs what the market asks, and never more than that."""
    leader_node_type: NodeType
    leader_usd: float | None
    """None when its price is not known."""
    prices_as_of: str
    waits: Waits
    infeasible: tuple[Infeasible, ...]
    stuck: int
    """Jobs that could run and had no place when nothing happened any more."""
    unfinished: int
    """Jobs of the recording that are left out, for they never ended."""
    killed: int
    """Left out, too."""
    damaged_lines: int
    launch_command: str
    notes: tuple[str, ...] = field(default=(NOTE,))


def estimate(request: TraceRequest, provisioner: Provisioner) -> TraceEstimate:
    """Replay what was recorded against the autoscaler's own decisions, in simulated time.

    :raises UsageError: for files that are no traces, limits that cannot work, and instance types that are not there.
    """
    chosen = scaling.decide(request.wish, request.node_types)
    sizes = storage.sizes(request.node_types, request.node_storage_gb)
    region = places.region_of(request.zones, request.region)
    recorded = _read(request.files)
    zones = request.zones or (f"{region}a",)
    policy = Policy(chosen.limits, chosen.tuning, tuple(zones))
    on_offer = _offers(region, policy, sizes)
    jobs = (
        tuple(replace(job, shape=replace(job.shape, preemptible=True)) for job in recorded.jobs)
        if chosen.default_preemptible
        else recorded.jobs
    )
    found = simulate(jobs, policy, on_offer, request.boot_s)
    leader = request.leader_node_type or NodeType.parse(variables.defaults()["leader_node_type"])
    leader_cost = prices.cost(region, [(leader, 1)]).usd_per_hour
    uses = tuple(_use(limits, on_offer[limits.node_type], found) for limits in policy.limits)
    return TraceEstimate(
        files=tuple(map(str, request.files)),
        region=region,
        jobs=len(found.runs),
        recorded_s=round(recorded.recorded_s, 1),
        makespan_s=round(found.makespan_s, 1),
        nodes=uses,
        workers_usd=round(found.usd, 4),
        at_most=any(one.launched and one.node_type.preemptible for one in uses),
        leader_node_type=leader,
        leader_usd=None if leader_cost is None else round(leader_cost * found.makespan_s / HOUR_S, 4),
        prices_as_of=prices.AS_OF,
        waits=found.waits,
        infeasible=found.infeasible,
        stuck=found.stuck,
        unfinished=recorded.unfinished,
        killed=recorded.killed,
        damaged_lines=recorded.damaged_lines,
        launch_command=_launch_command(request, chosen, leader, provisioner),
        notes=tuple(_notes(chosen)),
    )


def _notes(chosen: scaling.Scaling) -> Iterable[str]:
    yield NOTE
    if chosen.default_preemptible:
        yield "--default-preemptible: all jobs may run on spot workers, also those that said no, which nobody can tell."


def _read(paths: Iterable[Path]) -> trace.Trace:
    """Read files as far as they are text.

    :raises UsageError: for one that cannot be read, or is no trace.
    """
    files: dict[str, list[str]] = {}
    for path in paths:
        try:
            files[str(path)] = path.read_text(errors="replace").splitlines()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"{path} cannot be read: {reason}.", trace.NEXT_STEP, file=path) from error
    return trace.read(files)


def _offers(region: str, policy: Policy, sizes: tuple[int, ...]) -> Mapping[NodeType, Offer]:
    """Return what each node type gives and costs."""
    access.check_identity(region)
    offers.describe(region, sorted({name for one in policy.node_types for name in one.instance_types}))
    each = sizes * len(policy.node_types) if len(sizes) == 1 else sizes
    disks = dict(zip(policy.node_types, each, strict=True))
    settings = Settings("estimate", region, Engine.MESOS, "", policy, disks, 0.0)
    return Facts().offers(settings, datetime.now(UTC))


def _use(limits: NodeLimits, offer: Offer, found: Simulated) -> NodeUse:
    lives = found.of(limits.node_type)
    return NodeUse(
        node_type=limits.node_type,
        market="spot" if limits.node_type.preemptible else "on demand",
        max_nodes=limits.max_nodes,
        most_at_once=most_at_once(lives),
        launched=len(lives),
        node_hours=round(sum(life.seconds for life in lives) / HOUR_S, 3),
        idle_hours=round(sum(life.idle_s for life in lives) / HOUR_S, 3),
        usd=round(sum(life.usd for life in lives), 4),
        price_estimated=offer.price_estimated,
    )


def _launch_command(request: TraceRequest, chosen: scaling.Scaling, leader: NodeType, provisioner: Provisioner) -> str:
    least, most = ([str(getattr(one, name)) for one in chosen.limits] for name in ("min_nodes", "max_nodes"))
    words = [f"--key-pair-name KEY --leader-node-type {leader} --node-types {chosen.node_types}"]
    words += [f"--max-nodes {','.join(most)}"]
    if set(least) != {"0"}:
        words += [f"--min-nodes {','.join(least)}"]
    for name, value in request.wish.tuning.items():
        words += [f"--{name.removesuffix('_s').replace('_', '-')} {str(value).removesuffix('.0')}"]
    if chosen.default_preemptible:
        words += ["--default-preemptible"]
    if request.node_storage_gb:
        words += [f"--node-storage {','.join(map(str, request.node_storage_gb))}"]
    return command("launch-cluster", "NAME", ",".join(request.zones) or "ZONE", provisioner, " ".join(words))
