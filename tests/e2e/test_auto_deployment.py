"""Toil's documentation, chapter Auto-Deployment, line by line: typed in the leader's shell, and deployed and run.

The project of that chapter has two packages at its top, and a job of one calls the other.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.autoscaled import WORKFLOWS
from tests.e2e.world import KEY_PAIR, NEEDS_MESOS, REGION, World

pytestmark = pytest.mark.e2e

CLUSTER = "chapter"
LAUNCH = (
    "launch-cluster", CLUSTER, "--node-type", "t2.medium", "-z", "us-west-2a", "--keyPairName", KEY_PAIR, "-w", "1",
    "--shared", "nfs", "--engine",
)  # fmt: skip
SORTED = "[1, 2, 3]"
SETUP = "from setuptools import find_packages, setup\nsetup(name='chapter', version='1', packages=find_packages())\n"
VIRTUALENV = "virtualenv -q --system-site-packages venv; . venv/bin/activate;"
COPIED = f"{VIRTUALENV} cp -R workflow util venv/lib/python3*/site-packages;"
LINES = {
    "the project": "python -m workflow.main STORE",
    "a python path": "export PYTHONPATH=$PWD; cd /; python -m workflow.main STORE",
    "a virtualenv": f"{COPIED} cd /; python -m workflow.main STORE",
    "a virtualenv, from the project": f"{COPIED} python -m workflow.main STORE",
    "a script with a virtualenv": (
        f"{COPIED} mkdir alone; cp workflow/main.py alone; cd alone; python main.py --batchSystem=mesos STORE"
    ),
    "an installed project": (
        f"{VIRTUALENV} pip install -q --no-index --no-build-isolation .; cd /; python -m workflow.main STORE"
    ),
    "siblings": "cp workflow/main.py userScript.py; ./userScript.py --batchSystem=mesos STORE",
    "a shared file system": (
        "cp -R . /shared/project; export PYTHONPATH=/shared/project; cd /shared/project; "
        "python -m workflow.main file:/shared/store"
    ),
}
"""What is typed in a copy of the project; STORE becomes a job store's name."""


@dataclass
class Chapter:
    """The cluster, and the project on its leader."""

    world: World

    def typed(self, line: str) -> str:
        """Type a line into the leader's shell, in a copy of the project."""
        here = f"/root/{uuid4().hex[:8]}"
        line = f"set -e; cp -R /root/chapter {here}; cd {here}; {line.replace('STORE', store())}"
        return self.world.on_leader(CLUSTER, "bash", "-c", line)

    def deployed(self, project: Path) -> str:
        """Deploy the project, and run it."""
        self.world.toilctl("deploy", CLUSTER, project)
        return self.world.toilctl("run", "--wait", CLUSTER, "--", "python", "-m", "workflow.main", store()).stdout


def store() -> str:
    return f"aws:{REGION}:chapter-{uuid4().hex[:8]}"


@pytest.fixture(scope="module", params=["slurm", pytest.param("mesos", marks=NEEDS_MESOS)])
def chapter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chapter]:
    engine = str(request.param)
    world: World = request.getfixturevalue("mesos_world" if engine == "mesos" else "world")
    project = Path(shutil.copytree(WORKFLOWS / "chapter", tmp_path_factory.mktemp("project") / "chapter"))
    (project / "setup.py").write_text(SETUP)
    world.toilctl(*LAUNCH, engine)
    world.toilctl("rsync-cluster", CLUSTER, "-a", project, ":/root/")
    yield Chapter(world)
    world.toilctl("destroy-cluster", CLUSTER, check=False)


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_line_of_the_documentation_in_the_leaders_shell(chapter: Chapter, line: str) -> None:
    assert SORTED in chapter.typed(line)


def test_project_is_deployed_and_run(chapter: Chapter) -> None:
    assert SORTED in chapter.deployed(WORKFLOWS / "chapter")


def test_project_with_a_setup_is_deployed_and_run(chapter: Chapter, tmp_path: Path) -> None:
    project = Path(shutil.copytree(WORKFLOWS / "chapter", tmp_path / "installed"))
    (project / "setup.py").write_text(SETUP)
    chapter.world.toilctl("deploy", "--name", "installed", CLUSTER, project)
    words = ("run", "--deployment", "installed", "--wait", CLUSTER, "--", "python", "-m", "workflow.main", store())
    assert SORTED in chapter.world.toilctl(*words).stdout
