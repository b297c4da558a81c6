"""What waits on busy nodes, told in the end of configure.yml: by Ansible, from what roles would have registered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT

BUSY = {"appliance_working": {"stdout": '["a job of Slurm", "run quick-fox"]'}}
IDLE = {"appliance_working": {"stdout": "[]"}}
REPLACED: dict[str, Any] = {"appliance_container": {"actions": [{"removed": "x"}, {"created": "y"}]}}


def told(directory: Path, hosts: dict[str, Any], **variables: Any) -> subprocess.CompletedProcess[str]:
    inventory = {"worker": {"hosts": hosts}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "appliance", "tasks_from": "waiting"}}],
    }
    (directory / "inventory.json").write_text(json.dumps(inventory))
    (directory / "playbook.json").write_text(json.dumps([play]))
    if not (directory / "group_vars").exists():
        (directory / "group_vars").symlink_to(ROOT / "inventory/group_vars")
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", "playbook.json", "-e"]
    env = {**os.environ, "ANSIBLE_ROLES_PATH": str(ROOT / "roles"), "ANSIBLE_SHOW_CUSTOM_STATS": "True"}
    return subprocess.run(
        [*command, json.dumps(variables)], cwd=directory, env=env, capture_output=True, text=True, check=False
    )


def test_changes_of_busy_nodes_wait_and_the_playbook_says_where_and_what_runs_there(tmp_path: Path) -> None:
    docker = {"docker_configured": {"stdout": '{"changed": false, "waits": true}'}}
    done = told(tmp_path, {"i-1": BUSY | REPLACED | docker, "i-2": IDLE | REPLACED, "i-3": BUSY})
    said = " ".join(done.stdout.split())
    assert done.returncode == 2, done.stdout + done.stderr
    assert (
        "1 node is busy, so these changes wait: i-1 (a job of Slurm, run quick-fox): the configuration of Docker, "
        "the container. Run this again when nothing runs there, or with -e configure_busy=true to end what runs."
    ) in said
    assert '"waiting": { "i-1": [ "the configuration of Docker", "the container" ] }' in said


@pytest.mark.parametrize(
    ("hosts", "variables"),
    [
        ({"i-1": BUSY, "i-2": IDLE | REPLACED, "i-3": {}}, {}),
        ({"i-1": BUSY | REPLACED}, {"configure_busy": "true"}),
        ({"i-1": BUSY | {"appliance_container": {"actions": [{"pulled_image": "x:1", "changed": False}]}}}, {}),
        ({"i-1": BUSY | REPLACED}, {"appliance_waiting_fails": False}),
    ],
)
def test_nothing_fails_where_nothing_waits_or_it_is_only_told(
    tmp_path: Path, hosts: dict[str, Any], variables: dict[str, Any]
) -> None:
    done = told(tmp_path, hosts, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("waiting" in done.stdout.partition("PLAY RECAP")[2]) is ("appliance_waiting_fails" in variables)
