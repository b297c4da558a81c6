"""One look at the world: EC2's listing, the engine's word, prices and quotas, and what this process remembers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Final

from toilctl import engines
from toilctl.autoscaler.journal.costs import Priced
from toilctl.autoscaler.memory.limits_asked import LimitsAsked
from toilctl.autoscaler.memory.nodes_seen import Acquaintance
from toilctl.autoscaler.memory.playbook_runs import OWN_INTENT, UnderWay
from toilctl.autoscaler.memory.refusals import Failures, Refusals
from toilctl.autoscaler.memory.spot_history import TAKEN_CODE, SpotHistory
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.autoscaler.model.snapshot import NodeView, Snapshot
from toilctl.autoscaler.model.workflow_limits import Wish
from toilctl.autoscaler.observe.instance_facts import Facts
from toilctl.autoscaler.observe.spot_notices import SpotNotices
from toilctl.engines import client
from toilctl.engines.client import EngineClient, EngineNode
from toilctl.engines.published import Published
from toilctl.system import inventory
from toilctl.values.aws_errors import CLIENT_ERROR, DISK_KEY_REFUSED
from toilctl.values.cluster import Node, NodeState, Role
from toilctl.values.errors import EngineError, ToilctlError
from toilctl.values.jobs import Demand
from toilctl.values.node_types import NodeType

LIVE: Final = ("pending", "running", "stopping", "stopped")
"""EC2's states of instances that are there; others have gone, or cannot be kept from going."""
ENDED: Final = ("shutting-down", "terminated")
_ASK_S: Final = 60.0
_IN_LEADER: Final = ("docker", "exec", "toil_leader")


@dataclass
class Memory:
    """What this process remembers from tick to tick."""

    acquaintance: Acquaintance = field(default_factory=Acquaintance)
    facts: Facts = field(default_factory=Facts)
    refusals: Refusals = field(default_factory=Refusals)
    failures: Failures = field(default_factory=Failures)
    under_way: UnderWay = field(default_factory=UnderWay)
    smoothed: Mapping[NodeType, float] = field(default_factory=dict)
    notices: SpotNotices = field(default_factory=SpotNotices)
    spot: SpotHistory = field(default_factory=SpotHistory)
    asked: LimitsAsked = field(default_factory=LimitsAsked)
    spot_ids: frozenset[str] = frozenset()
    """The spot nodes that there are."""


@dataclass(frozen=True)
class Observation:
    """A snapshot, and by what names EC2 and the engine know its nodes."""

    snapshot: Snapshot
    nodes: Mapping[str, Node]
    """By instance id."""
    members: Mapping[str, EngineNode]
    """Those that the engine has, by instance id; none when it does not answer."""
    priced: tuple[Priced, ...] = ()
    """All nodes, the leader among them, with what they cost."""


def in_leader(words: Sequence[str]) -> str:
    """Run words in the leader's container, from the leader itself."""
    done = subprocess.run(
        [*_IN_LEADER, *words], capture_output=True, text=True, encoding="utf-8", errors="replace", check=True,
        timeout=_ASK_S,
    )  # fmt: skip
    return done.stdout


@cache
def published() -> Published:
    """Return what workflows publish: one reader for the life of the process, since it remembers what it has read."""
    return Published()


def engine_of(settings: AutoscalerSettings) -> EngineClient:
    """Return the engine as the leader reaches it."""
    return engines.of(settings.engine, in_leader, settings.leader_address, published())


def asked_for() -> tuple[Wish, ...]:
    """Return what workflows ask for while they run."""
    return tuple(Wish(one.name, one.limits, one.tuning, one.storage) for one in published().workflows() if one.limits)


def unread() -> tuple[str, ...]:
    """Return what could not be read when workflows were last asked, a sentence each."""
    return published().problems()


def observe(
    settings: AutoscalerSettings, engine: EngineClient, memory: Memory, now: datetime, spent_usd: float = 0.0
) -> Observation:
    """Look once at everything.

    :param spent_usd: what the cluster has cost so far.
    :raises Exception: boto3's, when EC2 does not answer: without its listing nothing is known. An engine that does
        not answer is part of the snapshot.
    """
    nodes = inventory.instances_of(settings.region, settings.cluster, Role.WORKER, LIVE)
    known, demand, problem = _ask(engine)
    members = client.join(known, nodes)
    changes = memory.acquaintance.see(nodes, members, now, engine_answers=not problem)
    for node_type in changes.joined:
        memory.failures.joined(node_type)
    listed = {node.instance_id for node in nodes}
    strangers = {one.instance_id: one for one in known if one.instance_id and one.instance_id not in listed}
    ended = _ended(settings, memory, strangers.keys() | changes.gone, now)
    memory.under_way.ended(ended)
    taken = {instance_id for instance_id, node in ended.items() if node.ended_by == TAKEN_CODE}
    memory.spot.taken(sorted(taken), now)
    for instance_id, node_type in changes.ended.items():
        if instance_id not in taken and not memory.under_way.leaving(instance_id, now):
            early = instance_id in ended and ended[instance_id].ended_by == CLIENT_ERROR
            why = f": {DISK_KEY_REFUSED}" if early else ""
            memory.failures.add(node_type, f"{instance_id} ended before it joined{why}", now)
    memory.facts.measure(nodes, members)
    for instance_id in sorted(ended.keys() & strangers.keys()):
        with suppress(EngineError):
            # It would find out by itself, in minutes; what ran there waits for that.
            engine.lost(strangers[instance_id])
    snapshot = _snapshot(settings, memory, nodes, members, now, _located(demand, members), problem)
    memory.spot_ids = frozenset(node.instance_id for node in nodes if node.spot)
    memory.spot.see(snapshot.nodes, snapshot.demand.jobs, now)
    priced = tuple(_priced(settings, memory, nodes, now))
    leader_usd = sum(one.usd_per_hour or 0.0 for one in priced if one.role == Role.LEADER)
    emptied = memory.spot.emptied(now)
    snapshot = replace(snapshot, emptied=emptied, leader_usd_per_hour=leader_usd, spent_usd=spent_usd)
    return Observation(snapshot, {node.instance_id: node for node in nodes}, members, priced)


