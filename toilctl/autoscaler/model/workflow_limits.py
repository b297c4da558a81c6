"""What workflows ask for while they run, beside what the cluster was launched with: node types, limits, and the rest.

People type it as Toil's own autoscaling options on the leader; there Toil's plugin hands it over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from toilctl.autoscaler.model.snapshot import NodeView
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits, NodeLimits, Policy
from toilctl.values.tuning import SETTINGS
from toilctl.values.units import exact
from toilctl.values.wording import at
from toilctl.values.worker_tags import NodeStorage

_MOST_WISHES: Final = 1000
_MOST_NAMES: Final = 50
"""How many instance types one workflow may name."""
_MOST_NAMES_OF_ALL: Final = 100
"""How many different ones all workflows may name beside the cluster's own: AWS is asked about each."""
_TOLD: Final = 300
"""Characters of an error."""
_LARGER: Final = frozenset({"preemptible_compensation"})
"""Of two workflows' values of a setting the more eager one counts: the larger of these, the smaller of others."""


@dataclass(frozen=True)
class Wish:
    """What one workflow asks for, each in its string form."""

    name: str
    limits: tuple[str, ...]
    tuning: str = ""
    """Some of the settings that ``toilctl.values.tuning`` has."""
    storage: str = ""
    """Root volumes of some of its node types."""
    until: datetime | None = None
    """Until when it counts although the workflow has ended; None while that runs."""


@dataclass(frozen=True)
class Asked:
    """What all workflows ask for."""

    limits: tuple[NodeLimits, ...] = ()
    tuning: Mapping[str, float] = field(default_factory=dict)
    """By setting; none where the cluster's own count."""
    storage_gb: Mapping[NodeType, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """A sentence for each workflow that asks, and for what does not count."""


def read(wishes: Iterable[Wish], own: Policy, cluster: str) -> Asked:
    """Bring together what workflows ask for.

    :param own: what the cluster was launched with. With limits of its own it has settings of its own, which count;
        and where it keeps its limits, nothing else does.
    """
    wishes = tuple(wishes)
    asked, named = Asked(), _names(own.limits)
    most = len(named) + _MOST_NAMES_OF_ALL
    for wish in wishes[:_MOST_WISHES]:
        try:
            limits, tuning = Limits.parse(",".join(wish.limits)), dict(_settings(wish))
            sizes = NodeStorage.parse(wish.storage).each_gb
            _check_names(limits, named, most)
        except UsageError as error:
            asked = _with(asked, f"{wish.name} asks for nodes that cannot be: {error.message[:_TOLD]}")
            continue
        if not limits:
            continue
        if own.tuning.keep_limits:
            asked = _with(asked, _kept_from(wish, ", ".join(map(str, limits)), cluster))
            continue
        named |= _names(limits)
        counts = {} if own.limits else tuning
        said = [*map(str, limits), *(f"{size} GB for {node_type}" for node_type, size in sizes.items())]
        said += [_said(name, value) for name, value in counts.items()]
        asked = replace(
            asked, limits=(*asked.limits, *limits), tuning=_merged(asked.tuning, counts),
            storage_gb=_larger(asked.storage_gb, sizes),
        )  # fmt: skip
        asked = _with(asked, _note(wish, ", ".join(said)))
        for name, value in tuning.items() if own.limits else ():
            if value != own.tuning.values[name]:
                asked = _with(
                    asked,
                    f"{wish.name} asks for {_said(name, value)}, and the cluster's own, {own.tuning.said(name)}, "
                    f"counts: toilctl autoscale {cluster} {SETTINGS[name].flag} {exact(value)} changes that.",
                )
    if (more := len(wishes) - _MOST_WISHES) > 0:
        asked = _with(
            asked, f"{more} more workflows ask for nodes, which does not count: {_MOST_WISHES} do at the most."
        )
    return asked


def _names(limits: Iterable[NodeLimits]) -> frozenset[str]:
    """Return the instance types of some limits."""
    return frozenset(name for one in limits for name in one.node_type.instance_types)


def _check_names(limits: Limits, others: frozenset[str], most: int) -> None:
    """Make sure that a workflow does not name too many instance types, alone or beside others'.

    :raises UsageError: when it does.
    """
    count = sum(len(one.node_type.instance_types) for one in limits)
    if count > _MOST_NAMES:
        raise UsageError(f"It names {count} instance types, and at most {_MOST_NAMES} of one workflow's count.")
    if len(others | _names(limits)) > most:
        raise UsageError(f"It names {count} instance types, and at most {_MOST_NAMES_OF_ALL} of all workflows' count.")


def _note(wish: Wish, said: str) -> str:
    if wish.until is None:
        return f"{wish.name} asks for {said}, which counts while it runs, and for the idle timeout after that."
    return f"{wish.name} has ended, and asked for {said}, which counts until {at(wish.until)}: it may be started again."


def _kept_from(wish: Wish, said: str, cluster: str) -> str:
    verb = "asks" if wish.until is None else "has ended, and asked"
    return (
        f"{wish.name} {verb} for {said}, which does not count, since the cluster keeps its own limits: "
        f"toilctl autoscale {cluster} {SETTINGS['keep_limits'].flag} 0 changes that."
    )


def _with(asked: Asked, note: str) -> Asked:
    return replace(asked, notes=tuple(dict.fromkeys((*asked.notes, note))))


def _said(name: str, value: float) -> str:
    return f"{SETTINGS[name].label} {SETTINGS[name].said(value)}"


def _settings(wish: Wish) -> Iterator[tuple[str, float]]:
    """Yield a wish's settings; what Toil takes and is out of range here becomes the nearest that is not.

    :raises UsageError: for what is no number.
    """
    for name, _, text in (word.partition("=") for word in wish.tuning.split()):
        if (setting := SETTINGS.get(name)) and setting.toil:
            try:
                value = min(max(float(text), setting.least), setting.most)
            except ValueError:
                value = setting.read(text)
            yield name, setting.read(value)


def _merged(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    found = dict(one)
    for name, value in other.items():
        found[name] = (max if name in _LARGER else min)(value, found.get(name, value))
    return found


def _larger(one: Mapping[NodeType, int], other: Mapping[NodeType, int]) -> dict[NodeType, int]:
    return {kind: max(one.get(kind, 0), other.get(kind, 0)) for kind in (*one, *other)}


def widened(policy: Policy, asked: Asked) -> Policy:
    """Return a policy that allows what it did and what is asked for: of two limits of a node type the larger ones.

    Several workflows share the nodes, so their numbers are not added up.
    """
    limits = {one.node_type: one for one in policy.limits}
    for one in asked.limits:
        known = limits.get(one.node_type, one)
        limits[one.node_type] = NodeLimits(
            one.node_type, max(known.min_nodes, one.min_nodes), max(known.max_nodes, one.max_nodes)
        )
    return replace(policy, limits=Limits(limits.values()), tuning=replace(policy.tuning, **asked.tuning))


def around(policy: Policy, nodes: Iterable[NodeView]) -> Policy:
    """Return a policy by which the workers that a person launched come on top of the most that it allows."""
    fixed = Counter[NodeType](node.node_type for node in nodes if node.fixed)
    limits = {one.node_type: one for one in policy.limits}
    for node_type, count in fixed.items():
        known = limits.get(node_type, NodeLimits(node_type, 0, 0))
        limits[node_type] = NodeLimits(node_type, known.min_nodes, known.max_nodes + count)
    return replace(policy, limits=Limits(limits.values()))
