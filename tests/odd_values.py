"""What outsiders may write where something else belongs: for tests of what reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from hypothesis import strategies as st

LARGE: Final = 10**4000
"""JSON gives no larger one: Python refuses texts with more digits than 4300."""
TEXTS: Final = (
    "", " ", "x", "\x1b[2J\x1b]0;title\x07", "a\nb", "a\u2028b\x85c", "\u202e\ud800\x00",
    "-oProxyCommand=touch /tmp/x", "$(id)",
    "../../etc/passwd", "{{ 7 * 7 }}", "٣", "²", "9" * 5000, "1e999", "nan", "-1", "a" * 70_000, "," * 5000, "=" * 5000,
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
)  # fmt: skip
ODD: Final[tuple[Any, ...]] = (
    None, True, -1, 0.5, LARGE, float("nan"), float("inf"), *TEXTS, [], [[]], {}, {"a": {}}, [None],
)  # fmt: skip
IDS: Final = tuple(map(str, range(len(ODD))))
"""Names of tests: pytest makes none of such values."""

texts: Final = st.text() | st.sampled_from(TEXTS)
scalars: Final = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(ODD)
values: Final = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=8)


@contextmanager
def only(*errors: type[Exception], check: Callable[[Any], bool] = lambda _: True) -> Iterator[None]:
    """Let these errors pass, of which each is to be as ``check`` has it; any other one fails the test."""
    try:
        yield
    except errors as error:
        if not check(error):
            raise
