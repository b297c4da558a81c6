"""What each node type lacks for a job that fits none, and the one change of the settings that helps it most easily."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from toilctl.autoscaler.decide.supply import Supply
from toilctl.autoscaler.model.advice import Advice, Remedy
from toilctl.autoscaler.model.plan import Lack
from toilctl.autoscaler.model.settings import DEFAULT_STORAGE_GB
from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.packing.pack import lacking
from toilctl.values.capacity import InstanceType, instance_store_gb_for, memory_gib_for, root_gb_for
from toilctl.values.jobs import Shape

NODES: Final = "nodes"
PREEMPTIBLE: Final = "preemptible"
_DISK: Final = "disk"
_EASIEST: Final = ({NODES}, {_DISK}, {NODES, _DISK}, {PREEMPTIBLE}, {PREEMPTIBLE, NODES}, {PREEMPTIBLE, _DISK},
                   {PREEMPTIBLE, NODES, _DISK})  # fmt: skip
"""What settings can change of a node type that else has all; another size can only be added."""


def lacks(shape: Shape, supplies: Iterable[Supply]) -> tuple[Lack, ...] | None:
    """Return all that each node type lacks; None when one lacks nothing, or nothing is known of one."""
    found: list[Lack] = []
    for one in supplies:
        if one.offer is None and one.limits.max_nodes > 0:
            return None
        if one.offer is not None:
            own = tuple(_lacks(shape, one, one.offer))
            if not own:
                return None
            found += own
    return tuple(found)


def by_node_type(found: Iterable[Lack]) -> dict[str, list[Lack]]:
    """Return what is lacking for each node type."""
    grouped: dict[str, list[Lack]] = {}
    for one in found:
        grouped.setdefault(one.node_type, []).append(one)
    return grouped


def nearest(found: Iterable[Lack]) -> tuple[Lack, ...]:
    """Return what the node type lacks that is made to fit most easily."""
    return next(iter(_nearest_first(found)), ())


def remedy(shape: Shape, found: Iterable[Lack], supplies: Sequence[Supply]) -> Remedy | None:
    """Return the one change by which it can run; None when there is none."""
    by_name = {str(one.node_type): one for one in supplies}
    for own in _nearest_first(found):
        resources = {one.resource for one in own}
        changed = _changed(shape, by_name[own[0].node_type], resources, supplies) if resources in _EASIEST else None
        if changed and not (changed.advice is Advice.ADD_ON_DEMAND and changed.node_type in by_name):
            return changed
    return _another(shape, supplies)


def _nearest_first(found: Iterable[Lack]) -> list[tuple[Lack, ...]]:
    return sorted(map(tuple, by_node_type(found).values()), key=_distance)


def _lacks(shape: Shape, supply: Supply, offer: Offer) -> Iterator[Lack]:
    name = str(supply.node_type)
    if supply.limits.max_nodes == 0:
        yield Lack(name, NODES, 0, 0)
    if supply.node_type.preemptible and not shape.preemptible:
        yield Lack(name, PREEMPTIBLE, 0, 0)
    amounts: Mapping[str, tuple[float, float]] = {
        "cores": (shape.cores, offer.resources.cores),
        "memory": (shape.memory_mib, offer.resources.memory_mib),
        _DISK: (shape.disk_mib, offer.resources.disk_mib),
    }
    for resource in lacking(shape, offer.resources):
        yield Lack(name, resource, *amounts[resource])


def _distance(found: Sequence[Lack]) -> tuple[int, int]:
    resources = {one.resource for one in found}
    return (_EASIEST.index(resources) if resources in _EASIEST else len(_EASIEST)), len(resources)


def _changed(shape: Shape, supply: Supply, resources: set[str], supplies: Sequence[Supply]) -> Remedy | None:
    """Return how a node type comes to fit, or the same instance types on demand."""
    equivalents, added = supply.offer.equivalents if supply.offer else (), PREEMPTIBLE in resources
    storage: tuple[int, ...] = ()
    if added or _DISK in resources:
        needed = root_gb_for(equivalents, shape.disk_mib) if equivalents else None
        if needed is None:
            return None
        storage = _storage(needed, None if added else supply, supplies)
    if added:
        return Remedy(Advice.ADD_ON_DEMAND, str(replace(supply.node_type, spot_bid=None)), storage)
    if _DISK in resources and not storage:
        # Its nodes have less than they should: nobody knows how much more helps.
        return None
    return Remedy(Advice.ALLOW_NODES if NODES in resources else Advice.ENLARGE_DISKS, str(supply.node_type), storage)


def _another(shape: Shape, supplies: Sequence[Supply]) -> Remedy | None:
    """Return how large another node type has to be."""
    memory_gib = memory_gib_for(shape.memory_mib)
    if memory_gib is None:
        return None
    cores = max(1, math.ceil(round(shape.cores, 3)))
    root_gb = root_gb_for([InstanceType("", cores, memory_gib * 1024)], shape.disk_mib)
    if root_gb is not None:
        storage = _storage(root_gb, None, supplies)
        return Remedy(Advice.ADD_LARGER_NODES, storage_gb=storage, cores=cores, memory_gib=memory_gib)
    store_gb = instance_store_gb_for(shape.disk_mib)
    if store_gb is None:
        return None
    return Remedy(Advice.ADD_LARGER_NODES, cores=cores, memory_gib=memory_gib, instance_store_gb=store_gb)


def _storage(needed: int, of: Supply | None, supplies: Sequence[Supply]) -> tuple[int, ...]:
    """Return sizes by which one node type, or a new one, has so much, and no other one less than before."""
    sizes = [one.offer.storage_gb if one.offer else 0 for one in supplies]
    had = min([DEFAULT_STORAGE_GB, *sizes]) if of is None else sizes[supplies.index(of)]
    if needed <= had:
        return ()
    if len(set(sizes)) <= 1:
        return (needed,)
    if of is None:
        return (*sizes, needed)
    return tuple(needed if one is of else size for one, size in zip(supplies, sizes, strict=True))
