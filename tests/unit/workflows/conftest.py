"""A home for Toil, and the plugin that reads the same options on the leader."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.checkout import ROOT

PLUGIN_DIR = ROOT / "roles/appliance/files"


@pytest.fixture
def toil_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Toil writes its settings when its options are read."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The plugin's module that hands a workflow's limits to the autoscaler."""
    monkeypatch.syspath_prepend(str(PLUGIN_DIR))
    before = set(sys.modules)
    yield importlib.import_module("toilctl_plugin.autoscaling.handed_over")
    for name in [name for name in sys.modules.keys() - before if name.partition(".")[0] == "toilctl_plugin"]:
        del sys.modules[name]
