"""How many AWS calls a launch of N workers makes, from the laptop, up to the moment when hosts begin to boot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import Section

ROOT = Path(__file__).parents[2]
SIZES = (1, 10, 100)


def measure() -> Section:
    return Section("AWS calls of a launch of N workers", [_launch(count) for count in SIZES])


def _launch(count: int) -> dict[str, Any]:
    from toilctl.local.process import testing

    with testing.cloud() as cloud, tempfile.TemporaryDirectory() as directory:
        cloud.client("ec2").create_key_pair(KeyName="k")
        cloud.faults.set("profile-delay", seconds=0)
        before = dict(_calls(cloud))
        began = time.perf_counter()
        _play("launch.yml", count, cloud.env, Path(directory))
        seconds = time.perf_counter() - began
        made = {name: number - before.get(name, 0) for name, number in _calls(cloud).items()}
    made = {name: number for name, number in made.items() if number}
    launching = sum(number for name, number in made.items() if name.endswith(("CreateFleet", "RunInstances")))
    return {"workers": count, "calls": sum(made.values()), "of them launches": launching, "seconds": seconds}


def _calls(cloud: Any) -> dict[str, int]:
    return cloud.calls() if callable(cloud.calls) else dict(cloud.calls)


def _play(playbook: str, count: int, cloud_env: dict[str, str], directory: Path) -> None:
    variables = {
        "zones": ["us-west-2a"], "key_pair_name": "k", "leader_node_type": "t2.micro", "node_types": ["t2.micro"],
        "worker_counts": [count], "engine": "slurm", "appliance_image": "example.org/toil:1", "owner": "bench",
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
    env = kept | cloud_env | {"TOILCTL_CLUSTER": "bench", "TOILCTL_REGION": "us-west-2", "TOILCTL_INTENT": "",
                              "XDG_STATE_HOME": str(directory)}  # fmt: skip
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    # There are no hosts: what is done on them is left out.
    argv = [program, f"playbooks/{playbook}", "--limit", "localhost", "-e", json.dumps(variables)]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
