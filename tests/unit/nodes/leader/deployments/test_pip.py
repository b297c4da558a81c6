"""What pip refuses, and deployments that are made anew."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from tests.unit.nodes.leader.deployments.conftest import TOIL, Leader, make_project, make_wheel


@pytest.mark.parametrize(
    ("need", "needed"), [("toil==8.0.0", "8.0.0"), ("toil<9", "8.0.0"), ("toil[aws]~=7.0", "~=7.0")]
)
def test_project_that_needs_another_toil_is_refused_and_says_which(
    need: str, needed: str, leader: Leader, house: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", needs=(need, "tabular"))
    error = leader.refuse("project", project, installed=".", wheelhouse=house)
    assert error.code == "conflict"
    assert (error.facts["toil_needed"], error.facts["toil"]) == (needed, TOIL)
    assert error.facts["needed_by"].startswith("tallies")
    assert f"needs Toil {needed}, and the cluster's appliance has {TOIL}" in error.message
    assert not (leader.flow / "venv").exists()


def test_toil_that_is_asked_for_by_its_own_name_is_refused_too(leader: Leader, house: Path) -> None:
    error = leader.refuse("package", requirements=["toil==8.0.0"], wheelhouse=house)
    assert (error.facts["toil_needed"], error.facts["needed_by"]) == ("8.0.0", "")


def test_what_would_break_the_appliances_toil_is_refused(leader: Leader, house: Path, tmp_path: Path) -> None:
    make_wheel(house, "urllib3", "1.0")
    project = make_project(tmp_path / "project", needs=("urllib3<1.1",))
    error = leader.refuse("project", project, installed=".", wheelhouse=house)
    assert (error.code, "urllib3" in error.message) == ("conflict", True)
    assert "toil_needed" not in error.facts
    assert f"Toil {TOIL} is the appliance's and stays" in error.next_step


def test_dependency_that_is_not_there_is_named_and_the_former_deployment_stays(
    leader: Leader, house: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", needs=("tabular",))
    before = leader.deploy("project", project, installed=".", wheelhouse=house)["deployment"]
    make_project(project, number="2.0", needs=("no-such-package-at-all>=2",))
    error = leader.refuse("project", project, installed=".", wheelhouse=house)
    assert (error.code, error.facts["package"]) == ("not-found", "no-such-package-at-all>=2")
    assert "needed by tallies" in error.message
    assert error.facts["log"] == str(leader.flow / "install.log")
    assert "install.log" in error.next_step
    assert "No matching distribution" in (leader.flow / "install.log").read_text()
    assert leader.run("tallies") == f"1.0 {leader.flow}/venv"
    assert json.loads((leader.flow / "deployment.json").read_text()) == before
    assert len(list((leader.flow / "venvs").iterdir())) == 1


def test_build_that_fails_tells_its_own_last_words(leader: Leader, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", before="raise RuntimeError('no HDF5 here')")
    error = leader.refuse("project", project, installed=".")
    assert (error.code, "no HDF5 here" in error.message) == ("conflict", True)


def test_requirements_that_exclude_each_other_are_named(leader: Leader, house: Path) -> None:
    error = leader.refuse("package", requirements=["tabular<1", "tabular>1"], wheelhouse=house)
    assert (error.code, "tabular<1" in error.message, "tabular>1" in error.message) == ("conflict", True, True)


NEWER_PIP = """
import json, pathlib, sys
if "--report" in sys.argv:
    pathlib.Path(sys.argv[sys.argv.index("--report") + 1]).write_text(json.dumps({"install": []}))
print("the newer pip", *sys.argv[1:3])
"""


def test_pip_that_breaks_gives_way_to_a_newer_one_for_this_deployment(
    leader: Leader, house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(house, "pip", "99.0", **{"pip/__init__.py": "", "pip/__main__.py": NEWER_PIP})
    # What the pip that is there says of a package that it does not find.
    monkeypatch.setattr("toilctl_leader.deployments.pip._BROKEN", "No matching distribution")
    found = leader.deploy("package", requirements=["no-such-package-at-all"], wheelhouse=house)["deployment"]
    assert found["packages"] == {}
    said = (leader.flow / "install.log").read_text()
    assert (said.count("the newer pip install --dry-run"), said.count("the newer pip install --no-warn")) == (1, 1)


def test_wheels_that_are_left_out_are_removed(leader: Leader, house: Path) -> None:
    leader.deploy("package", requirements=["tabular"], wheelhouse=house)
    (house / "tabular-1.1-py3-none-any.whl").unlink()
    leader.deploy("package", requirements=["tabular"], wheelhouse=house)
    assert leader.python("import tabular; print(tabular.NUMBER)") == "0.9"


def test_other_appliance_makes_the_virtualenv_anew(
    leader: Leader, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader.deploy("script", script)
    monkeypatch.setenv("TOIL_APPLIANCE_SELF", "example.org/toil:2")
    (listed,) = leader.deployments.VERBS["list"]({})["deployments"]
    assert listed["stale"] is True
    assert leader.deploy("script", script)["built"] is True
    assert leader.sent == []
    (listed,) = leader.deployments.VERBS["list"]({})["deployments"]
    assert (listed["stale"], len(list((leader.flow / "venvs").iterdir()))) == (False, 1)


def test_deployment_that_is_being_made_is_left_alone(leader: Leader, script: Path) -> None:
    place = importlib.import_module("toilctl_leader.deployments.deployment").Place("flow")
    with place.locked():
        error = leader.refuse("script", script)
    assert (error.code, "being deployed right now" in error.message) == ("conflict", True)


def test_virtualenv_is_usable_while_the_next_one_is_made(leader: Leader, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    leader.deploy("project", project, installed=".")
    before = f"{leader.flow}/venv/bin/tallies"
    told = tmp_path / "told"
    make_project(
        project, number="2.0",
        before=f"import subprocess\npathlib.Path({str(told)!r}).write_text("
               f"subprocess.run([{before!r}], capture_output=True, text=True).stdout)",
    )  # fmt: skip
    leader.deploy("project", project, installed=".")
    assert told.read_text().split()[0] == "1.0"
