"""Every option of Toil's scaler in the leader's shell, in every spelling of its releases: carried, or named."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toilctl.nodes.plugin.autoscaling.scaler_options import OPTIONS, ScalerOption, find, modern

LEADER = "cluster_name: my\nengine: mesos\nautoscaler: {autoscaler}\nlimits: {limits}\n"
STORE = "aws:us-west-2:my-store"
TYPES = ("--provisioner", "aws", "--nodeTypes", "m3.large:0.05,m3.large")
Take = Callable[..., Any]


@pytest.fixture
def leader(
    request: pytest.FixtureRequest, cluster_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Take]:
    """Make this a leader; then workflows' words are taken as there, and what was asked for comes back."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def begin(limits: str = "[]", autoscaler: str = "true") -> Take:
        cluster_file.write_text(LEADER.format(limits=limits, autoscaler=autoscaler))
        request.getfixturevalue("plugin")
        handed_over = importlib.import_module("toilctl_plugin.autoscaling.handed_over")

        def take(*words: str) -> Any:
            from toil.common import Config
            from toil.job import Job

            config = Config()
            config.setOptions(Job.Runner.getDefaultArgumentParser().parse_args([STORE, *words]))
            assert config.provisioner is None
            return handed_over.asked()

        return take

    return begin


@pytest.mark.parametrize(
    ("words", "tuning"),
    [
        ("--preemptableCompensation 0.5", "preemptible_compensation=0.5"),
        ("--preemptibleCompensation=1", "preemptible_compensation=1"),
        ("--preemptible-compensation 0.25", "preemptible_compensation=0.25"),
        ("--targetTime 600 --betaInertia 0.5", "target_time_s=600 beta_inertia=0.5"),
        ("--target-time=600 --scale-interval 15", "target_time_s=600 scale_interval_s=15"),
        ("--scaleInterval 60", "scale_interval_s=60"),
        ("", ""),
    ],
)
def test_how_eager_scaling_is_to_be_is_handed_over_as_it_was_typed(
    leader: Callable[..., Take], words: str, tuning: str
) -> None:
    assert leader()(*TYPES, *words.split()).tuning == tuning


@pytest.mark.parametrize(
    ("words", "storage"),
    [
        ("--nodeStorage 300", "m3.large:0.05=300,m3.large=300"),
        ("--node-storage=50", "m3.large:0.05=50,m3.large=50"),
        ("--nodeStorageOverrides m3.large:200", "m3.large:0.05=200,m3.large=200"),
        ("--nodeTypes c3.large --nodeStorageOverrides c3.large:200", "c3.large=200"),
        ("--nodeTypes c3.large --nodeStorage 90 --nodeStorageOverrides c3.large:200",
         "m3.large:0.05=90,m3.large=90,c3.large=200"),
        ("", ""),
    ],
)  # fmt: skip
def test_root_volumes_are_handed_over_by_node_type(leader: Callable[..., Take], words: str, storage: str) -> None:
    assert leader()(*TYPES, *words.split()).storage == storage


@pytest.mark.parametrize(
    ("words", "limits"),
    [
        ("--nodeType c3.large --maxNodes 2", ("c3.large=0..2",)),
        ("--preemptableNodeType c3.large:0.1 --maxPreemptableNodes 3 --nodeType c3.large --maxNodes 2",
         ("c3.large=0..2", "c3.large:0.1=0..3")),
        ("--preemptable-node-type=c3.large:0.1 --min-preemptible-nodes=1", ("c3.large:0.1=1..10",)),
        ("--preemptibleNodeType c3.large:0.1 --maxPreemptibleNodes=4", ("c3.large:0.1=0..4",)),
        ("--node-types c3.large,r3.large --min-nodes 1,0 --max-nodes 2,5", ("c3.large=1..2", "r3.large=0..5")),
        ("--nodeTypes c3.large --alphaPacking 0.8 --nodeOptions=x --preemptableNodeOptions y", ("c3.large=0..10",)),
    ],
)  # fmt: skip
def test_older_spellings_and_hyphens_work(leader: Callable[..., Take], words: str, limits: tuple[str, ...]) -> None:
    assert leader()("--provisioner", "aws", *words.split()).limits == limits


def test_each_change_and_each_option_that_is_left_out_is_told_with_its_reason(
    leader: Callable[..., Take], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    leader()(*TYPES, "--alphaPacking", "0.8", "--max-nodes", "2", "--assumeZeroOverhead", "True", "--metrics", "True")
    for said in (
        "toilctl: --alphaPacking 0.8 is left out: Toil 3.16 took it away",
        "toilctl: --max-nodes 2 is read as --maxNodes 2: that is how Toil has it.",
        "toilctl: --assumeZeroOverhead is left out: what a node gives to jobs is measured.",
        "toilctl: --metrics is left out: the autoscaler has metrics of its own.",
    ):
        assert said in caplog.text


def test_cluster_with_limits_of_its_own_keeps_its_settings_and_a_line_says_what_changes_them(
    leader: Callable[..., Take], caplog: pytest.LogCaptureFixture
) -> None:
    leader(limits="\n- m3.large=0..2")(*TYPES, "--targetTime", "600", "--nodeStorage", "300")
    assert "--targetTime 600 left out: the cluster has limits of its own" in caplog.text
    assert "toilctl autoscale my --target-time 600" in caplog.text
    assert "root volumes of m3.large:0.05=300,m3.large=300 GB" in caplog.text


@pytest.mark.parametrize("override", ["c9.large:5", "m3.large", "m3.large:much", "m3.large:-5"])
def test_override_that_fits_nothing_is_told(
    leader: Callable[..., Take], caplog: pytest.LogCaptureFixture, override: str
) -> None:
    assert leader()(*TYPES, "--nodeStorageOverrides", override).storage == ""
    assert f"--nodeStorageOverrides {override} is left out" in caplog.text


def test_cluster_without_an_autoscaler_is_told_all_that_one_would_need(
    leader: Callable[..., Take], caplog: pytest.LogCaptureFixture
) -> None:
    leader(autoscaler="false")(*TYPES, "--nodeStorage", "300", "--preemptableCompensation", "0.5")
    assert (
        "toilctl autoscale my --node-types m3.large:0.05,m3.large --max-nodes 10,10 --node-storage 300 "
        "--preemptible-compensation 0.5"
    ) in caplog.text


def test_options_without_a_provisioner_are_named(leader: Callable[..., Take], caplog: pytest.LogCaptureFixture) -> None:
    leader()("--nodeStorage", "300")
    assert "toilctl: --nodeStorage is left out: only --provisioner aws asks for workers" in caplog.text


def test_workflows_own_option_of_the_same_form_is_its_own(leader: Callable[..., Take]) -> None:
    leader()
    from toil.job import Job

    parser = Job.Runner.getDefaultArgumentParser()
    parser.add_argument("--max-nodes", type=int)
    assert parser.parse_args([STORE, "--max-nodes", "7"]).max_nodes == 7


@pytest.mark.parametrize("option", OPTIONS, ids=lambda one: one.name)
def test_each_option_is_found_by_each_of_its_names_and_says_what_becomes_of_it(option: ScalerOption) -> None:
    for name in option.names:
        assert name == "-p" or find(name) is find(f"{name}=1") is option
    assert option.releases
    assert option.becomes or option.why


def test_words_behind_two_hyphens_and_bad_numbers_stay_for_toil_to_judge() -> None:
    words = ["--preemptableNodeType", "c3.large:1", "--maxPreemptableNodes", "many", "--", "--nodeType", "x"]
    assert modern(words, {"--nodeTypes", "--minNodes", "--maxNodes"}) == (words, [])
