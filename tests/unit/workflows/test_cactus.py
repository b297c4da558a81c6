"""Cactus's worker counts, as its documentation has them."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from toilctl.system.instance_table import shipped
from toilctl.values.errors import UsageError
from toilctl.workflows.cactus import LEADER, NODE_TYPES, SINGLE_MACHINE, Genomes, Size, workers


def counts(genomes: int, size: Size) -> tuple[int, ...]:
    found = workers(Genomes(genomes), size)
    assert [node_type for node_type, _ in found] in ([], list(NODE_TYPES))
    return tuple(count for _, count in found)


@pytest.mark.parametrize(
    ("size", "genomes", "spot", "on_demand"),
    [
        (Size.MAMMAL, 2, 20, 1), (Size.MAMMAL, 7, 70, 4), (Size.MAMMAL, 8, 80, 4),
        (Size.BIRD, 2, 10, 1), (Size.BIRD, 7, 35, 2), (Size.BIRD, 8, 40, 2), (Size.BIRD, 9, 45, 3),
        (Size.NEMATODE, 2, 1, 1), (Size.NEMATODE, 3, 2, 1), (Size.NEMATODE, 10, 5, 1), (Size.NEMATODE, 11, 6, 2),
    ],
)  # fmt: skip
def test_workers_by_size_are_rounded_up(size: Size, genomes: int, spot: int, on_demand: int) -> None:
    assert counts(genomes, size) == (spot, on_demand)


@pytest.mark.parametrize(
    ("size", "spot", "on_demand"),
    [
        (Size.MAMMAL, Fraction(1, 2) * 20, Fraction(1, 2)),
        (Size.BIRD, Fraction(1, 2) * 10, Fraction(1, 4)),
        (Size.NEMATODE, Fraction(1, 2), Fraction(1, 10)),
    ],
)
def test_counts_are_the_documents_formula_for_any_number(size: Size, spot: Fraction, on_demand: Fraction) -> None:
    for genomes in range(2, 601):
        assert counts(genomes, size) == (math.ceil(genomes * spot), math.ceil(genomes * on_demand))


def test_small_genomes_need_no_workers() -> None:
    assert counts(600, Size.SMALL) == ()


def test_node_types_are_the_documents() -> None:
    assert str(NODE_TYPES) == "c4.8xlarge:0.6,r3.8xlarge"


def test_sizes_of_all_instance_types_are_known() -> None:
    used = {name for one in (LEADER, SINGLE_MACHINE, *NODE_TYPES) for name in one.instance_types}
    assert used <= shipped().types.keys()


@pytest.mark.parametrize("text", ["0", "1"])
def test_fewer_than_two_genomes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"at least 2 genomes, not {text}"):
        Genomes.parse(text)


@pytest.mark.parametrize("text", ["", "many", "2.5", "-3", "1e2"])
def test_what_is_not_a_number_of_genomes_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number of genomes"):
        Genomes.parse(text)


def test_number_of_genomes_is_read() -> None:
    assert Genomes.parse(" 8 ") == 8


def test_sizes_are_read_by_name() -> None:
    assert [Size.parse(text) for text in ("mammal", "Bird", " nematode ", "small")] == list(Size)


def test_unknown_size_lists_the_sizes() -> None:
    with pytest.raises(UsageError, match="'fish' is not a size") as caught:
        Size.parse("fish")
    assert caught.value.next_step == (
        "Choose mammal (2 to 4 Gb), bird (1 to 2 Gb), nematode (100 to 300 Mb) or small (less than 100 Mb)."
    )
