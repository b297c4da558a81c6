"""The commands with macOS's programs on PATH. Nobody has run them on macOS itself."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Toilctl
from tests.unit.cli.stand_in import LAUNCH, Playbooks
from tests.unit.macos import MacOS
from toilctl.verbs.connect import send_files


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MacOS:
    """Only such programs, and a TMPDIR as long as there."""
    found = MacOS(tmp_path)
    monkeypatch.setenv("PATH", str(found.bin))
    long = tmp_path / "var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"
    long.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    return found


def test_a_cluster_is_launched_looked_at_scaled_and_destroyed(
    toilctl: Toilctl, playbooks: Playbooks, mac: MacOS
) -> None:
    lines = (
        LAUNCH, LAUNCH, ("list-clusters",), ("describe-cluster", "c"), ("scale-cluster", "c", "-w", "3"),
        ("scale-cluster", "c", "-w", "1"), ("destroy-cluster", "c"), ("destroy-cluster", "c"), ("list-clusters",),
    )  # fmt: skip
    for words in lines:
        result = toilctl(*words)
        assert result.exit_code == 0, (words, result.stderr)
    assert set(playbooks.names) == {"launch.yml", "scale_out.yml", "scale_in.yml", "destroy.yml"}
    assert mac.foreign == ""


def test_files_are_copied_with_words_that_its_rsync_knows(
    toilctl: Toilctl, cluster: Playbooks, mac: MacOS, tmp_path: Path
) -> None:
    result = toilctl("rsync-cluster", "c", "-av", "my file.txt", ":/tmp/", ":~")
    assert result.exit_code == 2
    result = toilctl("rsync-cluster", "c", "-av", "my file.txt", ":~/data")
    assert result.exit_code == 0, result.stderr
    (words,) = mac.transfers
    assert words[-3:-1] == ["-av", "my file.txt"]
    assert words[-1].endswith(":/root/data")


def test_deployments_are_sent_with_words_that_its_rsync_knows(mac: MacOS) -> None:
    subprocess.run(["rsync", *send_files._OPTIONS, "here/", "there:/tmp/"], check=True)
    assert len(mac.transfers) == 1


@pytest.mark.parametrize("path", [":/tmp/my file", ":/tmp/*.fa", ":/tmp/$(id)"])
def test_path_that_its_rsync_would_leave_to_a_shell_is_refused(
    toilctl: Toilctl, cluster: Playbooks, mac: MacOS, path: str
) -> None:
    result = toilctl("rsync-cluster", "c", "-a", path, ".")
    assert result.exit_code == 9
    assert f"{path[1:]!r} to a shell on the leader's host" in result.stderr
    assert "brew install rsync" in result.stderr
    assert mac.transfers == []


def test_missing_program_is_named_with_what_brings_it(toilctl: Toilctl, cluster: Playbooks, mac: MacOS) -> None:
    (mac.bin / "ssh").unlink()
    result = toilctl("ssh-cluster", "c", "true")
    assert (result.exit_code, "brew install openssh on macOS" in result.stderr) == (9, True)