def _priced(settings: AutoscalerSettings, memory: Memory, nodes: Sequence[Node], now: datetime) -> Iterator[Priced]:
    leader = memory.facts.leader(settings, now)
    everything = (*((leader,) if leader else ()), *nodes)
    known = memory.facts.prices(settings, everything)
    for node in everything:
        yield Priced(node.role, node.node_type, known.get(node.instance_id))


def _ended(settings: AutoscalerSettings, memory: Memory, instance_ids: Iterable[str], now: datetime) -> dict[str, Node]:
    """Return those of some nodes that EC2 has ended, and nobody here."""
    unexplained = {one for one in instance_ids if not memory.under_way.leaving(one, now)}
    if not unexplained:
        return {}
    ended = inventory.instances_of(settings.region, settings.cluster, Role.WORKER, ENDED)
    return {node.instance_id: node for node in ended if node.instance_id in unexplained}


def _ask(engine: EngineClient) -> tuple[tuple[EngineNode, ...], Demand, str]:
    """Return the engine's nodes, its jobs, and why its word cannot be trusted, if so."""
    nodes: tuple[EngineNode, ...] = ()
    try:
        nodes = engine.nodes()
        return nodes, engine.demand(), ""
    except ToilctlError as error:
        return nodes, Demand(), error.message
    except Exception as error:  # What no parser foresaw is as little to be trusted.
        return nodes, Demand(), f"The engine's answer cannot be read: {type(error).__name__}: {error}."


def _snapshot(  # noqa: PLR0913, PLR0917 - all that a tick has gathered
    settings: AutoscalerSettings, memory: Memory, nodes: Sequence[Node], members: Mapping[str, EngineNode],
    now: datetime, demand: Demand, problem: str,
) -> Snapshot:  # fmt: skip
    leader = memory.facts.leader(settings, now)
    everything = (*nodes, *((leader,) if leader else ()))
    try:
        memory.facts.describe(settings, everything, now)
    except Exception:  # The next tick asks again; until then those serve of which something is known.
        if not memory.facts.offers(settings, memory.spot):
            raise
    memory.facts.price(settings, everything, now)
    costs = memory.facts.prices(settings, nodes)
    notices = memory.notices.of(nodes, now)
    return Snapshot(
        nodes=tuple(
            replace(
                _view(node, members.get(node.instance_id), memory, costs, now),
                fixed=not (settings.limited or node.intent.startswith(OWN_INTENT)),
                notice=notices.get(node.instance_id),
            )
            for node in nodes
        ),
        demand=demand,
        offers=memory.facts.offers(settings, memory.spot),
        requested=memory.under_way.requested(nodes, now),
        set_aside=memory.refusals.active(now),
        back_offs=memory.failures.back_offs(),
        smoothed=memory.smoothed,
        quota_vcpus=memory.facts.quotas(settings, now),
        short_since=memory.refusals.short_since(),
        engine_problem=problem,
    )


def _located(demand: Demand, members: Mapping[str, EngineNode]) -> Demand:
    """Name nodes by their instance ids, where an engine tells its own names or private addresses."""
    names = {member.private_address: instance_id for instance_id, member in members.items() if member.private_address}
    names |= {member.name: instance_id for instance_id, member in members.items()}
    if all(name == instance_id for name, instance_id in names.items()):
        return demand
    jobs = (replace(job, node=names.get(job.node, job.node)) if job.node else job for job in demand.jobs)
    return replace(demand, jobs=tuple(jobs))


def _view(node: Node, member: EngineNode | None, memory: Memory, costs: Mapping[str, float], now: datetime) -> NodeView:
    known, instance_id = memory.acquaintance, node.instance_id
    return NodeView(
        instance_id=instance_id,
        node_type=node.node_type,
        instance_type=node.instance_type,
        zone=node.zone,
        ec2_state=node.state,
        launched_at=datetime.fromisoformat(node.launched_at),
        intent=node.intent,
        engine_state=member.state if member else None,
        running=member.running if member else (),
        resources=member.resources if member else None,
        idle_since=_idle_since(member, known.idle_since.get(instance_id)),
        missing_since=known.missing_since.get(instance_id),
        joined_before=instance_id in known.joined,
        set_up_by=memory.under_way.setting_up(node, now),
        leaving=memory.under_way.leaving(instance_id, now),
        usd_per_hour=costs.get(instance_id),
        storage_gb=node.storage_gb,
        beside_usd_per_hour=memory.facts.beside(node.storage_gb),
    )


def _idle_since(member: EngineNode | None, first_seen: datetime | None) -> datetime | None:
    if member is None or not member.idle or member.state is NodeState.DOWN:
        return None
    return member.idle_since or first_seen
