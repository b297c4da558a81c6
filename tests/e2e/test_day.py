"""A short day with the command line, for a second Python and Ansible; other tests try the same in more detail."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.deprecations import deprecations
from tests.e2e.autoscaled import GROW_S, WORKFLOWS, OnSlurm
from tests.e2e.world import KEY_PAIR, REGION, ZONE, World, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.any_python]

CLUSTER, WORKER = "day", "t2.medium"
LAUNCH = (
    "launch-cluster", CLUSTER, "--leaderNodeType", "t2.medium", "-z", ZONE, "--keyPairName", KEY_PAIR,
    "--engine", "slurm", "--nodeTypes", WORKER, "--minNodes", "0", "--maxNodes", "2", "--scale-interval", "2",
    "--idle-timeout", "60",
)  # fmt: skip
NODES_PYTHON = "3.11"
# All that Ansible warns of is in the playbooks' logs; those that the leader runs are of an Ansible for its Python.
DEBUG = "--debug"


@pytest.fixture(scope="module")
def day(world: World) -> Iterator[OnSlurm]:
    before = world.everything()
    world.toilctl(*LAUNCH, DEBUG)
    yield OnSlurm(world, CLUSTER, before)
    world.toilctl("destroy-cluster", CLUSTER, DEBUG, check=False)


def test_leader_has_an_ansible_that_its_python_runs(day: OnSlurm) -> None:
    said = day.on_host("/opt/toilctl/bin/ansible-playbook", "--version").stdout
    here = version("ansible-core")
    assert f"python version = {NODES_PYTHON}" in said
    assert "[core 2.19." in said
    assert here.startswith("2.19.") == (f"[core {here}]" in said)


def test_deployed_workflow_runs_on_a_worker_that_the_leader_launched(day: OnSlurm) -> None:
    script = WORKFLOWS / "siblings/count.py"
    day.world.toilctl("deploy", CLUSTER, str(script), DEBUG)
    words = ("count.py", f"aws:{REGION}:day-count", "--logLevel", "INFO")
    day.world.toilctl("run", "--wait", CLUSTER, "--", "python", *words)
    assert {kind for kind, _ in day.begun()} >= {"launch"}


def test_scale_cluster_fixes_how_many_workers_there_are(day: OnSlurm) -> None:
    day.world.toilctl("scale-cluster", CLUSTER, "-w", "2", DEBUG)
    day.wait_for_workers(2)
    wait_for(lambda: len(day.in_engine()) == 2, GROW_S, "two workers in the engine")
    day.world.toilctl("scale-cluster", CLUSTER, "-w", "0", DEBUG)
    day.wait_for_none()


def test_files_and_commands_reach_the_leader(day: OnSlurm, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("said\n")
    day.world.toilctl("rsync-cluster", CLUSTER, "-a", f"{tmp_path}/a file", ":/tmp/")
    assert day.on_leader("cat", "/tmp/a file") == "said\n"


def test_no_playbook_uses_what_ansible_takes_away(day: OnSlurm) -> None:
    logs = list((day.world.home / f"state/toilctl/clusters/{REGION}/{CLUSTER}/logs").glob("*.log"))
    assert logs
    assert [text for log in logs for text in deprecations(log.read_text())] == []


def test_destruction_leaves_nothing(day: OnSlurm) -> None:
    day.world.toilctl("destroy-cluster", CLUSTER)
    assert day.world.everything() == day.before
