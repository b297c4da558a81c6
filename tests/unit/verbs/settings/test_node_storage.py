"""Root volumes per node type, also when the node types change."""

from __future__ import annotations

import pytest

from toilctl.values import tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeTypes
from toilctl.verbs.settings import node_storage

TYPES = NodeTypes.parse("m5.large,r5.large")


def cluster(sizes: str) -> Cluster:
    return Cluster("c", "us-west-2", "0", "sg-1", {tags.NODE_STORAGE: sizes, tags.NODE_TYPES: str(TYPES)})


@pytest.mark.parametrize(("asked", "sizes"), [((60,), (60,)), ((60, 70), (60, 70)), (None, (50,))])
def test_sizes(asked: tuple[int, ...] | None, sizes: tuple[int, ...]) -> None:
    assert node_storage.sizes(TYPES, asked) == sizes


def test_sizes_that_fit_no_node_types() -> None:
    with pytest.raises(UsageError, match="There are 2 node types, and --node-storage has 3 sizes"):
        node_storage.sizes(TYPES, (1, 2, 3))


@pytest.mark.parametrize(
    ("had", "types", "sizes"),
    [
        ("60", "r5.large,c5.large", "60"), ("60,70", "r5.large,m5.large", "r5.large=70,m5.large=60"),
        ("m5.large=60,r5.large=70", "r5.large,c5.large", "r5.large=70,c5.large=50"), ("", "r5.large", "50"),
    ],
)  # fmt: skip
def test_sizes_move_with_their_node_types(had: str, types: str, sizes: str) -> None:
    assert str(node_storage.moved(cluster(had), NodeTypes.parse(types))) == sizes
