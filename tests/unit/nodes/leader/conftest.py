"""The leader's program as it is copied there, and a leader made of this machine's own processes and tmux."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.nodes.leader.here import FILES, Here


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests import ``toilctl_leader``, and ``toilctl_plugin`` beside it."""
    monkeypatch.syspath_prepend(str(FILES))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    """A leader; everything that is started on it ends with the test."""
    leader = Here(tmp_path)
    yield leader
    leader.end()
