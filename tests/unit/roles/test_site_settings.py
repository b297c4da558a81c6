"""What a site gives for its nodes reaches nodes to come: by playbook and role, with a leader that is this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checkout import ROOT

HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
SHOWN = (
    "docker_daemon_options",
    "ec2_nodes_public_address",
    "ami_ssm_parameter",
    "ssh_options",
    "slurm_max_node_count",
)
OPTIONS = {"debug": True, "labels": ["a"]}


class Site:
    """A leader's file, and runs of site_settings.yml with a launch's and a configuration's part after it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.file = directory, directory / "site.json"
        (directory / "inventory").mkdir()
        inventory = {
            "leader": {"hosts": {"i-1": HOST}},
            "worker": {"hosts": {"i-2": HOST}},
        }
        (directory / "inventory/hosts.json").write_text(json.dumps(inventory))
        (directory / "inventory/group_vars").symlink_to(ROOT / "inventory/group_vars")
        plays = [
            *yaml.safe_load((ROOT / "playbooks/site_settings.yml").read_text()),
            {"hosts": "leader", "gather_facts": False, "tasks": [role("main")]},
            {"hosts": "all", "gather_facts": False, "tasks": [role("take")]},
            {"hosts": "all:localhost", "gather_facts": False, "tasks": [show()]},
        ]
        (directory / "playbook.yml").write_text(yaml.safe_dump(plays))

    def run(self, check: bool = True, **variables: Any) -> str:
        extra = {"site_settings_file": str(self.file), "out": str(self.directory), "boot_timeout_s": 1, **variables}
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "inventory", "playbook.yml", "-e"]
        env = {**os.environ, "ANSIBLE_ROLES_PATH": str(ROOT / "roles"), "TOILCTL_CLUSTER": "c", "TOILCTL_REGION": "r"}
        done = subprocess.run(
            [*command, json.dumps(extra)], cwd=self.directory, env=env, capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) is check, done.stdout + done.stderr
        return done.stdout

    def has(self, host: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / f"shown-{host}.json").read_text())
        return {name: value for name, value in found.items() if value is not None}

    def keeps(self) -> Any:
        return json.loads(self.file.read_text())


def role(tasks: str) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": "site_settings", "tasks_from": tasks}}


def show() -> dict[str, Any]:
    shown = "{{ {" + ", ".join(f"'{name}': {name} | default(none)" for name in SHOWN) + "} | to_json }}"
    return {
        "ansible.builtin.copy": {"content": shown, "dest": "{{ out }}/shown-{{ inventory_hostname }}.json"},
        "delegate_to": "localhost",
    }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_was_given_once_holds_on_all_nodes_and_where_they_are_launched(site: Site) -> None:
    site.run(docker_daemon_options=OPTIONS, ec2_nodes_public_address=False, ami_ssm_parameter="/ours", drain_force=True)
    assert site.keeps() == {
        "ami_ssm_parameter": "/ours", "docker_daemon_options": OPTIONS, "ec2_nodes_public_address": False,
    }  # fmt: skip
    assert site.file.stat().st_mode & 0o777 == 0o600
    site.run()
    for host in ("localhost", "i-1", "i-2"):
        assert site.has(host).items() >= site.keeps().items()
    # Another one is added, and one is changed.
    site.run(docker_daemon_options={}, slurm_max_node_count=9)
    assert site.keeps() == {
        "ami_ssm_parameter": "/ours", "docker_daemon_options": {}, "ec2_nodes_public_address": False,
        "slurm_max_node_count": 9,
    }  # fmt: skip


def test_nothing_is_kept_where_nothing_was_given_or_only_what_this_run_is_to_do(site: Site) -> None:
    site.run(ec2_nodes_count=3, launches=[], node_types=["t2.micro"], custom_init_command="echo secret")
    assert not site.file.exists()


def test_what_a_leader_says_is_data_and_only_of_what_a_site_may_give(site: Site) -> None:
    proof = site.directory / "proof"
    evil = "{{ lookup('ansible.builtin.pipe', 'touch " + str(proof) + "') }}"
    site.file.write_text(json.dumps({
        "docker_daemon_options": {"labels": [evil]}, "ssh_options": {"ProxyCommand": f"touch {proof}"},
        "ansible_connection": "evil", "ec2_nodes_count_by": evil,
    }))  # fmt: skip
    site.run()
    assert not proof.exists()
    has = site.has("localhost")
    assert has["docker_daemon_options"] == {"labels": [evil]}
    assert "ProxyCommand" not in has["ssh_options"]


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000])
def test_damaged_file_is_refused_with_what_to_do(site: Site, text: str) -> None:
    site.file.write_text(text)
    said = " ".join(site.run(check=False).split())
    assert "remove /etc/toilctl/site.json there, and run configure.yml with the site's variables" in said
