"""Workflows that live, as far as their files tell."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


@pytest.fixture
def keep_alive() -> Iterator[Callable[[Path], None]]:
    """Return what holds a file as the workflow does that publishes it, until the test ends."""
    with ExitStack() as held:

        def hold(path: Path) -> None:
            fcntl.flock(held.enter_context(path.open("rb")), fcntl.LOCK_EX)

        yield hold
