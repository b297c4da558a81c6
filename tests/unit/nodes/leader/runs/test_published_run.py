"""What a workflow tells of itself in a run, and that nothing changes without one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT
from tests.unit.nodes.leader.here import Here

SCRIPT = ROOT / "tests/unit/nodes/leader/gated_workflow.py"
ONE_AFTER_THE_OTHER = """
from toil.common import Toil
from toil.job import Job

for number in (1, 2):
    options = Job.Runner.getDefaultOptions(f"file:store-{number}")
    with Toil(options) as toil:
        toil.start(Job())
"""


class Run:
    """A run's directory, and programs that believe they are in it."""

    def __init__(self, here: Here) -> None:
        self.here, self.directory = here, here.directory("one")
        self.directory.mkdir(parents=True)
        self.script = str(shutil.copy(SCRIPT, here.home / "gated.py"))

    def python(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.here.environment, "TOILCTL_RUN": str(self.directory), **variables}
        return subprocess.run(
            [sys.executable, *words], env=environment, cwd=self.here.home, capture_output=True, text=True, check=False
        )

    def workflow(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.python(self.script, *words, **variables)

    @property
    def told(self) -> list[dict[str, Any]]:
        path = self.directory / "workflows.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def run(here: Here) -> Run:
    return Run(here)


def test_workflows_of_one_process_have_a_bus_each(run: Run) -> None:
    script = run.here.script("both.py", ONE_AFTER_THE_OTHER)
    done = run.python(str(script))
    assert done.returncode == 0, done.stderr
    first, second = run.told
    assert (first["pid"], first["bus"] + ".2") == (second["pid"], second["bus"])
    for one in run.told:
        assert "JobCompletedMessage" in Path(one["bus"]).read_text()
    assert sorted(path.name for path in run.directory.glob("bus-*")) == [Path(one["bus"]).name for one in run.told]


def test_bus_that_the_user_has_chosen_stays(run: Run) -> None:
    done = run.workflow("store", "--writeMessages", "mine")
    assert done.returncode == 0, done.stderr
    assert [one["bus"] for one in run.told] == [str(run.here.home / "mine")]
    assert (run.here.home / "mine").stat().st_size
    assert list(run.directory.glob("bus-*")) == []


def test_restart_has_a_bus_of_its_own_and_says_that_it_is_one(run: Run) -> None:
    assert run.workflow("file:store", "--retryCount", "0", "--jobs", "fails").returncode == 1
    (run.here.home / "mended").touch()
    assert run.workflow("file:store", "--restart").returncode == 0
    first, second = run.told
    assert (first["restart"], second["restart"]) == (False, True)
    assert first["bus"] != second["bus"]
    assert first["job_store"] == second["job_store"] == f"file:{run.here.home}/store"


def test_without_a_run_toil_is_left_alone(run: Run) -> None:
    load = "from toil.batchSystems.registry import get_batch_systems; get_batch_systems()"
    look = f"{load}; from toil.common import Config, Toil; print(Toil.__enter__.__code__, Config.setOptions.__code__)"
    with_run = run.python("-c", look).stdout
    without = run.python("-c", look, TOILCTL_RUN="").stdout
    assert with_run.count("publication/run.py") == 2
    assert "publication/run.py" not in without
    assert run.workflow("store", TOILCTL_RUN="").returncode == 0
    assert run.told == []


def test_directory_that_cannot_be_written_ends_no_workflow(run: Run) -> None:
    (run.directory / "workflows.jsonl").mkdir()
    done = run.workflow("store")
    assert done.returncode == 0, done.stderr
    assert "toilctl cannot tell of this workflow" in done.stderr


@pytest.mark.parametrize("batch_system", ["slurm", "mesos"])
@pytest.mark.parametrize("store", ["store", "./store", "file:store", "file:///tmp/none/store"])
def test_directory_that_workers_cannot_see_ends_the_workflow_before_it_begins(
    run: Run, store: str, batch_system: str
) -> None:
    done = run.workflow(store, "--batchSystem", batch_system)
    assert done.returncode == 2
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("toilctl:")]
    assert "the cluster's workers cannot see the job store" in said
    assert "--shared" in said
    assert "Traceback" not in done.stderr
    assert not (run.here.home / "store").exists()
    assert run.told == []


def test_shared_directory_is_seen_by_workers(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    from toilctl_plugin.publication import run as told_run

    class Config:
        jobStore, batchSystem = str(here.home / "a/store"), "slurm"

    monkeypatch.setenv("TOILCTL_CLUSTER_FILE", here.environment["TOILCTL_CLUSTER_FILE"])
    for shared in ("", "/none:/other", str(here.home / "a/st"), f"{here.home / 'b'}:/none"):
        monkeypatch.setenv("TOILCTL_SHARED", shared)
        with pytest.raises(SystemExit) as ended:
            told_run._refuse_unseen(Config)
        assert ended.value.code == 2
    for shared in (str(here.home), f"/none:{here.home}/a/", str(here.home / "a/store")):
        monkeypatch.setenv("TOILCTL_SHARED", shared)
        told_run._refuse_unseen(Config)
    monkeypatch.setenv("TOILCTL_SHARED", "")
    monkeypatch.setattr(Config, "batchSystem", "single_machine")
    told_run._refuse_unseen(Config)
    monkeypatch.setattr(Config, "batchSystem", "slurm")
    monkeypatch.setattr(Config, "jobStore", "aws:us-west-2:store")
    told_run._refuse_unseen(Config)
    monkeypatch.setenv("TOILCTL_CLUSTER_FILE", os.devnull)
    monkeypatch.setattr(Config, "jobStore", "store")
    told_run._refuse_unseen(Config)


@pytest.mark.parametrize(
    ("locator", "path"),
    [
        ("store", "/home/me/store"), ("./store", "/home/me/store"), ("../store", "/home/store"), ("/a/b/", "/a/b"),
        ("file:store", "/home/me/store"), ("file:/a//b", "/a/b"), ("file:///a/b", "/a/b"), ("file://a", "/a"),
        ("./aws:x", "/home/me/aws:x"), ("aws:us-west-2:x", None), ("google:p:x", None), ("", "/home/me"),
    ],
)  # fmt: skip
def test_directories_are_told_from_other_job_stores(locator: str, path: str | None) -> None:
    from toilctl_plugin import locators

    assert locators.directory(locator, "/home/me") == path
    assert locators.canonical(locator, "/home/me") == (locator if path is None else f"file:{path}")
