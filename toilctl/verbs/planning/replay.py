"""Traces replayed against a policy: what estimate trace and autoscale simulate have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from toilctl.autoscaler.memory.spot_history import SpotHistory
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.observe.instance_facts import Facts
from toilctl.autoscaler.simulation import trace
from toilctl.autoscaler.simulation.hazards import NONE, Hazards
from toilctl.autoscaler.simulation.outcome import Simulated, most_at_once
from toilctl.autoscaler.simulation.simulate import simulate
from toilctl.autoscaler.simulation.trace import JobTrace, TraceJob
from toilctl.system import aws, instance_table, recordings
from toilctl.values import wording
from toilctl.values.cluster import Engine, Zone
from toilctl.values.errors import ToilctlError, UsageError
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.scaling_policy import NodeLimits, Policy
from toilctl.values.tuning import SETTINGS
from toilctl.values.units import HOUR_S, exact
from toilctl.verbs.checks import instance_types, zones_and_images
from toilctl.verbs.clusters.launch import command
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.settings import node_storage, scaling

BOOT_S: Final = 240.0
"""From a node's launch until it takes jobs: a guess, as the way of the appliance's image differs."""
_NEXT_STEP: Final = (
    "A run's traces are on its leader, /var/lib/toilctl/workflows/runs/RUN/trace-*.jsonl; "
    "'toilctl rsync-cluster NAME :PATH .' brings one here."
)
ARRIVALS: Final = (
    "Jobs arrive when they did in the recording; on more or faster workers, later ones would arrive earlier."
)


@dataclass(frozen=True, kw_only=True)
class WantedPolicy:
    """A policy as it was asked for; None and empty leave it to the shared defaults."""

    node_types: NodeTypes
    wish: scaling.ScalingWish
    zones: tuple[Zone, ...] = ()
    region: str | None = None
    node_storage_gb: tuple[int, ...] | None = None

    @property
    def where(self) -> str:
        """The region."""
        return zones_and_images.region_of(self.zones, self.region)


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


@dataclass(frozen=True)
class Replay:
    """What came of a policy."""

    wanted: WantedPolicy
    chosen: scaling.Scaling
    offers: Mapping[NodeType, Offer]
    found: Simulated
    asked: tuple[str, ...] = ()
    """The instance types whose sizes EC2 told."""

    @property
    def uses(self) -> tuple[NodeUse, ...]:
        """Each node type's workers, in the user's order."""
        return tuple(_use(limits, self.offers[limits.node_type], self.found) for limits in self.chosen.limits)

    @property
    def at_most(self) -> bool:
        """Whether bids are in the cost: spot costs what the market asks, and never more than that."""
        return any(life.node_type.preemptible for life in self.found.lives)

    def launch_command(self, leader: NodeType | None, provisioner: Provisioner) -> str:
        """Return what to type for a cluster with this policy."""
        limits, wanted = self.chosen.limits, self.wanted
        least, most = ([str(getattr(one, name)) for one in limits] for name in ("min_nodes", "max_nodes"))
        words = ["--key-pair-name KEY", *([f"--leader-node-type {leader}"] if leader else [])]
        words += [f"--node-types {self.chosen.node_types} --max-nodes {','.join(most)}"]
        if set(least) != {"0"}:
            words += [f"--min-nodes {','.join(least)}"]
        for name, value in wanted.wish.tuning.items():
            words += [f"{SETTINGS[name].flag} {exact(value)}"]
        if self.chosen.default_preemptible:
            words += ["--default-preemptible"]
        if wanted.node_storage_gb:
            words += [f"--node-storage {','.join(map(str, wanted.node_storage_gb))}"]
        return command("launch-cluster", "NAME", ",".join(wanted.zones) or "ZONE", provisioner, " ".join(words))


def read(paths: Iterable[Path]) -> JobTrace:
    """Read recordings as far as they are text, packed by gzip or not.

    :raises UsageError: for one that cannot be read, or is no trace.
    """
    files = {str(path): recordings.lines(path, _NEXT_STEP) for path in paths}
    try:
        return trace.read(files)
    except UsageError as error:
        raise UsageError(error.message, error.next_step or _NEXT_STEP, **error.facts) from None


def replay(jobs: Iterable[TraceJob], wanted: WantedPolicy, boot_s: float, hazards: Hazards = NONE) -> Replay:
    """Let the autoscaler decide on recorded jobs, in simulated time.

    :raises UsageError: for limits that cannot work, instance types that are not there, and nodes that boot for longer
        than the policy waits for them.
    """
    chosen = scaling.decide(wanted.wish, wanted.node_types)
    zones = wanted.zones or (f"{wanted.where}a",)
    policy = Policy(chosen.limits, chosen.tuning, tuple(zones))
    on_offer, asked = _offers(wanted, policy)
    if chosen.default_preemptible:
        jobs = (replace(job, shape=replace(job.shape, preemptible=True)) for job in jobs)
    try:
        return Replay(wanted, chosen, on_offer, simulate(jobs, policy, on_offer, boot_s, hazards), asked)
    except UsageError as error:
        raise UsageError(error.message, "Raise --join-deadline, or lower --boot-time.", **error.facts) from None


def notes(replays: Iterable[Replay], *, recorded: bool = True) -> Iterable[str]:
    """Return what a user may not expect of the numbers, one sentence each."""
    if recorded:
        yield ARRIVALS
    if any(one.chosen.default_preemptible for one in replays):
        yield "--default-preemptible: all jobs may run on spot workers, also those that said no, which nobody can tell."


def source(replays: Iterable[Replay]) -> str:
    """Say in a few words where prices and sizes are from."""
    asked = sorted({name for one in replays for name in one.asked})
    return instance_table.shipped().text + (f", and the sizes of {', '.join(asked)} from EC2" if asked else "")


def _offers(wanted: WantedPolicy, policy: Policy) -> tuple[Mapping[NodeType, Offer], tuple[str, ...]]:
    """Return what each node type gives and costs, and of which instance types EC2 had to be asked."""
    sizes, shipped = node_storage.sizes(wanted.node_types, wanted.node_storage_gb), instance_table.shipped().types
    names = {name for one in policy.node_types for name in one.instance_types}
    unknown = tuple(sorted(names - shipped.keys()))
    if unknown:
        _check_known(wanted.where, unknown)
    each = sizes * len(policy.node_types) if len(sizes) == 1 else sizes
    disks = dict(zip(policy.node_types, each, strict=True))
    settings = AutoscalerSettings("replay", wanted.where, Engine.MESOS, "", policy, disks, 0.0)
    facts = Facts()
    facts.know(shipped[name] for name in names & shipped.keys())
    if unknown:
        facts.describe(settings, (), datetime.now(UTC))
    # Bids, since nobody knows what the market will ask.
    return facts.offers(settings, SpotHistory()), unknown


def _check_known(region: str, names: Sequence[str]) -> None:
    """Make sure that EC2 has instance types which the shipped table does not have.

    :raises UsageError: for one that there is not, and when EC2 cannot be asked.
    """
    try:
        instance_types.describe(region, names)
    except Exception as error:
        reason = error if isinstance(error, ToilctlError) else aws.explain(error)
        if isinstance(error, UsageError) or reason is None:
            raise
        table = instance_table.shipped()
        close = get_close_matches(names[0], table.types, n=3)
        meant = f"Did you mean {' or '.join(close)}? " if close else ""
        raise UsageError(
            f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not in {table.text}, and EC2 cannot be asked: "
            f"{reason.message}",
            f"{meant}{reason.next_step}", instance_types=names, close=close,
        ) from error  # fmt: skip


def _use(limits: NodeLimits, offer: Offer, found: Simulated) -> NodeUse:
    lives = found.of(limits.node_type)
    return NodeUse(
        node_type=limits.node_type,
        market=wording.market(limits.node_type.preemptible),
        max_nodes=limits.max_nodes,
        most_at_once=most_at_once(lives),
        launched=len(lives),
        node_hours=round(sum(life.seconds for life in lives) / HOUR_S, 3),
        idle_hours=round(sum(life.idle_s for life in lives) / HOUR_S, 3),
        usd=round(sum(life.usd for life in lives), 4),
        price_estimated=offer.price_estimated,
    )
