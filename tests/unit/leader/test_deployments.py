"""Deployments on a leader: real virtualenvs and pip, this project's own Toil as the appliance's, and no network."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from toilctl.workflows import trees

TOIL = version("toil")
IMAGE = "example.org/toil:1"
BACKEND = '''
"""A build backend that needs nothing: it makes a wheel of the modules beside it, as project.json says."""
import json, pathlib, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    said = json.loads(pathlib.Path("project.json").read_text())
    exec(said.get("before", ""))
    about = f"{said['name']}-{said['version']}.dist-info"
    name = f"{said['name']}-{said['version']}-py3-none-any.whl"
    head = f"Metadata-Version: 2.1\\nName: {said['name']}\\nVersion: {said['version']}\\n"
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as out:
        for path in pathlib.Path("src").rglob("*"):
            out.write(path, path.relative_to("src"))
        out.writestr(f"{about}/METADATA", head + "".join(f"Requires-Dist: {one}\\n" for one in said["needs"]))
        out.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        out.writestr(f"{about}/entry_points.txt", said["entry_points"])
        out.writestr(f"{about}/RECORD", "")
    return name
'''


def make_wheel(directory: Path, name: str, number: str, *, needs: tuple[str, ...] = (), **files: str) -> Path:
    """Write a wheel by hand; in names of files without a dot, two underscores stand for it."""
    path = directory / f"{name}-{number}-py3-none-any.whl"
    about = f"{name}-{number}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
    with zipfile.ZipFile(path, "w") as out:
        for file, text in (files or {f"{name}__py": f"NUMBER = {number!r}\n"}).items():
            out.writestr(file if "." in file else file.replace("__", "."), text)
        out.writestr(f"{about}/METADATA", head + "".join(f"Requires-Dist: {one}\n" for one in needs))
        out.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr(f"{about}/RECORD", "")
    return path


def make_project(
    directory: Path, *, name: str = "tallies", number: str = "1.0", needs: tuple[str, ...] = (), before: str = ""
) -> Path:
    """Write a project with a program of its name, built by a backend of its own."""
    (directory / f"src/{name}").mkdir(parents=True, exist_ok=True)
    (directory / "backend.py").write_text(BACKEND)
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    said = {
        "name": name, "version": number, "needs": needs, "before": before,
        "entry_points": f"[console_scripts]\n{name} = {name}:main\nother = {name}:main\n",
    }  # fmt: skip
    (directory / "project.json").write_text(json.dumps(said))
    (directory / f"src/{name}/__init__.py").write_text(
        f"import sys\n\ndef main():\n    print({number!r}, sys.prefix)\n"
    )
    return directory


@dataclass
class Leader:
    """The program on a leader, and a laptop that sends by copying."""

    root: Path
    deployments: ModuleType
    refused: type[Exception]
    sent: list[str] = field(default_factory=list)

    def request(self, kind: str, source: Path | None = None, **more: Any) -> dict[str, Any]:
        names = (
            [str(path.relative_to(source)) for path in sorted(source.rglob("*")) if path.is_file()] if source else []
        )
        files = {name: self.digest(source / name) for name in names} if source else {}
        request = {"name": "flow", "kind": kind, "path": f"./{kind}", "files": files, "wheels": None, "programs": []}
        house = more.pop("wheelhouse", None)
        if house:
            more["wheels"] = {path.name: self.digest(path).removesuffix("+x") for path in house.iterdir()}
        return {**request, **more}

    def digest(self, path: Path) -> str:
        # As the laptop does it: the leader's own must be the same.
        return trees.digest(path)

    def deploy(self, kind: str, source: Path | None = None, **more: Any) -> dict[str, Any]:
        """Do what ``toilctl deploy`` does; the answer says what changed."""
        house = more.get("wheelhouse")
        request = self.request(kind, source, **more)
        prepared = self.deployments.VERBS["prepare"](request)
        self.sent = [*prepared["lacking"], *prepared["lacking_wheels"]]
        if prepared["unchanged"]:
            return {"deployment": prepared["before"], "built": False, "removed": []}
        for part, names, root in (
            ("source", prepared["lacking"], source), ("wheelhouse", prepared["lacking_wheels"], house),
        ):  # fmt: skip
            for name in names:
                target = Path(prepared["incoming"]) / part / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, target)
        answer: dict[str, Any] = json.loads(json.dumps(self.deployments.VERBS["install"](request)))
        return answer

    def refuse(self, kind: str, source: Path | None = None, **more: Any) -> Any:
        with pytest.raises(self.refused) as caught:
            self.deploy(kind, source, **more)
        return caught.value

    @property
    def flow(self) -> Path:
        return self.root / "deployed/flow"

    def run(self, program: str, *words: str) -> str:
        """Run a program of the deployment's virtualenv, as a run of toilctl's does."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        argv = [str(self.flow / "venv/bin" / program), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True, env=environment, cwd="/").stdout.strip()

    def python(self, text: str) -> str:
        return self.run("python", "-c", text)


