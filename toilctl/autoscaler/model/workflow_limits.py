"""Node types and limits that workflows ask for while they run, beside those that the cluster was launched with.

People type them as Toil's own autoscaling options on the leader; there Toil's plugin hands them over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from toilctl.autoscaler.model.snapshot import NodeView
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits, NodeLimits, Policy
from toilctl.values.wording import at


def read(
    texts: Mapping[str, Iterable[str]], ended: Mapping[str, datetime] | None = None
) -> tuple[tuple[NodeLimits, ...], tuple[str, ...]]:
    """Return the limits that workflows ask for, and a sentence for each workflow that does.

    :param texts: limits in their string form, by the workflow's name.
    :param ended: the workflows that have ended, and until when their limits count all the same.
    """
    found: list[NodeLimits] = []
    notes = []
    for name, limits in texts.items():
        try:
            asked = Limits.parse(",".join(limits))
        except UsageError as error:
            notes.append(f"{name} asks for nodes that cannot be: {error.message}")
            continue
        if asked:
            found += asked
            notes.append(_note(name, ", ".join(map(str, asked)), (ended or {}).get(name)))
    return tuple(found), tuple(notes)


def _note(name: str, asked: str, until: datetime | None) -> str:
    if until is None:
        return f"{name} asks for {asked}, which counts while it runs, and for the idle timeout after that."
    return f"{name} has ended, and asked for {asked}, which counts until {at(until)}: it may be started again."


def widened(policy: Policy, asked: Iterable[NodeLimits]) -> Policy:
    """Return a policy that allows what it did and what is asked for: of two limits of a node type the larger ones.

    Several workflows share the nodes, so their numbers are not added up.
    """
    limits = {one.node_type: one for one in policy.limits}
    for one in asked:
        known = limits.get(one.node_type, one)
        limits[one.node_type] = NodeLimits(
            one.node_type, max(known.min_nodes, one.min_nodes), max(known.max_nodes, one.max_nodes)
        )
    return replace(policy, limits=Limits(limits.values()))


def around(policy: Policy, nodes: Iterable[NodeView]) -> Policy:
    """Return a policy by which the workers that a person launched come on top of the most that it allows."""
    fixed = Counter[NodeType](node.node_type for node in nodes if node.fixed)
    limits = {one.node_type: one for one in policy.limits}
    for node_type, count in fixed.items():
        known = limits.get(node_type, NodeLimits(node_type, 0, 0))
        limits[node_type] = NodeLimits(node_type, known.min_nodes, known.max_nodes + count)
    return replace(policy, limits=Limits(limits.values()))
