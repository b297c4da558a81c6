"""Toil's own autoscaling options on a leader of toilctl's, as documents have them, given to real workflows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.nodes.plugin.workflows import Running, wait_for
from toilctl.engines.published import Published

LEADER = "cluster_name: my\nengine: {engine}\nautoscaler: {autoscaler}\nlimits: []\n"
SCALER = ("--provisioner", "aws")


@pytest.fixture
def start(tmp_path: Path, demand_dir: Path, cluster_file: Path) -> Iterator[Callable[..., Running]]:
    """Start a workflow on a leader; it ends with the test."""
    started: list[Running] = []

    def begin(*options: str, engine: str = "mesos", autoscaler: str = "true", **more: Any) -> Running:
        cluster_file.write_text(LEADER.format(engine=engine, autoscaler=autoscaler))
        started.append(Running(tmp_path / "one", demand_dir, *options, children=1, **more))
        return started[-1]

    yield begin
    for one in started:
        one.kill()


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        (("--nodeType", "c3.large"), ("c3.large=0..10",)),
        (("--nodeTypes", "c4.8xlarge:0.6,r3.8xlarge", "--minNodes", "0,0", "--maxNodes", "20,2"),
         ("c4.8xlarge:0.6=0..20", "r3.8xlarge=0..2")),
        (("--nodeTypes=c5.4xlarge/c5a.4xlarge:0.42,t2.large", "--maxNodes", "7"),
         ("c5.4xlarge/c5a.4xlarge:0.42=0..7", "t2.large=0..7")),
    ],
)  # fmt: skip
def test_autoscaler_gets_the_limits_and_toil_starts_no_scaler(
    start: Callable[..., Running], demand_dir: Path, options: tuple[str, ...], limits: tuple[str, ...]
) -> None:
    eager = ("--preemptableCompensation", "0.5", "--nodeStorage", "300")
    running, published = start(*SCALER, *options, *eager), Published(demand_dir)
    (workflow,) = wait_for(published.workflows, "the workflow")
    assert workflow.limits == limits
    assert workflow.tuning == "preemptible_compensation=0.5"
    assert workflow.storage == ",".join(f"{one.partition('=')[0]}=300" for one in limits)
    said = running.finish()
    assert said.count("its autoscaler follows") == 1
    assert ", ".join(limits) in said
    assert "ScalerThread" not in said
    assert published.workflows() == ()


def test_leader_without_an_autoscaler_says_how_to_get_one(start: Callable[..., Running], demand_dir: Path) -> None:
    said = start(*SCALER, "--nodeTypes", "c3.large", "--maxNodes", "2", autoscaler="false").finish()
    assert "toilctl autoscale my --node-types c3.large --max-nodes 2" in said


def test_provisioner_without_node_types_is_left_out(start: Callable[..., Running]) -> None:
    assert "--provisioner aws is left out" in start(*SCALER).finish()


def test_restart_hands_the_limits_over_again(start: Callable[..., Running], demand_dir: Path) -> None:
    options = (*SCALER, "--nodeTypes", "c3.large")
    first, published = start(*options), Published(demand_dir)
    wait_for(lambda: any(job.name == "child" for one in published.workflows() for job in one.jobs.values()), "the job")
    first.kill()
    again = start(*options, "--restart")
    (workflow,) = wait_for(published.workflows, "the second workflow")
    assert workflow.limits == ("c3.large=0..10",)
    again.finish()
