"""What node types give and cost, and the account's quota: asked of AWS once, and kept."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from toilctl.autoscaler.memory.spot_history import SpotHistory
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.observe.price_cache import PricesKnown
from toilctl.engines.client import EngineNode
from toilctl.system import aws, inventory, price_table, quotas
from toilctl.values.aws_limits import FILTER_VALUES
from toilctl.values.capacity import InstanceType, Resources, allocatable
from toilctl.values.cluster import Node, Role
from toilctl.values.node_types import NodeType
from toilctl.values.units import HOUR_S

ASK_AGAIN_S: Final = HOUR_S
"""For a quota, which rarely changes."""
UNKNOWN_S: Final = 300.0
"""For an instance type that EC2 did not tell of."""
_UNKNOWN_GB: Final = 0
"""The root volume of a node whose tag does not tell it."""
_Key = tuple[NodeType, str]
_SizeKey = tuple[NodeType, str, int]
"""The root volume, GB, is in it: nodes from before a change have other disks, and the same of all else."""


class Facts:
    """One region's instance types and quotas, and what joined nodes were found to have."""

    def __init__(self) -> None:
        self._types: dict[str, InstanceType] = {}
        self._ask_after: dict[str, datetime] = {}
        self._quotas: dict[bool, tuple[float | None, datetime]] = {}
        self._measured: dict[_Key, Resources] = {}
        self._disks_mib: dict[_SizeKey, int] = {}
        self._prices = PricesKnown()
        self._leader: tuple[Node | None, datetime] | None = None

    def measure(self, nodes: Iterable[Node], members: Mapping[str, EngineNode]) -> None:
        """Keep what joined nodes report."""
        reported: dict[_Key, list[Resources]] = {}
        disks: dict[_SizeKey, list[int]] = {}
        for node in nodes:
            if member := members.get(node.instance_id):
                key = node.node_type, node.instance_type
                reported.setdefault(key, []).append(member.resources)
                disks.setdefault((*key, node.storage_gb), []).append(member.resources.disk_mib)
        self._measured |= {key: _typical(found) for key, found in reported.items()}
        self._disks_mib |= {key: statistics.median_low(found) for key, found in disks.items()}

    def know(self, sizes: Iterable[InstanceType]) -> None:
        """Take sizes of instance types as they are, which EC2 need not be asked for."""
        self._types |= {one.name: one for one in sizes}

    def describe(self, settings: AutoscalerSettings, nodes: Iterable[Node], now: datetime) -> None:
        """Ask EC2 for the sizes of the instance types that there are, or may be, and are not known yet.

        :raises Exception: boto3's, when EC2 does not tell of some; what it tells of others is known then.
        """
        self._describe(settings.region, {*_allowed(settings), *(node.instance_type for node in nodes)}, now)

    def price(self, settings: AutoscalerSettings, nodes: Iterable[Node], now: datetime) -> None:
        """Ask AWS for prices that are not known yet, or too old; what it does not tell, the shipped table may.

        Of what EC2 has not told to be an instance type, no price is asked: one such name may spoil the answer for all.
        """
        nodes = tuple(nodes)
        spot = {name for one in settings.policy.node_types if one.preemptible for name in one.instance_types}
        spot |= {node.instance_type for node in nodes if node.spot}
        there = {node.instance_type for node in nodes}
        known = self._types.keys() | there
        self._prices.learn(settings.region, (_allowed(settings) | there) & known, spot & known, now)

    def offers(self, settings: AutoscalerSettings, spot: SpotHistory) -> dict[NodeType, Offer]:
        """Return what each of the policy's node types gives and costs; those of which nothing is known are missing."""
        found = {one: self._offer(settings, one, spot) for one in settings.policy.node_types}
        return {node_type: offer for node_type, offer in found.items() if offer}

    def prices(self, settings: AutoscalerSettings, nodes: Iterable[Node]) -> dict[str, float]:
        """Return what each node costs in USD per hour; nodes without a known price are missing.

        Spot costs what the market asks, at most its bid; the bid where the market's price is not known. Root volumes
        and public addresses are in it.
        """
        nodes = tuple(nodes)
        costs = {node.instance_id: self._node_price(settings.region, node) for node in nodes}
        beside = {node.instance_id: self.beside(node.storage_gb) for node in nodes}
        return {one: cost + beside[one] for one, cost in costs.items() if cost is not None}

    def beside(self, root_gb: int) -> float:
        """Return what a node costs in USD per hour beside its instance; it has a public address if the leader has."""
        leader = self._leader[0] if self._leader else None
        return price_table.beside(root_gb, public_address=leader is None or leader.public_address is not None)

    def leader(self, settings: AutoscalerSettings, now: datetime) -> Node | None:
        """Return the leader; None when EC2 does not list it."""
        if self._leader is None or self._leader[1] <= now:
            found = inventory.instances_of(settings.region, settings.cluster, Role.LEADER, ("pending", "running"))
            self._leader = next(iter(found), None), now + timedelta(seconds=ASK_AGAIN_S)
        return self._leader[0]

    def quotas(self, settings: AutoscalerSettings, now: datetime) -> dict[bool, float]:
        """Return the vCPU quotas, by ``spot``, that bound the policy's node types, where they can be known."""
        wanted = {one.preemptible for one in settings.policy.node_types if quotas.are_standard(one.instance_types)}
        # Another family has a quota of its own: then the standard one says nothing of their sum.
        wanted -= {one.preemptible for one in settings.policy.node_types if not quotas.are_standard(one.instance_types)}
        found = {spot: self._quota(settings.region, spot, now) for spot in sorted(wanted)}
        return {spot: quota for spot, quota in found.items() if quota is not None}

    def _offer(self, settings: AutoscalerSettings, node_type: NodeType, spot: SpotHistory) -> Offer | None:
        known = [self._types[name] for name in node_type.instance_types if name in self._types]
        if len(known) < len(node_type.instance_types):
            return None
        told = [self._expected(settings, node_type, one.name, spot) for one in known]
        costs = [
            price_table.estimated(one.vcpus, one.memory_mib) if cost is None else cost
            for one, cost in zip(known, told, strict=True)
        ]
        root_gb = settings.storage_gb[node_type]
        beside = self.beside(root_gb)
        return Offer(
            node_type,
            _each(min, [self._size(node_type, one, root_gb) for one in known]),
            max(costs) + beside,
            max(one.vcpus for one in known),
            price_estimated=None in told,
            most_usd_per_hour=None if None in told else (node_type.spot_bid or max(costs)) + beside,
            beside_usd_per_hour=beside,
            equivalents=tuple(known),
            storage_gb=root_gb,
        )

    def _size(self, node_type: NodeType, instance_type: InstanceType, root_gb: int) -> Resources:
        nominal = allocatable(instance_type, root_gb)
        key = node_type, instance_type.name
        measured = self._measured.get(key)
        if measured is None:
            return nominal
        disk_mib = self._disks_mib.get((*key, root_gb)) or self._disks_mib.get((*key, _UNKNOWN_GB))
        # What an engine does not tell of is 0.
        told = Resources(
            measured.cores or nominal.cores, measured.memory_mib or nominal.memory_mib, disk_mib or nominal.disk_mib
        )
        return _each(min, [nominal, told])

    def _expected(
        self, settings: AutoscalerSettings, node_type: NodeType, instance_type: str, spot: SpotHistory
    ) -> float | None:
        """Return USD per hour: of spot the least price of all zones, and what is lost with interruptions."""
        if node_type.spot_bid is None:
            return self._prices.on_demand(settings.region, instance_type)
        asked = [self._prices.spot(instance_type, zone) for zone in settings.policy.zones]
        least = min((price for price in asked if price is not None), default=node_type.spot_bid)
        return min(least, node_type.spot_bid) * spot.loss_factor(instance_type)

    def _node_price(self, region: str, node: Node) -> float | None:
        if node.node_type.spot_bid is None:
            return self._prices.on_demand(region, node.instance_type)
        asked = self._prices.spot(node.instance_type, node.zone)
        return node.node_type.spot_bid if asked is None else min(asked, node.node_type.spot_bid)

    def _describe(self, region: str, names: Iterable[str], now: datetime) -> None:
        self._ask_after = {name: after for name, after in self._ask_after.items() if after > now}
        unknown = sorted(name for name in names if name not in self._types and name not in self._ask_after)
        problem: Exception | None = None
        for begin in range(0, len(unknown), FILTER_VALUES):
            asked = unknown[begin : begin + FILTER_VALUES]
            try:
                self._types |= _described(region, asked)
                self._ask_after |= dict.fromkeys(asked, now + timedelta(seconds=UNKNOWN_S))
            except Exception as error:  # One part's mishap is none of the others'.
                problem = error
        if problem:
            raise problem

    def _quota(self, region: str, spot: bool, now: datetime) -> float | None:
        known = self._quotas.get(spot)
        if known is None or known[1] <= now:
            known = self._quotas[spot] = quotas.vcpus(region, spot=spot), now + timedelta(seconds=ASK_AGAIN_S)
        return known[0]


