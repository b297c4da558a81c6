"""A plan that only tells what would be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from toilctl.autoscaler.model.plan import Kept, ScalingPlan
from toilctl.autoscaler.model.reasons import KeepReason
from toilctl.autoscaler.model.snapshot import NodeView, Snapshot
from toilctl.values.node_types import NodeType
from toilctl.values.wording import sentence


def paused(plan: ScalingPlan, snapshot: Snapshot) -> ScalingPlan:
    """Take everything out of a plan that would be done; say of each node and job what that was."""
    spared = dict(_spared(plan))
    kept = {one.instance_id: one for one in plan.kept}
    return replace(
        plan,
        launches=(), undrain=(), drain=(), evacuate=(), scale_in=(), replace={}, set_up=(), wake_at=None,
        kept=tuple(
            kept[known]
            if (known := node.instance_id) in kept
            else Kept(known, KeepReason.PAUSED, sentence(f"{spared[known]}, but the autoscaler is paused"))
            for node in snapshot.nodes
        ),
        desired=_counts(snapshot.nodes, plan),
    )  # fmt: skip


def _spared(plan: ScalingPlan) -> Iterator[tuple[str, str]]:
    for one in plan.scale_in:
        yield from ((instance_id, f"it would go ({one.reason})") for instance_id in one.instance_ids)
    yield from ((one, f"it would be replaced ({reason})") for one, reason in plan.replace.items())
    yield from ((instance_id, "it would be set up") for instance_id in plan.set_up)
    yield from ((instance_id, "it would get jobs again") for instance_id in plan.undrain)


def _counts(nodes: tuple[NodeView, ...], plan: ScalingPlan) -> dict[NodeType, int]:
    """Nothing changes, so what there shall be is what there is."""
    counts = dict.fromkeys(plan.desired, 0)
    for node in nodes:
        counts[node.node_type] = counts.get(node.node_type, 0) + 1
    return counts
