"""How a leader copies virtualenvs to a worker: role deployments' script and real rsync, with stand-ins for ssh."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkout import ROOT

PUSH = ROOT / "roles/deployments/files/push.sh"
SSH = """#!/bin/bash
echo "$@" >> "{log}"
while [[ "$1" != *10.0.0.2 ]]; do shift; done
shift
exec bash -c "$*"
"""
# What root does on the worker happens below another directory.
SUDO = """#!/bin/bash
shift
words=()
for word in "$@"; do
  case "$word" in {leader}*) word={worker}${{word#{leader}}} ;; esac
  words+=("$word")
done
exec "${{words[@]}}"
"""
pytestmark = pytest.mark.skipif(not shutil.which("rsync"), reason="needs rsync: apt-get install")


@dataclass
class Hosts:
    """The directories of deployments on a leader and a worker."""

    leader: Path
    worker: Path
    log: Path
    path: str

    def deploy(self, name: str, key: str) -> None:
        """Let a deployment have a virtualenv of a key, and no other."""
        shutil.rmtree(self.leader / name, ignore_errors=True)
        program = self.leader / name / "venvs" / key / "bin/tool"
        program.parent.mkdir(parents=True)
        program.write_text(key)
        program.chmod(0o755)
        (program.parent / "python").symlink_to("/usr/bin/no-such-python")
        (self.leader / name / "source").mkdir()
        (self.leader / name / "venv").symlink_to(f"venvs/{key}")

    def push(self, *names: str, login: str = "admin@10.0.0.2") -> list[str]:
        """Copy, and return what changed."""
        known = self.leader.parent / "clusters/known_hosts"
        words = [self.leader, login, "/the/key", known, "i-2", *names]
        done = subprocess.run(
            ["bash", "-c", PUSH.read_text(), "push", *map(str, words)], capture_output=True, text=True, check=True,
            env=os.environ | {"PATH": self.path},
        )  # fmt: skip
        return done.stdout.split()


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    leader, worker, log = tmp_path / "leader", tmp_path / "worker", tmp_path / "log"
    leader.mkdir()
    (tmp_path / "bin").mkdir()
    for name, text in (("ssh", SSH.format(log=log)), ("sudo", SUDO.format(leader=leader, worker=worker))):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return Hosts(leader, worker, log, f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def test_virtualenvs_come_to_the_same_path_and_nothing_else(hosts: Hosts) -> None:
    for name in ("flow", "other", "quiet"):
        hosts.deploy(name, "k1")
    assert hosts.push("flow", "other")
    assert sorted(path.name for path in hosts.worker.iterdir()) == ["flow", "other"]
    assert sorted(path.name for path in (hosts.worker / "flow").iterdir()) == ["venv", "venvs"]
    program = hosts.worker / "flow/venv/bin/tool"
    assert (program.read_text(), os.access(program, os.X_OK)) == ("k1", True)
    assert str((program.parent / "python").readlink()) == "/usr/bin/no-such-python"


def test_what_is_there_is_not_copied_again(hosts: Hosts) -> None:
    hosts.deploy("flow", "k1")
    hosts.push("flow")
    os.utime(hosts.leader / "flow")
    assert hosts.push("flow") == []


def test_next_virtualenv_takes_the_place_of_the_former(hosts: Hosts) -> None:
    hosts.deploy("flow", "k1")
    hosts.push("flow")
    hosts.deploy("flow", "k2")
    assert hosts.push("flow")
    assert (hosts.worker / "flow/venv/bin/tool").read_text() == "k2"
    assert [path.name for path in (hosts.worker / "flow/venvs").iterdir()] == ["k2"]


def test_host_key_is_kept_by_the_instance_id_and_checked(hosts: Hosts) -> None:
    hosts.deploy("flow", "k1")
    hosts.push("flow")
    for line in hosts.log.read_text().splitlines():
        assert "-i /the/key" in line
        assert "HostKeyAlias=i-2" in line
        assert "StrictHostKeyChecking=accept-new" in line
        assert f"UserKnownHostsFile={hosts.leader.parent}/clusters/known_hosts" in line
    assert (hosts.leader.parent / "clusters").stat().st_mode & 0o777 == 0o700


def test_login_that_looks_like_an_option_is_none(hosts: Hosts, tmp_path: Path) -> None:
    """The login user comes from a tag."""
    hosts.deploy("flow", "k1")
    made = tmp_path / "made"
    with pytest.raises(subprocess.CalledProcessError):
        hosts.push("flow", "host:", login=f"--rsh=sh -c 'touch {made}' @10.0.0.2")
    assert not made.exists()
