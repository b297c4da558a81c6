"""The Toil plugin, fresh for each test, and what it replaces in Toil put back afterwards."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.checkout import ROOT

PLUGIN_DIR = ROOT / "roles/appliance/files"
NAME = "toil_batch_system_toilctl"


def _forget() -> None:
    for name in [name for name in sys.modules if name == NAME or name.partition(".")[0] == "toilctl_plugin"]:
        del sys.modules[name]


@pytest.fixture
def demand_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workflows publish their jobs."""
    directory = tmp_path / "demand"
    directory.mkdir()
    monkeypatch.setenv("TOILCTL_DEMAND_DIR", str(directory))
    return directory


@pytest.fixture
def cluster_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of the leader that this machine is, once a test writes them."""
    path = tmp_path / "cluster.yml"
    monkeypatch.setenv("TOILCTL_CLUSTER_FILE", str(path))
    return path


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, demand_dir: Path, cluster_file: Path) -> ModuleType:
    """The plugin as Toil imports it, on a machine that is no leader unless the test has written ``cluster_file``."""
    from toil.batchSystems import slurm
    from toil.common import Config
    from toil.lib import plugins
    from toil.resource import ModuleDescriptor

    monkeypatch.setattr(plugins, "_registry", {kind: dict(known) for kind, known in plugins._registry.items()})
    monkeypatch.setattr(ModuleDescriptor, "saveAsResourceTo", ModuleDescriptor.saveAsResourceTo)
    monkeypatch.setattr(slurm, "SlurmBatchSystem", slurm.SlurmBatchSystem)
    check = "check_configuration_consistency"
    monkeypatch.setattr(Config, check, getattr(Config, check))
    monkeypatch.setenv("TOIL_AWS_TAGS", os.environ.get("TOIL_AWS_TAGS", ""))
    parse = "parse_known_args"
    monkeypatch.setattr(argparse.ArgumentParser, parse, getattr(argparse.ArgumentParser, parse))
    monkeypatch.syspath_prepend(str(PLUGIN_DIR))
    _forget()
    return importlib.import_module(NAME)
