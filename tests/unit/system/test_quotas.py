"""Which instance types count against which quota."""

from __future__ import annotations

import pytest

from toilctl.system import instance_table, quotas

STANDARD = "acdhimrtz"
OTHERS = ("dl", "f", "g", "gr", "hpc", "inf", "mac", "p", "trn", "u", "vt", "x")
"""EC2's families with quotas of their own, by how their names begin."""
OF_LETTERS = {"im": "i", "is": "i", "cc": "", "cr": "", "hs": ""}
"""Families whose names begin with two letters: of which they are; the oldest have no vCPU quota of their own."""


@pytest.mark.parametrize("name", sorted({name.partition(".")[0] for name in instance_table.shipped().types}))
def test_family_counts_against_the_quota_that_aws_names_it_in(name: str) -> None:
    letters = name[: next(place for place, letter in enumerate(name) if not letter.isalpha())]
    assert len(letters) == 1 or letters in OTHERS or letters in OF_LETTERS
    standard = OF_LETTERS.get(letters, letters)
    assert quotas.are_standard([f"{name}.large"]) is (bool(standard) and standard in STANDARD)


@pytest.mark.parametrize("name", ["inf2.xlarge", "dl1.24xlarge", "trn1.2xlarge", "hpc6a.48xlarge", "mac2-m2.metal"])
def test_family_that_begins_with_a_standard_letter_is_not_standard_for_that(name: str) -> None:
    assert not quotas.are_standard([name])
    assert not quotas.are_standard(["c5.large", name])


def test_storage_optimized_arm_families_are_standard() -> None:
    assert quotas.are_standard(["im4gn.large", "is4gen.medium", "i4i.large"])
