"""Sizes of workers' root volumes, GB: one for all node types, or one for each."""

from __future__ import annotations

from collections.abc import Sequence

from toilctl.system import variables
from toilctl.values.cluster import Cluster
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.wording import number
from toilctl.values.worker_tags import NodeStorage


def sizes(node_types: Sequence[NodeType], asked: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return one size, or one per node type: as asked for, else the shared default.

    :raises UsageError: when their number fits neither.
    """
    if asked is None:
        return (int(variables.defaults()["node_storage_gb"]),)
    if len(asked) not in (1, len(node_types)):
        raise UsageError(
            f"There {'is' if len(node_types) == 1 else 'are'} {number(len(node_types), 'node type')}, "
            f"and --node-storage has {number(len(asked), 'size')}.",
            "Give one size for all of them, or one per node type, in their order.",
            node_types=node_types, node_storage_gb=asked,
        )  # fmt: skip
    return asked


def text(of: Sequence[int]) -> str:
    """Return the form that playbooks know: one size, or one per node type in their order."""
    return ",".join(map(str, of))


def kept(node_types: Sequence[NodeType], asked: Sequence[int]) -> NodeStorage:
    """Return sizes as a cluster keeps them: one for all, or each with its node type."""
    return NodeStorage(asked[0]) if len(asked) == 1 else NodeStorage(each_gb=dict(zip(node_types, asked, strict=True)))


def moved(cluster: Cluster, node_types: Sequence[NodeType]) -> NodeStorage:
    """Return the sizes that a cluster's workers have, for other node types; new ones get the shared default."""
    had = NodeStorage.of(cluster.settings)
    default = int(variables.defaults()["node_storage_gb"])
    if not had.each_gb:
        return NodeStorage(default if had.all_gb is None else had.all_gb)
    return NodeStorage(each_gb={one: had.each_gb.get(one, default) for one in node_types})
