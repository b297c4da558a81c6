"""What `pipx install toilctl` gives works without a checkout."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT

CARRIED = ("playbooks", "roles", "inventory")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", directory, ROOT],
        check=True,
    )
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtualenv with the wheel; what it depends on is borrowed from this one, which takes a minute less."""
    directory = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    python = directory / "bin/python"
    options = ["--quiet", "--no-deps", "--no-compile"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *options, wheel], check=True)
    scheme = {"base": str(directory), "platbase": str(directory)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory


def toilctl(installed: Path, *words: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = subprocess.run(
        [installed / "bin/toilctl", *words], cwd=installed, env=clean, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def tracked(*parts: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", *parts], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return set(with_linked(listed.stdout.split()))
    paths = (path for part in parts for path in [ROOT / part, *(ROOT / part).rglob("*")] if path.is_file())
    return {str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts}


def with_linked(names: list[str]) -> Iterator[str]:
    """Yield files, and of a link to a directory those that it leads to."""
    for name in names:
        linked = sorted((ROOT / name).rglob("*.py")) if (ROOT / name).is_dir() else [ROOT / name]
        yield from (str(path.relative_to(ROOT)) for path in linked)


def test_wheel_has_every_playbook_role_and_inventory_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"toilctl/ansible/{name}" for name in tracked(*CARRIED, "ansible.cfg") if (ROOT / name).exists()}
    assert wanted
    assert wanted - names == set()


def test_wheel_has_the_rehearsal_clouds_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {name for name in tracked("toilctl/local/images/data") if (ROOT / name).exists()}
    assert wanted
    assert wanted - names == set()


def test_wheel_has_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if not name.startswith(("toilctl/", "toilctl-"))] == []
    assert [name for name in names if name.endswith(".pyc") or "/tests/" in name] == []


def test_installed_program_runs(installed: Path) -> None:
    assert toilctl(installed, "--version").startswith("toilctl ")
    assert "launch-cluster" in toilctl(installed, "--help")


def test_installed_program_knows_its_playbooks(installed: Path) -> None:
    directory = Path(toilctl(installed, "ansible-dir"))
    assert directory.is_relative_to(installed)
    assert (directory / "ansible.cfg").is_file()
    assert {path.name for path in (directory / "playbooks").glob("*.yml")} >= {"launch.yml", "configure.yml"}
    assert {path.name for path in (directory / "roles").iterdir()} >= {"ec2_network", "ec2_nodes", "storage"}
    assert (directory / "inventory/group_vars/all.yml").is_file()


def test_installed_program_shows_the_playbooks_defaults(installed: Path) -> None:
    assert "t2.medium" in toilctl(installed, "launch-cluster", "--help")
