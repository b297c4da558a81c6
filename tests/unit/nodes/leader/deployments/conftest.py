"""Things to deploy, and a leader that is made of this machine's own Python."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
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
    deployments = importlib.import_module("toilctl_leader.deployments.verbs")
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