def _allowed(settings: AutoscalerSettings) -> set[str]:
    return {name for one in settings.policy.node_types for name in one.instance_types}


def _described(region: str, names: list[str]) -> dict[str, InstanceType]:
    """Return what EC2 knows of some instance types, at most ``FILTER_VALUES`` of them."""
    # A filter passes over names that EC2 does not know, where a list of names is refused for one of them.
    wanted = [{"Name": "instance-type", "Values": names}]
    found = aws.pages("ec2", region, "describe_instance_types", "InstanceTypes", Filters=wanted)
    return {one["InstanceType"]: _instance_type(one) for one in found}


def _instance_type(described: Mapping[str, Any]) -> InstanceType:
    store = described.get("InstanceStorageInfo", {})
    return InstanceType(
        described["InstanceType"],
        described["VCpuInfo"]["DefaultVCpus"],
        described["MemoryInfo"]["SizeInMiB"],
        store.get("TotalSizeInGB", 0),
    )


def _typical(reported: list[Resources]) -> Resources:
    """Return the median: one sick node that reports next to nothing makes no job infeasible."""
    return _each(statistics.median_low, reported)


def _each(choose: Callable[[list[float]], float], of: Iterable[Resources]) -> Resources:
    found = list(of)
    return replace(
        found[0],
        cores=choose([one.cores for one in found]),
        memory_mib=int(choose([one.memory_mib for one in found])),
        disk_mib=int(choose([one.disk_mib for one in found])),
    )
