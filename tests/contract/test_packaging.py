"""What is installed is what was tested, and the parts know only what they may."""

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.checkout import ROOT
from toilctl.system import variables

LOCKS = sorted(ROOT.glob("constraints-*.txt"))


def locked(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_lock_names_every_requirement() -> None:
    lock = runpy.run_path(str(ROOT / ".ci/lock.py"))
    needed = lock["closure"]("toilctl", frozenset({"", "local", "dev"}))
    asked = subprocess.run(
        [".ci/setup", "lock_of", sys.executable], cwd=ROOT, capture_output=True, check=True, text=True
    )
    assert set(needed) - set(locked(ROOT / asked.stdout.strip())) == set()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_lock_has_versions_only(path: Path) -> None:
    assert [name for name, version in locked(path).items() if not re.fullmatch(r"[\w.!+-]+", version)] == []


def test_there_is_a_lock_for_each_end_of_the_range_of_ansible() -> None:
    newest = {path.name: Version(locked(path)["ansible"]).major for path in LOCKS}
    wanted = SpecifierSet(str(Requirement(variables.defaults()["supported_ansible"]).specifier))
    tried = {number for number in range(99) if wanted.contains(str(number))}
    assert newest == {"constraints-3.11.txt": min(tried), "constraints-3.13.txt": max(tried)}


def test_pythons_of_the_setup_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    low, high = re.search(
        r"not \(3, (\d+)\) <= sys.version_info < \(3, (\d+)\)", (ROOT / ".ci/setup").read_text()
    ).groups()
    assert project["requires-python"] == f">=3.{low},<3.{high}"
    named = {one.rpartition(".")[2] for one in project["classifiers"] if "Python :: 3." in one}
    assert named == {str(minor) for minor in range(int(low), int(high))}


def test_imports_keep_to_the_layers() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
