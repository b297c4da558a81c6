"""Job stores that real workflows left, and the leader's program that looks at them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.nodes.leader.ended_stores import Ended, ended
from tests.unit.nodes.plugin.workflows import PLUGIN_DIR, Running

NAME = "sort-store"
BUCKET = f"aws:us-west-2:{NAME}"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import modules of the leader's program, as it is found there."""
    monkeypatch.syspath_prepend(str(PLUGIN_DIR))
    return importlib.import_module


@pytest.fixture
def ask(module: Callable[[str], ModuleType]) -> Callable[..., dict[str, Any]]:
    """Ask as toilctl does."""

    def ask(verb: str, store: object, **more: Any) -> dict[str, Any]:
        told: dict[str, Any] = module("toilctl_leader.job_stores.verbs").VERBS[verb]({"job_store": str(store), **more})
        return told

    return ask


@pytest.fixture
def refused(module: Callable[[str], ModuleType]) -> type[Exception]:
    kind: type[Exception] = module("toilctl_leader.refused").RefusedError
    return kind


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """What ended workflows have left; nobody changes it."""
    return ended(tmp_path_factory.mktemp("workflows"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A workflow whose jobs wait for its ``go``, and can run two or three at a time."""
    workflow = Running(tmp_path / "w", tmp_path, "--maxCores", "2", "--writeMessages", str(tmp_path / "bus"))
    yield workflow
    workflow.kill()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a Python program that does nothing."""
    started = []

    def start(name: str, *words: str) -> subprocess.Popen[bytes]:
        script = tmp_path / name
        script.write_text("import time; time.sleep(600)")
        started.append(subprocess.Popen([sys.executable, str(script), *words]))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def is_at_work(ask: Callable[..., dict[str, Any]], store: Path) -> Callable[[], bool]:
    def is_at_work() -> bool:
        if not (store / "shared/pid.log").exists():
            return False
        told = ask("status", store)
        return bool(told["jobs"]["issued"] == 6 and told["jobs"]["running"])

    return is_at_work


def shared(store: Path, name: str, text: str) -> None:
    (store / "shared" / name).write_text(text)
