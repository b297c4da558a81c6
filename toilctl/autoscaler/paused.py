"""A plan that only tells what would be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from toilctl.autoscaler.model import NodeView, Snapshot
from toilctl.autoscaler.plan import Kept, Plan, Reason
from toilctl.autoscaler.wording import sentence
from toilctl.node_types import NodeType


def paused(plan: Plan, snapshot: Snapshot) -> Plan:
    """Take everything out of a plan that would be done; say of each node and job what that was."""
    spared = dict(_spared(plan))
    kept = {one.instance_id: one for one in plan.kept}
    return replace(
        plan,
        launches=(), undrain=(), drain=(), evacuate=(), scale_in=(), replace=(), set_up=(), wake_at=None,
        kept=tuple(
            kept[known] if (known := node.instance_id) in kept else _kept(known, spared[known])
            for node in snapshot.nodes
        ),
        desired=_counts(snapshot.nodes, plan),
    )  # fmt: skip


def _spared(plan: Plan) -> Iterator[tuple[str, str]]:
    for one in plan.scale_in:
        yield from ((instance_id, f"it would go ({one.reason})") for instance_id in one.instance_ids)
    yield from ((one.instance_id, f"it would be replaced ({one.reason})") for one in plan.replace)
    yield from ((instance_id, "it would be set up") for instance_id in plan.set_up)
    yield from ((instance_id, "it would get jobs again") for instance_id in plan.undrain)


def _kept(instance_id: str, text: str) -> Kept:
    return Kept(instance_id, Reason.PAUSED, sentence(f"{text}, but the autoscaler is paused"))


def _counts(nodes: tuple[NodeView, ...], plan: Plan) -> dict[NodeType, int]:
    """Nothing changes, so what there shall be is what there is."""
    counts = dict.fromkeys(plan.desired, 0)
    for node in nodes:
        counts[node.node_type] = counts.get(node.node_type, 0) + 1
    return counts
