"""The leader's settings file, whole and broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.settings import DEFAULT_STORAGE_GB, AutoscalerSettings, SettingsFile
from toilctl.autoscaler.model.workflow_limits import Wish, read
from toilctl.system import variables
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.tuning import Tuning

GOOD: dict[str, Any] = {
    "cluster_name": "my", "region": "us-west-2", "engine": "slurm", "leader_address": "10.0.0.1",
    "node_types": ["c4.8xlarge:0.6", "r3.8xlarge"], "zones": ["us-west-2a"],
    "limits": ["c4.8xlarge:0.6=0..20", "r3.8xlarge=0..2"], "paused": False,
    "node_storage_gb": "c4.8xlarge:0.6=50,r3.8xlarge=100", "boot_timeout_s": 300,
    "tuning": str(Tuning.of(variables.defaults())),
}  # fmt: skip
SPOT, ON_DEMAND = NodeType.parse("c4.8xlarge:0.6"), NodeType.parse("r3.8xlarge")


def test_settings_are_read_as_the_leader_writes_them():
    settings = AutoscalerSettings.of(GOOD)
    assert str(settings.policy.limits) == "c4.8xlarge:0.6=0..20,r3.8xlarge=0..2"
    assert settings.storage_gb == {SPOT: 50, ON_DEMAND: 100}
    assert (settings.policy.tuning.idle_timeout_s, settings.policy.zones) == (300.0, ("us-west-2a",))
    assert settings.autoscaled


def test_settings_of_the_last_release_have_one_storage_size_for_each_node_type_in_their_order():
    assert AutoscalerSettings.of({**GOOD, "node_storage_gb": "50,100"}).storage_gb == {SPOT: 50, ON_DEMAND: 100}


@pytest.mark.parametrize("storage", [50, "50"])
def test_one_storage_size_is_that_of_all_node_types(storage):
    assert AutoscalerSettings.of({**GOOD, "node_storage_gb": storage}).storage_gb == {SPOT: 50, ON_DEMAND: 50}


@pytest.mark.parametrize(("given", "read"), [({}, 0), ({"metrics_port": 7462}, 7462), ({"metrics_port": "0"}, 0)])
def test_older_settings_have_no_port_for_metrics(given, read):
    assert AutoscalerSettings.of({**GOOD, **given}).metrics_port == read


def test_cluster_without_limits_is_not_autoscaled():
    assert not AutoscalerSettings.of({**GOOD, "limits": []}).autoscaled


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("limits", None, "limits"), ("limits", "r3.8xlarge=0..2", "limits"), ("zones", "us-west-2a", "zones"),
        ("limits", ["r3.8xlarge=3..2"], "minimum of r3.8xlarge is 3"), ("engine", "yarn", "'yarn'"),
        ("cluster_name", "", "cluster_name"), ("paused", "no", "paused"), ("node_storage_gb", "9,9,9", "'9,9,9'"),
        ("node_storage_gb", "much", "node_storage_gb"), ("tuning", None, "tuning"),
        ("tuning", GOOD["tuning"].replace("beta_inertia=0.1", "beta_inertia=2"), "beta_inertia"),
        ("tuning", "target_time_s=60", "beta_inertia"), ("boot_timeout_s", "soon", "boot_timeout_s"),
        ("metrics_port", 65536, "65536"), ("metrics_port", -1, "metrics_port"), ("metrics_port", True, "metrics_port"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(name, value, said):
    with pytest.raises(UsageError, match=said):
        AutoscalerSettings.of({**GOOD, name: value})


@pytest.mark.parametrize("text", ["", "[]", "limits: [", "limits: {a: \x00}", "cluster_name: my\n"])
def test_broken_file_keeps_the_last_good_settings_and_says_so(tmp_path: Path, text: str):
    path = tmp_path / "cluster.yml"
    path.write_text(yaml.safe_dump(GOOD))
    file = SettingsFile(path)
    good = file.read()
    assert good is not None
    assert file.problem == ""
    path.write_text(text)
    assert file.read() == good
    assert str(path) in file.problem
    assert "last good settings" in file.problem
    ((sentence, advice),) = file.advice.items()
    assert (sentence in file.problem, advice) == (True, (Advice.WRITE_SETTINGS,))
    path.write_text(yaml.safe_dump({**GOOD, "paused": True}))
    renewed = file.read()
    assert renewed is not None
    assert renewed.policy.paused
    assert (file.problem, file.advice) == ("", {})


def test_missing_file_at_the_start_gives_no_settings_and_says_why(tmp_path: Path):
    file = SettingsFile(tmp_path / "cluster.yml")
    assert file.read() is None
    assert "No such file" in file.problem
    assert "Nothing is done" in file.problem
    assert file.changed_at() == 0


@pytest.mark.parametrize(
    ("own", "asked", "has", "raised"),
    [
        (50, "t2.medium=300", 300, 300), (500, "t2.medium=300", 500, None), (80, "", 80, None),
        ("", "", DEFAULT_STORAGE_GB, None), ("", "t2.medium=300", 300, 300),
    ],
)  # fmt: skip
def test_node_type_of_a_workflow_gets_the_larger_of_its_own_root_volume_and_the_clusters(own, asked, has, raised):
    settings = AutoscalerSettings.of({**GOOD, "limits": [], "node_types": [], "node_storage_gb": own})
    wish = Wish("sort.py", ("t2.medium=0..2",), storage=asked)
    wider = settings.widened(read([wish], settings.policy, "my"))
    medium = NodeType.parse("t2.medium")
    assert (wider.storage_gb[medium], wider.raised_gb.get(medium), wider.limited) == (has, raised, False)


def test_node_type_of_the_cluster_gets_the_larger_root_volume_too():
    settings = AutoscalerSettings.of(GOOD)
    wish = Wish("sort.py", ("r3.8xlarge=0..2", "c4.8xlarge:0.6=0..2"), storage="r3.8xlarge=300,c4.8xlarge:0.6=20")
    wider = settings.widened(read([wish], settings.policy, "my"))
    assert (wider.storage_gb, wider.raised_gb) == ({SPOT: 50, ON_DEMAND: 300}, {ON_DEMAND: 300})
