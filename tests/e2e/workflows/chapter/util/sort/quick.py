"""Quicksort."""

from __future__ import annotations


def sort(numbers: list[int]) -> list[int]:
    """Return the numbers in order."""
    if not numbers:
        return []
    pivot, *others = numbers
    return [
        *sort([one for one in others if one <= pivot]), pivot, *sort([one for one in others if one > pivot]),
    ]  # fmt: skip
