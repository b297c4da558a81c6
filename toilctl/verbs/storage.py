"""Sizes of workers' root volumes, GB: one for all node types, or one for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toilctl import tags, variables
from toilctl.autoscaler.wording import number
from toilctl.cluster import Cluster
from toilctl.errors import UsageError
from toilctl.node_types import NodeType, NodeTypes


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
    """Return the form that tags and playbooks know."""
    return ",".join(map(str, of))


def moved(cluster: Cluster, node_types: Sequence[NodeType]) -> tuple[int, ...]:
    """Return the sizes that a cluster's workers have, for other node types; new ones get the shared default."""
    had = of_cluster(cluster)
    default = int(variables.defaults()["node_storage_gb"])
    common = had.get(None, default)
    if set(had) <= {None}:
        return (common,)
    return tuple(had.get(one, common) for one in node_types)


def of_cluster(cluster: Cluster) -> Mapping[NodeType | None, int]:
    """Return the sizes by node type; None stands for all."""
    words = [int(word) for word in cluster.settings.get(tags.NODE_STORAGE, "").split(",") if word]
    if len(words) == 1:
        return {None: words[0]}
    names = cluster.settings.get(tags.NODE_TYPES, "")
    return dict(zip(NodeTypes.parse(names) if names else (), words, strict=False))
