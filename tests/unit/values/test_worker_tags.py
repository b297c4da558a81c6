"""Workers and their root volumes in tags: each number with its node type, and as the last release wrote them."""

from __future__ import annotations

import pytest

from toilctl.values import tags, worker_tags
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.worker_tags import NodeStorage

SPOT, MEMORY = NodeType.parse("c4.8xlarge/c5.9xlarge:0.6"), NodeType.parse("r3.8xlarge")
OLD = {tags.NODE_TYPES: f"{SPOT},{MEMORY}", tags.WORKERS: "20,2", tags.NODE_STORAGE: "100,50"}
NEW = {tags.WORKERS: f"{SPOT}=20,{MEMORY}=2", tags.NODE_STORAGE: f"{SPOT}=100,{MEMORY}=50"}
# Of which AWS sells spot at such prices.
TEN = NodeTypes.parse(
    "c4.8xlarge:0.6,r3.8xlarge:0.75,c5.9xlarge:0.55,m5.24xlarge:1.9,r5.24xlarge:2.4,c5d.18xlarge:1.3,i3.16xlarge:1.75,"
    "c6i.32xlarge:2.2,m6i.32xlarge:2.5,r6i.32xlarge:3.1"
)


@pytest.mark.parametrize("settings", [OLD, NEW, {**OLD, **NEW}], ids=["old", "new", "old, changed by the new"])
def test_workers_and_storage_are_read(settings: dict[str, str]) -> None:
    assert worker_tags.counts(settings) == {SPOT: 20, MEMORY: 2}
    assert list(worker_tags.node_types(settings)) == [SPOT, MEMORY]
    storage = NodeStorage.of(settings)
    assert [storage.gb(one) for one in (SPOT, MEMORY, NodeType.parse("t2.micro"))] == [100, 50, 100]


def test_forms_come_back_from_their_texts() -> None:
    assert worker_tags.keyed(worker_tags.counts(OLD)) == NEW[tags.WORKERS]
    assert str(NodeStorage.of(OLD)) == NEW[tags.NODE_STORAGE]
    assert NodeStorage.parse(str(NodeStorage.of(OLD))) == NodeStorage.of(NEW)


@pytest.mark.parametrize("settings", [{tags.NODE_STORAGE: "60"}, {**OLD, tags.NODE_STORAGE: "60"}])
def test_one_size_is_that_of_all(settings: dict[str, str]) -> None:
    storage = NodeStorage.of(settings)
    assert (storage.gb(SPOT), str(storage)) == (60, "60")


def test_cluster_without_node_types_has_no_workers() -> None:
    for settings in ({}, {tags.WORKERS: ""}, {tags.NODE_TYPES: "", tags.WORKERS: ""}):
        assert worker_tags.counts(settings) == {}
    assert NodeStorage.of({}).gb(SPOT) == 0


@pytest.mark.parametrize(("types", "counts"), [(f"{SPOT}", {SPOT: 20}), (f"{SPOT},r5.large,{MEMORY}", None)])
def test_node_types_that_the_last_release_changed_alone_begin_with_no_workers(types, counts) -> None:
    found = worker_tags.counts({**OLD, tags.NODE_TYPES: types})
    assert found == (counts or {SPOT: 20, NodeType.parse("r5.large"): 2, MEMORY: 0})


@pytest.mark.parametrize("text", ["r3.8xlarge=", "r3.8xlarge=many", "=2", "r3.8xlarge=2,3"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        worker_tags.counts({tags.WORKERS: text})
    with pytest.raises(UsageError):
        NodeStorage.parse(text)


def test_ten_node_types_with_bids_fit_a_tag() -> None:
    assert len(TEN) == 10
    limits = ",".join(f"{one}=0..20" for one in TEN)
    texts = {tags.WORKERS: worker_tags.keyed(dict.fromkeys(TEN, 20)), tags.LIMITS: limits,
             tags.NODE_STORAGE: str(NodeStorage(each_gb=dict.fromkeys(TEN, 1000)))}  # fmt: skip
    assert max(map(len, texts.values())) > 200
    tags.check_lengths(texts)


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        (tags.WORKERS, "too many node types: with their numbers of workers they take 257"),
        (tags.AUTOSCALER, "autoscaler takes 257"),
    ],
)
def test_value_that_no_tag_holds_is_refused(tag: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        tags.check_lengths({tag: "x" * 257})