@pytest.fixture
def leader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leader:
    """A leader without deployments, whose pip looks nowhere but where it is told."""
    monkeypatch.setenv("TOILCTL_WORKFLOWS_DIR", str(tmp_path / "workflows"))
    monkeypatch.setenv("TOILCTL_CLUSTER_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("TOIL_APPLIANCE_SELF", IMAGE)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    deployments = importlib.import_module("toilctl_leader.deployments")
    return Leader(tmp_path / "workflows", deployments, deployments.RefusedError)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A directory with a script and a module beside it."""
    directory = tmp_path / "script"
    directory.mkdir()
    (directory / "count.py").write_text("import words\n")
    (directory / "words.py").write_text("")
    return directory


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse with what the projects here need, and a Toil that nobody must get."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    make_wheel(directory, "tabular", "0.9")
    make_wheel(directory, "tabular", "1.1")
    make_wheel(directory, "toil", "8.0.0", toil__py="raise SystemExit('the wrong Toil')")
    return directory


def test_script_gets_a_virtualenv_that_sees_the_appliances_toil(leader: Leader, script: Path) -> None:
    answer = leader.deploy("script", script, programs=["python count.py"])
    assert answer["built"] is True
    assert leader.python("import toil, toil.version, sys; print(toil.__file__, sys.prefix)").split() == [
        importlib.import_module("toil").__file__, str(leader.flow / "venv"),
    ]  # fmt: skip
    found = answer["deployment"]
    assert (found["name"], found["kind"], found["toil"], found["packages"]) == ("flow", "script", TOIL, {})
    assert (found["native"], found["on_workers"], found["commands"]) == (False, False, ["python count.py"])
    assert sorted(path.name for path in (leader.flow / "source").iterdir()) == ["count.py", "words.py"]
    assert json.loads((leader.flow / "deployment.json").read_text()) == found


def test_toils_programs_run_in_the_virtualenv(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    assert leader.run("toil", "--version") == TOIL
    first = (leader.flow / "venv/bin/_toil_worker").read_text().splitlines()[0]
    assert first == f"#!{leader.flow}/venv/bin/python"
    assert (leader.flow / "venv/bin/toil-cwl-runner").exists()
    assert leader.run("pip", "--version").startswith("pip ")


def test_same_deployment_again_does_nothing_but_to_be_the_last_one(leader: Leader, script: Path) -> None:
    first = leader.deploy("script", script)["deployment"]
    made = (leader.flow / "venv").resolve().stat().st_mtime_ns
    again = leader.deploy("script", script)
    assert leader.sent == []
    assert (again["built"], (leader.flow / "venv").resolve().stat().st_mtime_ns) == (False, made)
    (listed,) = leader.deployments.VERBS["list"]({})["deployments"]
    assert listed["deployed_at"] > first["deployed_at"]
    assert listed["fingerprint"] == first["fingerprint"]


def test_only_what_changed_is_sent_and_what_is_gone_is_removed(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    (script / "count.py").write_text("import more\n")
    (script / "words.py").unlink()
    (script / "more").mkdir()
    (script / "more/__init__.py").write_text("")
    answer = leader.deploy("script", script)
    assert leader.sent == ["count.py", "more/__init__.py"]
    assert (answer["removed"], answer["built"]) == (["words.py"], False)
    assert not (leader.flow / "source/words.py").exists()
    shutil.rmtree(script / "more")
    assert leader.deploy("script", script)["removed"] == ["more/__init__.py"]
    assert not (leader.flow / "source/more").exists()


def test_what_runs_left_there_stays(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    (leader.flow / "source/result.txt").write_text("6")
    assert leader.deploy("script", script)["built"] is False
    (script / "count.py").write_text("x = 1")
    leader.deploy("script", script)
    assert (leader.flow / "source/result.txt").read_text() == "6"


def test_file_that_was_changed_on_the_leader_is_sent_again(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    (leader.flow / "source/count.py").write_text("import sys")
    leader.deploy("script", script)
    assert leader.sent == ["count.py"]
    assert (leader.flow / "source/count.py").read_text() == "import words\n"


def test_file_that_becomes_executable_is_one_that_changed(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    (script / "count.py").chmod(0o755)
    leader.deploy("script", script)
    assert leader.sent == ["count.py"]
    assert os.access(leader.flow / "source/count.py", os.X_OK)


def test_file_that_changed_while_it_was_sent_is_refused(leader: Leader, script: Path) -> None:
    request = leader.request("script", script)
    incoming = Path(leader.deployments.VERBS["prepare"](request)["incoming"])
    (incoming / "source/count.py").write_text("half of it")
    with pytest.raises(leader.refused, match=r"count\.py has not arrived as it was, and 1 more"):
        leader.deployments.VERBS["install"](request)


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a/../../b"])
def test_files_stay_in_their_directory(name: str, leader: Leader) -> None:
    assert leader.refused is type(leader.refuse("script", files={name: "0"}))


def test_script_of_another_python_is_refused_with_its_line(leader: Leader, script: Path) -> None:
    (script / "words.py").write_text("x = 1\nprint 'two'\n")
    error = leader.refuse("script", script)
    assert (error.code, "words.py, line 2" in error.message) == ("usage", True)
    assert not (leader.flow / "deployment.json").exists()


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
    monkeypatch.setattr("toilctl_leader.pip_runs._BROKEN", "No matching distribution")
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
    place = importlib.import_module("toilctl_leader.deployed").Place("flow")
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
