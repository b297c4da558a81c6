"""What Toil's documentation, chapter Auto-Deployment, promises, with real Toil and a worker that has none of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.checkout import ROOT

PLUGIN_DIR = ROOT / "roles/appliance/files"
HIERARCHY = ROOT / "tests/e2e/workflows/chapter"
ELSEWHERE = """
from toilctl_plugin.batch_systems import user_scripts
from toilctl_plugin.batch_systems.registry import replace_batch_system


def elsewhere():
    from toil.batchSystems.singleMachine import SingleMachineBatchSystem

    user_scripts.pack_sources()

    class Elsewhere(SingleMachineBatchSystem):
        script = None

        @classmethod
        def supportsAutoDeployment(cls):
            return True

        def setUserScript(self, script):
            self.script = script

        def issueBatchJob(self, command, job, job_environment=None):
            fetched = user_scripts.fetching(command, self.script)
            return super().issueBatchJob(f"cd /; unset PYTHONPATH; exec {fetched}", job, job_environment)

    return Elsewhere


replace_batch_system("single_machine", elsewhere)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HIERARCHY, tmp_path / "project"))


def run(tmp_path: Path, *words: str | Path, cwd: Path, **environment: str) -> str:
    """Run a workflow whose jobs see nothing of the project but what they are sent."""
    plugins = tmp_path / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "toil_batch_system_elsewhere.py").write_text(ELSEWHERE)
    own = environment.pop("PYTHONPATH", "")
    env: Mapping[str, str] = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "TOIL_WORKDIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PLUGIN_DIR), str(plugins), own))),
        **environment,
    }
    argv = [*map(str, words), f"file:{tmp_path}/store", "--retryCount", "0", "--workDir", str(tmp_path)]
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stdout


def virtualenv(directory: Path) -> Path:
    """Make one that sees Toil, as the appliance's does; return its Python."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(directory)], check=True
    )
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(directory)}))
    (packages / "appliance.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory / "bin/python"


def into_site_packages(python: Path, *packages: Path) -> None:
    target = Path(sysconfig.get_path("purelib", "venv", {"base": str(python.parents[1])}))
    for package in packages:
        shutil.copytree(package, target / package.name)


def test_hierarchy_with_m(project: Path, tmp_path: Path) -> None:
    assert "[1, 2, 3]" in run(tmp_path, sys.executable, "-m", "workflow.main", cwd=project)
    # What was unpacked for the first job is there for the others: one directory for all of them.
    assert len(list((tmp_path / "toilctl-sources").iterdir())) == 1


def test_hierarchy_on_python_path(project: Path, tmp_path: Path) -> None:
    assert "[1, 2, 3]" in run(tmp_path, sys.executable, "-m", "workflow.main", cwd=tmp_path, PYTHONPATH=str(project))


@pytest.mark.parametrize("where", ["elsewhere", "the project"])
def test_packages_copied_into_a_virtualenv(project: Path, tmp_path: Path, where: str) -> None:
    python = virtualenv(tmp_path / "venv")
    into_site_packages(python, project / "workflow", project / "util")
    cwd = project if where == "the project" else tmp_path
    assert "[1, 2, 3]" in run(tmp_path, python, "-m", "workflow.main", cwd=cwd)


def test_script_that_imports_from_a_virtualenv(project: Path, tmp_path: Path) -> None:
    python = virtualenv(tmp_path / "venv")
    into_site_packages(python, project / "util")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(project / "workflow/main.py", alone / "main.py")
    assert "[1, 2, 3]" in run(tmp_path, python, "main.py", cwd=alone)


def test_virtualenv_inside_the_project(project: Path, tmp_path: Path) -> None:
    python = virtualenv(project / "venv")
    assert "[1, 2, 3]" in run(tmp_path, python, "-m", "workflow.main", cwd=project)


def test_script_with_siblings(project: Path, tmp_path: Path) -> None:
    siblings = tmp_path / "siblings"
    shutil.copytree(project / "util", siblings / "util")
    shutil.copy(project / "workflow/main.py", siblings / "userScript.py")
    assert "[1, 2, 3]" in run(tmp_path, sys.executable, "./userScript.py", cwd=siblings)
