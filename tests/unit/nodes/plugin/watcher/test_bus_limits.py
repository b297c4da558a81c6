"""What the watcher makes of a bus that is no file, or has lines without an end."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

ISSUED = b"toil.bus.JobIssuedMessage\ta\tkind-a/1\t1\n"


@pytest.fixture
def bus(plugin: object) -> Any:
    return importlib.import_module("toilctl_plugin.watcher.bus")


def test_pipe_in_place_of_the_bus_is_none(bus: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "bus")
    with pytest.raises(OSError, match="regular"):
        bus.Bus(str(tmp_path / "bus"))


@pytest.mark.parametrize("steps", [1, 3])
def test_line_without_an_end_is_not_kept_and_the_next_one_counts(bus: Any, tmp_path: Path, steps: int) -> None:
    path = tmp_path / "bus"
    path.touch()
    read = bus.Bus(str(path))
    for _ in range(steps):
        with path.open("ab") as out:
            out.write(b"toil.bus.JobIssuedMessage\tb\tkind-b/1\t" + b"2" * 2**21)
        assert list(read.read()) == []
        assert len(read._rest) <= 2**16 + 1
    with path.open("ab") as out:
        out.write(b"\n" + ISSUED)
    assert list(read.read()) == []
    assert read.new == {"1": "kind-a/1"}
    read.close()
