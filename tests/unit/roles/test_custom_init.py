"""Toil's TOIL_CUSTOM_INIT_COMMAND and TOIL_CUSTOM_DOCKER_INIT_COMMAND: kept, run once per host, and shown to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT

SECRET = """echo '{{ 1 + 1 }}' "$HOME" 's3cret'"""
PLAY = """
- hosts: leader
  gather_facts: false
  tasks:
    - {ansible.builtin.include_role: {name: custom_init, tasks_from: learn}}
- hosts: leader:worker
  gather_facts: false
  tasks:
    - {ansible.builtin.include_role: {name: custom_init}}
"""
Run = Callable[..., str]


@pytest.fixture
def play(tmp_path: Path) -> Run:
    """Run the role on two hosts that are directories of this machine; return what Ansible says."""
    shared = yaml.safe_load((ROOT / "inventory/group_vars/all.yml").read_text())
    hosts = {
        host: {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable,
            "custom_init_state": str(tmp_path / host / "state/custom-init"),
        }
        for host in ("leader-1", "worker-1")
    }  # fmt: skip
    names = ("custom_init_command", "custom_docker_init_command")
    inventory = {
        "all": {"vars": {name: shared[name] for name in names} | {"custom_init_directory": str(tmp_path / "init")}},
        "leader": {"hosts": {"leader-1": hosts["leader-1"]}},
        "worker": {"hosts": {"worker-1": hosts["worker-1"]}},
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (tmp_path / "play.yml").write_text(PLAY)

    def run(**environment: str) -> str:
        done = subprocess.run(
            ["ansible-playbook", "-vv", "-i", "hosts.yml", "play.yml"], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "ANSIBLE_ROLES_PATH": str(ROOT / "roles"), "HOME": str(tmp_path), **environment},
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_commands_are_kept_as_they_are_run_once_and_shown_to_nobody(play: Run, tmp_path: Path) -> None:
    said = play(TOIL_CUSTOM_INIT_COMMAND=SECRET, TOIL_CUSTOM_DOCKER_INIT_COMMAND="echo container")
    assert "s3cret" not in said
    assert (tmp_path / "init/container").read_text() == "echo container"
    for path in (tmp_path / "init/host", tmp_path / "init/container"):
        assert path.stat().st_mode & 0o777 == 0o400
    (log,) = [path for path in tmp_path.glob("*/state/custom-init.log") if "leader-1" in path.parts]
    assert log.read_text() == f"{{{{ 1 + 1 }}}} {tmp_path} s3cret\n"
    assert log.stat().st_mode & 0o777 == 0o600
    log.write_text("ran once")
    again = play()
    assert "s3cret" not in again
    assert (log.read_text(), (tmp_path / "init/host").read_text()) == ("ran once", SECRET)
    assert "custom_init_failed" not in again
    play(TOIL_CUSTOM_INIT_COMMAND="echo other; exit 3")
    assert log.read_text() == "other\n"


def test_appliance_runs_the_containers_command_before_its_services_only_where_there_is_one() -> None:
    tasks = (ROOT / "roles/appliance/tasks/main.yml").read_text()
    assert (
        "(appliance_init if appliance_with_init | bool else '') ~ lookup('ansible.builtin.file', 'supervise.sh')"
        in (tasks)
    )


@pytest.mark.parametrize(("command", "says"), [("echo s3cret; exit 3", "exit code 3"), ("echo s3cret", ""), ("", "")])
def test_container_goes_on_whatever_its_command_does_and_tells_no_secret(
    tmp_path: Path, command: str, says: str
) -> None:
    script = yaml.safe_load((ROOT / "roles/appliance/vars/main.yml").read_text())["appliance_init"]
    (tmp_path / "container").write_text(command)
    script = script.replace("/etc/toilctl/init", str(tmp_path)).replace("/run/", f"{tmp_path}/")
    done = subprocess.run(
        ["/bin/bash", "-c", f"{script}set -u -m\necho goes on"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "goes on\n")
    assert "s3cret" not in done.stderr
    assert says in done.stderr
