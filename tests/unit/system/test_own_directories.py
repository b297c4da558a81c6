"""Directories of one run, also of runs that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from toilctl.system import own_directories
from toilctl.values.errors import HostError

RUN = """
import sys
from pathlib import Path
from toilctl.system import own_directories
with own_directories.of_run(Path(sys.argv[1])) as directory:
    (directory / "secret").write_text("a-secret")
    print(directory, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """A run that goes on in another process, and its directory."""
    argv = [sys.executable, "-c", RUN, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_directory_is_its_users_alone_and_gone_with_the_run(tmp_path: Path) -> None:
    with own_directories.of_run(tmp_path) as directory:
        assert directory.parent == tmp_path
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "x").touch()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_removed_at_the_next_start(tmp_path: Path, other: tuple) -> None:
    process, left = other
    with own_directories.of_run(tmp_path):
        assert (left / "secret").is_file()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (left / "secret").is_file()
    with own_directories.of_run(tmp_path) as directory:
        assert list(tmp_path.iterdir()) == [directory]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for directory in (elsewhere, tmp_path / "toilctl-of-others", tmp_path / "other"):
        directory.mkdir()
        (directory / "x").touch()
    (elsewhere / ".lock").touch()
    (tmp_path / "toilctl-link").symlink_to(elsewhere)
    before = sorted(tmp_path.rglob("*"))
    with own_directories.of_run(tmp_path):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_directory_without_locks_is_used_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr(own_directories.fcntl, "flock", refuse)
    with own_directories.of_run(tmp_path) as directory, own_directories.of_run(tmp_path):
        assert directory.is_dir()


def test_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written: "), own_directories.of_run(tmp_path / "missing"):
        pass
