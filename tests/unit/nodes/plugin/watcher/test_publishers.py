"""Whose jobs are published, by the headers in a directory where any workflow can put anything."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def publishers(plugin: object) -> Any:
    return importlib.import_module("toilctl_plugin.watcher.publishers").Publishers()


def publish(pid: int) -> Any:
    publication: Any = importlib.import_module("toilctl_plugin.publication.publication")
    return publication.Publication(name="sort.py", pid=pid)


STRAY = [
    b'{"pid": 1e999}', b'{"pid": NaN}', b"[" * 100_000, b'{"pid": ' + b"9" * 5000 + b"}", b"[]", b"{}", b"", b"\xff",
    b'{"pid": 7, "name": "' + b"x" * 2**17 + b'"}\n',
]  # fmt: skip


@pytest.mark.parametrize("content", STRAY, ids=range(len(STRAY)))
def test_header_that_is_none_names_nobody(publishers: Any, demand_dir: Path, content: bytes) -> None:
    own = publish(9)
    (demand_dir / "y.jsonl").write_bytes(content)
    assert publishers.publishes(9)
    assert not publishers.publishes(7)
    own.close()


def test_pipe_device_link_and_directory_hold_nobody_up(publishers: Any, demand_dir: Path, tmp_path: Path) -> None:
    own = publish(9)
    os.mkfifo(demand_dir / "pipe.jsonl")
    (demand_dir / "device.jsonl").symlink_to("/dev/zero")
    (tmp_path / "elsewhere").write_text(json.dumps({"pid": 7}))
    (demand_dir / "link.jsonl").symlink_to(tmp_path / "elsewhere")
    (demand_dir / "directory.jsonl").mkdir()
    assert publishers.publishes(9)
    assert not publishers.publishes(7)
    own.close()
