"""A recording of a run, whatever its lines are."""

from __future__ import annotations

import json
import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.odd_values import LARGE, only, scalars, texts, values
from toilctl.autoscaler.simulation import trace
from toilctl.values.errors import UsageError

HEADER = '{"toilctl": 1, "generation": 1, "started": 1700000000}'
QUEUED = ["q", 1, "a", 1, 1, 1, 0, 0, 1_700_000_000]

words = st.tuples(st.sampled_from("qre"), st.just(1)).flatmap(
    lambda first: st.lists(scalars, max_size=8).map(lambda rest: [*first, *rest])
)


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(texts | words.map(json.dumps) | values.map(json.dumps), max_size=6), texts | values.map(json.dumps))
@example(["[" * 100_000, "9" * 5000], HEADER)
@example([json.dumps(["q", 1, "a", LARGE, 1, 1, 0, 0, 1])], HEADER)
@example([json.dumps(QUEUED), json.dumps(["e", 1, LARGE, 1, 1])], HEADER)
@example([json.dumps(QUEUED), json.dumps(["e", 1, float("inf"), 1, 1_700_000_001])], HEADER)
@example([], json.dumps({"toilctl": 1, "generation": 1, "started": LARGE}))
def test_any_lines_are_a_trace_or_one_error(lines: list[str], header: str) -> None:
    for first in (HEADER, header):
        with only(UsageError):
            found = trace.read({"x": [first, *lines]})
            assert all(math.isfinite(job.run_s) and job.run_s >= 0 for job in found.jobs)
            assert found.damaged_lines <= len(lines)
