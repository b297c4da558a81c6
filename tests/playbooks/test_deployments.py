"""Where deployments' packages come in when a worker is set up: before the engine, and only where there are some."""

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

HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def engine_task() -> dict[str, Any]:
    """Return the task of configure.yml that brings in the engine."""
    plays = yaml.safe_load((ROOT / "playbooks/configure.yml").read_text())
    (play,) = [play for play in plays if play["name"] == "Configure the nodes"]
    assert play["strategy"] == "ansible.builtin.free"
    (task,) = [task for task in play["tasks"] if "next_role" in str(task.get("ansible.builtin.include_role"))]
    return task


def run_roles(directory: Path, on_workers: list[str] | None) -> dict[str, list[str]]:
    """Return which roles each host runs, in order, when the leader told of deployments (None: it was not asked)."""
    for role in ("deployments", "slurm"):
        tasks = directory / "roles" / role / "tasks/main.yml"
        tasks.parent.mkdir(parents=True)
        line = {"path": f"{directory}/{{{{ inventory_hostname }}}}", "line": role, "create": True, "mode": "0600"}
        tasks.write_text(yaml.safe_dump([{"name": "Tell", "ansible.builtin.lineinfile": line}]))
    learnt = {} if on_workers is None else {"deployments_read": {"stdout_lines": on_workers}}
    inventory = {
        "all": {
            "vars": {"engine": "slurm"},
            "children": {
                "leader": {"hosts": {"i-1": HOST | learnt}},
                "worker": {"hosts": {"i-2": HOST, "i-3": HOST}},
            },
        }
    }
    (directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
    play = {
        "name": "Test", "hosts": "all", "gather_facts": False, "strategy": "ansible.builtin.free",
        "tasks": [engine_task()],
    }  # fmt: skip
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", "play.yml"], cwd=directory,
        env=env | {"ANSIBLE_LOCAL_TEMP": str(directory / "tmp"), "NO_COLOR": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {host: (directory / host).read_text().split() for host in ("i-1", "i-2", "i-3")}


def test_workers_get_them_before_the_engine_and_the_leader_does_not(tmp_path: Path) -> None:
    assert run_roles(tmp_path, ["flow"]) == {
        "i-1": ["slurm"], "i-2": ["deployments", "slurm"], "i-3": ["deployments", "slurm"],
    }  # fmt: skip


@pytest.mark.parametrize("on_workers", [[], None])
def test_without_any_the_engine_is_all(on_workers: list[str] | None, tmp_path: Path) -> None:
    assert run_roles(tmp_path, on_workers) == {"i-1": ["slurm"], "i-2": ["slurm"], "i-3": ["slurm"]}


@pytest.mark.parametrize("playbook", ["configure.yml", "deployments.yml"])
def test_leader_is_asked_once_before_any_worker(playbook: str) -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / playbook).read_text())
    learning = [number for number, play in enumerate(plays) if '"learn"' in json.dumps(play)]
    bringing = [number for number, play in enumerate(plays) if "deployments_read" in json.dumps(play)]
    assert [plays[number]["hosts"] for number in learning] == ["leader"]
    assert learning < bringing
