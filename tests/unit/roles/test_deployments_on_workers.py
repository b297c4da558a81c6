"""Which deployments workers need, as a leader's host reads it from a file that any workflow can write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT
from toilctl.workflows import told as grammar

SCRIPT = ROOT / "roles/deployments/files/on_workers.py"


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """The directory of all deployments, with two of them."""
    directory = tmp_path / "deployed"
    for name in ("flow", "Other_1.x-y"):
        (directory / name / "venvs/key").mkdir(parents=True)
        (directory / name / "venv").symlink_to("venvs/key")
    return directory


def read(directory: Path) -> tuple[list[str], str]:
    """Return the names, and what else is told."""
    words = [sys.executable, "-I", "-", str(directory)]
    done = subprocess.run(
        words, input=SCRIPT.read_text(), capture_output=True, encoding="ascii", check=True, timeout=30
    )
    return done.stdout.splitlines(), done.stderr


def test_names_are_told_once_each(deployed: Path) -> None:
    (deployed / ".on-workers").write_text("flow\nOther_1.x-y\nflow\n")
    assert read(deployed) == (["flow", "Other_1.x-y"], "")


def test_before_the_first_deployment_there_are_none(tmp_path: Path) -> None:
    assert read(tmp_path / "deployed") == ([], "")


def test_pipe_holds_nobody_up(deployed: Path) -> None:
    os.mkfifo(deployed / ".on-workers")
    names, told = read(deployed)
    assert (names, "is no regular file" in told) == ([], True)


def test_endless_file_is_not_read(deployed: Path) -> None:
    with (deployed / ".on-workers").open("wb") as out:
        out.write(b"flow\n")
        out.truncate(100 * 2**30)
    names, told = read(deployed)
    assert (names, "more than 64 KiB" in told) == ([], True)


def test_link_is_not_followed(deployed: Path, tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_text("flow\nthe key\n")
    (deployed / ".on-workers").symlink_to(tmp_path / "id_ed25519")
    names, told = read(deployed)
    assert names == []
    assert told
    assert "the key" not in told


@pytest.mark.parametrize("kind", [Path.mkdir, Path.touch])
def test_directory_is_no_file_and_an_empty_file_has_no_names(deployed: Path, kind: object) -> None:
    kind(deployed / ".on-workers")  # type: ignore[operator]
    names, told = read(deployed)
    assert (names, bool(told)) == ([], kind is Path.mkdir)


def test_name_without_a_deployment_is_passed_over(deployed: Path, tmp_path: Path) -> None:
    (deployed / "empty").mkdir()
    (deployed / "link").symlink_to("flow")
    (deployed / "file").touch()
    (deployed / ".on-workers").write_text("nonexistent\nempty\nlink\nfile\nflow\n")
    assert read(deployed) == (["flow"], "")


@pytest.mark.parametrize(
    "line", ["--rsh=sh", "-e", "../flow", "...", "flow/../flow", "a b", "\x1b[31mred", "\xff", "flow\0", "x" * 64]
)  # fmt: skip
def test_what_is_no_name_is_counted_and_not_shown(deployed: Path, line: str) -> None:
    (deployed / ".on-workers").write_bytes(line.encode("latin-1") + b"\nflow\n" + line.encode("latin-1") + b"\n")
    names, told = read(deployed)
    assert names == ["flow"]
    assert told.startswith("2 lines ")
    assert line not in told


def test_names_are_those_that_toilctl_deploys() -> None:
    (form,) = re.findall(r'^NAME = re\.compile\(r"(.+)"\)$', SCRIPT.read_text(), re.MULTILINE)
    assert form == grammar.NAME.pattern


def test_role_runs_it_and_tells_what_it_refused() -> None:
    reading, telling, *_ = yaml.safe_load((ROOT / "roles/deployments/tasks/learn.yml").read_text())
    assert SCRIPT.name in reading["ansible.builtin.command"]["stdin"]
    assert reading["register"] == "deployments_read"
    assert "deployments_read.stderr" in telling["ansible.builtin.debug"]["msg"]
