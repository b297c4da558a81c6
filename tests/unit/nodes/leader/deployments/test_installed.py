"""What is installed for a workflow, and what workers get of it."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from tests.unit.nodes.leader.deployments.conftest import Leader, make_project, make_wheel


def test_project_is_installed_with_what_it_needs_and_never_editable(
    leader: Leader, house: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", needs=("tabular>=1", "toil>=9"))
    found = leader.deploy("project", project, installed=".", wheelhouse=house)["deployment"]
    assert found["packages"] == {"tallies": "1.0", "tabular": "1.1"}
    assert found["commands"] == ["tallies", "other"]
    assert (found["native"], found["on_workers"]) == (False, False)
    assert leader.run("tallies") == f"1.0 {leader.flow}/venv"
    where = leader.python("import tallies, tabular; print(tallies.__file__, tabular.NUMBER)")
    assert where == f"{leader.flow}/venv/lib/python3.{sys.version_info.minor}/site-packages/tallies/__init__.py 1.1"
    assert sorted(path.name for path in (leader.flow / "source").iterdir()) == sorted(
        path.name for path in project.iterdir()
    )


def test_toil_sends_a_projects_module_from_the_path_that_lasts(leader: Leader, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    for number in ("1.0", "2.0"):
        make_project(project, number=number)
        leader.deploy("project", project, installed=".")
        # What a job store remembers of the first must be found when its workflow is restarted with the second.
        said = leader.python(
            "import tallies, zipfile; from toil.resource import ModuleDescriptor, VirtualEnvResource as Sent\n"
            "one = ModuleDescriptor.forModule('tallies'); print(one.dirPath, one.fromVirtualEnv)\n"
            "print('tallies/__init__.py' in zipfile.ZipFile(Sent._load(one.dirPath)).namelist())"
        )
        site = f"{leader.flow}/venv/lib/python3.{sys.version_info.minor}/site-packages"
        assert said.split() == [site, "True", "True"]


def test_next_version_of_a_project_takes_the_place_of_the_former(leader: Leader, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    leader.deploy("project", project, installed=".")
    make_project(project, number="2.0")
    assert leader.deploy("project", project, installed=".")["built"] is True
    assert leader.run("tallies") == f"2.0 {leader.flow}/venv"
    assert len(list((leader.flow / "venvs").iterdir())) == 1


def test_build_writes_into_a_copy_and_git_tells_it_the_commit(leader: Leader, tmp_path: Path) -> None:
    commit = "ab" * 20
    before = textwrap.dedent(
        """
        import os, subprocess
        said = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
        version = os.environ["SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MY_TALLIES"]
        pathlib.Path("src/tallies/about.py").write_text(f"ABOUT = {said.strip()!r}, {version!r}")
        pathlib.Path("src/tallies/__init__.py").write_text("from tallies.about import ABOUT")
        """
    )
    project = make_project(tmp_path / "project", before=before)
    leader.deploy("project", project, installed=".", commit=commit, project="my-tallies", version="1.2.post3")
    assert leader.python("import tallies; print(*tallies.ABOUT)") == f"{commit} 1.2.post3"
    assert "def main" in (leader.flow / "source/src/tallies/__init__.py").read_text()


def test_wheel_is_installed(leader: Leader, house: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    make_wheel(one, "tallies", "1.0", needs=("tabular<1",))
    found = leader.deploy("wheel", one, installed="tallies-1.0-py3-none-any.whl", wheelhouse=house)["deployment"]
    assert found["packages"] == {"tallies": "1.0", "tabular": "0.9"}


def test_package_and_another_version_of_it_come_from_the_wheelhouse(leader: Leader, house: Path) -> None:
    found = leader.deploy("package", requirements=["tabular==0.9"], wheelhouse=house)["deployment"]
    assert (found["packages"], sorted(leader.sent)) == ({"tabular": "0.9"}, sorted(one.name for one in house.iterdir()))
    leader.deploy("package", requirements=["tabular"], constraints=["tabular<1.2"], wheelhouse=house)
    assert (leader.sent, leader.python("import tabular; print(tabular.NUMBER)")) == ([], "1.1")


def test_packages_of_a_script_are_for_workers_too_since_toil_sends_the_script_alone(
    leader: Leader, script: Path, house: Path
) -> None:
    found = leader.deploy("script", script, requirements=["tabular"], wheelhouse=house)["deployment"]
    assert (found["native"], found["on_workers"]) == (False, True)
    assert (leader.root / "deployed/.on-workers").read_text() == "flow\n"
    entry = leader.python("import toil; print(toil.resolveEntryPoint('_toil_worker'))")
    assert entry == f"{leader.flow}/venv/bin/_toil_worker"


def test_what_workers_had_once_is_kept_up_to_date_there(leader: Leader, script: Path, house: Path) -> None:
    leader.deploy("script", script, requirements=["tabular"], wheelhouse=house)
    found = leader.deploy("script", script)["deployment"]
    assert (found["packages"], found["on_workers"]) == ({}, True)
    assert (leader.root / "deployed/.on-workers").read_text() == "flow\n"


def test_job_of_another_deployment_is_started_by_the_appliances_program(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    assert (leader.root / "deployed/.on-workers").read_text() == ""
    assert leader.python("import toil; print(toil.resolveEntryPoint('_toil_worker'))") == "_toil_worker"


@pytest.mark.parametrize("name", ["core__so", "libcore__so__5"])
def test_native_code_is_seen(name: str, leader: Leader, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    make_wheel(one, "compiled", "1.0", **{name: "", "compiled__py": ""})
    found = leader.deploy("wheel", one, installed="compiled-1.0-py3-none-any.whl")["deployment"]
    assert (found["native"], found["on_workers"]) == (True, True)


def test_what_toil_itself_needs_is_for_workers_too(leader: Leader, tmp_path: Path) -> None:
    house = tmp_path / "wheels"
    house.mkdir()
    make_wheel(house, "miniwdl", "1.15.0")
    make_wheel(house, "wdlparse", "0.1.0")
    found = leader.deploy("package", requirements=["toil[wdl]"], wheelhouse=house)["deployment"]
    assert found["packages"] == {"miniwdl": "1.15.0", "wdlparse": "0.1.0"}
    assert (found["native"], found["on_workers"]) == (False, True)
    assert found["commands"] == ["toil-wdl-runner"]
