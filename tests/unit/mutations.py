"""Damaged versions of what was once recorded: other values anywhere in JSON, other bytes anywhere in text."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

from hypothesis import strategies as st

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 10**400, 1e300, -1e300, 0.5, float("nan"), float("inf"), "", "x", "\ud800",
    "\u2028\x85\0", "9" * 5000, "x" * 10_000, [], {}, [[]], {"": None}, ["x"], "9999-12-31T23:59:59",
    "0001-01-01T00:00:00+23:59", "i-[0-99999999999]", "1_[0-99999999]", "cpu=99999999999999999999,mem=1e9M", "-1",
)  # fmt: skip
PIECES: tuple[str, ...] = (
    "\n", "\r", "\0", "\u2028", "\x85", "\x1e", "\x1f", "\x1e<mark>\n", "|", "=", " ", "[", "]", ",", "-", "\t", "'",
    "\\", "\x1d<mark>\n", "9" * 5000, "[" * 3000, "9999-12-31T23:59:59", "2026-13-41T99:99:99", "i-[0-99999999999]",
    "JobState=", "NodeName=x ", "\x1b[2J", "é", "null", "1e309", "NaN",
)  # fmt: skip


@st.composite
def damaged_json(draw: st.DrawFn, recorded: Any) -> Any:
    """Return a copy of a JSON value in which some values are others, or gone."""
    value = copy.deepcopy(recorded)
    for _ in range(draw(st.integers(1, 3))):
        if not isinstance(value, dict | list) or not value:
            return copy.deepcopy(draw(st.sampled_from(ODD)))
        inside, key = _place(draw, value)
        if draw(st.booleans()) or not isinstance(inside, dict):
            inside[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        else:
            del inside[key]
    return value


def _place(draw: st.DrawFn, value: Any) -> tuple[Any, Any]:
    while True:
        keys = sorted(value) if isinstance(value, dict) else range(len(value))
        key = draw(st.sampled_from(list(keys)))
        below = value[key]
        if not (isinstance(below, dict | list) and below) or draw(st.integers(0, 9)) == 0:
            return value, key
        value = below


@st.composite
def damaged_text(draw: st.DrawFn, recorded: str) -> str:
    """Return a text with pieces cut out, put in and doubled."""
    text = recorded
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 60)))
        middle = draw(st.sampled_from((*PIECES, "", text[begin:end] * 2)))
        text = text[:begin] + middle + text[end:]
    return text


def dumped(value: Any) -> str:
    """Return JSON, however long its numbers are."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value)
    finally:
        sys.set_int_max_str_digits(limit)
