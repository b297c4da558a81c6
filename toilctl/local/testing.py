"""The rehearsal cloud's AWS side inside a test's own process, without hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class TestCloud:
    """An answering AWS API of one's own."""

    __test__ = False  # not a test class, whatever pytest makes of its name

    endpoint: str
    env: dict[str, str]
    faults: Any

    def client(self, service: str, region: str = "us-west-2", **credentials: str) -> Any:
        """Return a boto3 client of this cloud."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop answering; a second call does nothing."""
        raise NotImplementedError


@contextmanager
def cloud(**options: Any) -> Iterator[TestCloud]:
    """Run a cloud for the length of a ``with`` block."""
    raise NotImplementedError
    yield TestCloud("", {}, None)
