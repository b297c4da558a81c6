"""Playbooks as ops run them, against an AWS account without hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checkout import ROOT
from tests.deprecations import deprecations
from toilctl.local.process.testing import TestCloud
from toilctl.system.variables import as_data

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def play(cloud: TestCloud, tmp_path: Path) -> Play:
    """Run a playbook's plays in an account of the test's own."""
    return player(cloud, tmp_path)


def player(cloud: TestCloud, directory: Path) -> Play:
    """Run a playbook's plays on localhost: there are no hosts. The extra variables are those of a small cluster.

    ``on_leader`` are the tasks of the first play on the leader instead of its own; they must not connect to it.
    """
    cloud.client("ec2").create_key_pair(KeyName="k")
    cloud.faults.set("profile-delay", seconds=0)

    def run(
        playbook: str,
        *,
        cluster: str = "my",
        intent: str = "",
        leader: str = "",
        user: dict[str, str] | None = None,
        on_leader: list[dict[str, Any]] | None = None,
        **variables: Any,
    ) -> Any:
        usual = {
            "zones": ["us-west-2a"],
            "key_pair_name": "k",
            "leader_node_type": "t2.micro",
            "node_types": ["t2.micro"],
            "worker_counts": [2],
            "engine": "slurm",
            "appliance_image": "example.org/toil:1",
            "owner": "me",
        }
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))},
            **cloud.env,
            "TOILCTL_CLUSTER": cluster,
            "TOILCTL_REGION": "us-west-2",
            "TOILCTL_INTENT": intent,
            "XDG_STATE_HOME": str(directory / "state"),
            "ANSIBLE_LOCAL_TEMP": str(directory / "ansible"),
            "NO_COLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "1",
        }
        env |= {name.upper(): value for name, value in (user or {}).items()}
        if leader:
            # As on the leader itself: its credentials come from the instance's metadata.
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
                del env[name]
            env |= {
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.metadata(leader),
                "TOILCTL_CONNECT_ADDRESS": "private",
            }
        run_dir = Path(tempfile.mkdtemp(dir=directory))
        extra = run_dir / "extra.json"
        # As the command line hands them over.
        extra.write_text(json.dumps(as_data({**usual, **variables})), encoding="utf-8")
        plays = yaml.safe_load((ROOT / "playbooks" / playbook).read_text(encoding="utf-8"))
        local = run_dir / playbook
        local.write_text(yaml.safe_dump(_without_hosts(plays, on_leader)), encoding="utf-8")
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        done = subprocess.run(
            [program, "-i", "inventory", str(local), "-e", f"@{extra}"],
            cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=1200,
        )  # fmt: skip
        assert deprecations(done.stdout + done.stderr) == []
        return done

    return run


def _without_hosts(plays: list[dict[str, Any]], on_leader: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    instead = [{"hosts": "leader", "gather_facts": False, "tasks": on_leader}] if on_leader else []
    kept = []
    for play in plays:
        if play.get("hosts") == "localhost":
            kept.append(play)
        elif play.get("hosts") == "leader" and instead:
            kept.append(instead.pop())
    return kept


def count_changed(result: subprocess.CompletedProcess[str]) -> int:
    """Return how many tasks of a successful run changed something."""
    assert result.returncode == 0, result.stdout + result.stderr
    recap = result.stdout.rsplit("PLAY RECAP", 1)[1]
    return int(recap.split("changed=")[1].split()[0])


@pytest.fixture
def changed() -> Callable[[subprocess.CompletedProcess[str]], int]:
    """Return how many tasks of a successful run changed something."""
    return count_changed
