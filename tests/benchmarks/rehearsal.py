"""A rehearsal cloud for measuring, and toilctl with the times of Ansible's tasks."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ZONE = "us-west-2a"
BOOT_TASKS = ("Wait until the host answers and its first boot has finished", "Wait until the instances run")
PULL_TASKS = ("Run the appliance",)


@dataclass(frozen=True)
class Measured:
    """One command: how long it took, what this machine computed for it, and its tasks."""

    wall_s: float
    cpu_s: float
    tasks: list[dict[str, Any]]

    def of_hosts(self) -> list[dict[str, Any]]:
        """Return what ran on nodes, not on localhost."""
        return [task for task in self.tasks if task["host"] != "localhost"]

    def spent_in(self, names: tuple[str, ...]) -> float:
        """Return how long at least one host was in one of these tasks."""
        spans = sorted((one["began"], one["ended"]) for one in self.tasks if one["task"].split(" : ")[-1] in names)
        total, until = 0.0, 0.0
        for began, ended in spans:
            total += max(0.0, ended - max(began, until))
            until = max(until, ended)
        return total

    def in_ansible(self) -> float:
        """Return how long tasks ran at all."""
        return self.spent_in(tuple({one["task"].split(" : ")[-1] for one in self.tasks}))


class Rehearsal:
    """A user with a rehearsal cloud."""

    def __init__(self, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TOIL", "XDG_STATE"))}
        self.home = home
        self.env = kept | {"XDG_STATE_HOME": str(home / "state"), "HOME": str(home), "TOILCTL_PROVISIONER": "local",
                           "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))}  # fmt: skip

    def up(self, image: str) -> None:
        """Start the cloud and import a key pair where toilctl looks for it."""
        import boto3

        self.toilctl("local", "up", "--image", image)
        key = self.home / ".ssh" / "k"
        key.parent.mkdir(mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        state = json.loads((self.home / "state/toilctl/local/state.json").read_text())
        ec2: Any = boto3.client(
            "ec2", region_name=state["region"], endpoint_url=state["endpoint"],
            aws_access_key_id=state["access_key_id"], aws_secret_access_key=state["secret_access_key"],
        )  # fmt: skip
        ec2.import_key_pair(KeyName="k", PublicKeyMaterial=key.with_suffix(".pub").read_bytes())

    def toilctl(self, *words: str) -> Measured:
        """Run toilctl and measure it."""
        times = self.home / f"times-{time.monotonic_ns()}"
        env = self.env | {"ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callbacks"), "BENCH_TIMES": str(times),
                          "ANSIBLE_CALLBACKS_ENABLED": "bench_times"}  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        argv = [str(Path(sys.executable).with_name("toilctl")), *words]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{argv}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        tasks = [json.loads(line) for line in times.read_text().splitlines()] if times.exists() else []
        return Measured(wall, cpu, tasks)


@contextmanager
def rehearsal(image: str) -> Iterator[Rehearsal]:
    """Run a rehearsal cloud for the length of a ``with`` block."""
    with tempfile.TemporaryDirectory(prefix="toilctl-bench-") as home:
        world = Rehearsal(Path(home))
        try:
            world.up(image)
            yield world
        finally:
            world.toilctl("local", "down")
