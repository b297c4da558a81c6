"""A machine's user, with a home, an ssh key and a rehearsal cloud: what the tests on real hosts act through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from toilctl.local.state import LocalState

TIMEOUT_S = 1200
SOON_S = 180
"""Within this time a slow, busy machine has done what it does by itself in a moment; whoever waits goes on at once."""
RETURN_S = 300
"""Within this time a host that reboots is back, and what runs there."""
REGION, ZONE = "us-west-2", "us-west-2a"
KEY_PAIR = "k"
NOT_INHERITED = ("AWS_", "TOIL_", "TOILCTL_", "XDG_STATE", "SSH_", "ANSIBLE_", "RSYNC_")

Finished = subprocess.CompletedProcess[str]
NEEDS_MESOS = pytest.mark.skipif(
    not os.environ.get("TOILCTL_MESOS_PREFIX"),
    reason="no package registry has Mesos, and TOILCTL_MESOS_PREFIX names no directory that has it",
)


@dataclass
class World:
    """A machine's user: a home with an ssh key in it, and a rehearsal cloud."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        self.env = kept | {
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "TOILCTL_PROVISIONER": "local",
            "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}",
        }

    @property
    def key(self) -> Path:
        """The private key, where toilctl finds it by itself: named as the key pair."""
        return self.home / ".ssh" / KEY_PAIR

    @property
    def state(self) -> LocalState:
        """The running cloud."""
        return LocalState.from_json((self.home / "state/toilctl/local/state.json").read_text())

    def up(self, image: str) -> None:
        """Start the cloud and import the key pair."""
        self.toilctl("local", "up", "--image", image)
        self.key.parent.mkdir(mode=0o700, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        public = self.key.with_suffix(".pub").read_bytes()
        self.client("ec2").import_key_pair(KeyName=KEY_PAIR, PublicKeyMaterial=public)

    def run(self, *argv: str | Path, check: bool = True, input: str = "", **more: Any) -> Finished:
        """Run a program to its end."""
        env = self.env | more.pop("env", {})
        done = subprocess.run(
            [str(word) for word in argv], env=env, input=input, capture_output=True, text=True, errors="replace",
            check=False, timeout=TIMEOUT_S, **more,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{done.args}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done

    def toilctl(self, *words: str | Path, check: bool = True, **more: Any) -> Finished:
        """Run toilctl."""
        return self.run("toilctl", *words, check=check, **more)

    def data(self, *words: str) -> Any:
        """Run toilctl for its result as data."""
        return json.loads(self.toilctl(*words, "--output", "json").stdout)["data"]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start toilctl in a process group of its own, as a shell does."""
        return subprocess.Popen(
            ["toilctl", *words], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, process_group=0,
        )  # fmt: skip

    def on_leader(self, cluster: str, *words: str, **more: Any) -> str:
        """Run a command in the leader's container."""
        return self.toilctl("ssh-cluster", cluster, *words, **more).stdout

    def reboot_leader(self, cluster: str) -> None:
        """Let the leader's host reboot, and wait until it has, and Slurm answers there again."""
        mark = "/run/before"
        self.toilctl("ssh-cluster", "--host", cluster, "sudo", "touch", mark)
        self.toilctl("ssh-cluster", "--host", cluster, "sudo", "systemctl", "reboot", "--no-block", check=False)
        anew = ("ssh-cluster", "--host", cluster, "test", "!", "-e", mark)
        wait_for(lambda: self.toilctl(*anew, check=False).returncode == 0, RETURN_S, "the reboot")
        wait_for(lambda: self.slurm_answers(cluster), RETURN_S, "Slurm's answer")

    def slurm_answers(self, cluster: str) -> bool:
        """Tell whether the leader is there, and Slurm's controller on it."""
        return " is UP" in self.toilctl("ssh-cluster", cluster, "scontrol", "ping", check=False).stdout

    def client(self, service: str, region: str = REGION) -> Any:
        """Return a boto3 client of the cloud."""
        import boto3

        env = self.state.env
        session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=region)
        return session.client(service, endpoint_url=env["AWS_ENDPOINT_URL"])

    def instances(self, cluster: str) -> list[dict[str, Any]]:
        """Return a cluster's instances that are not gone, by EC2's word."""
        pages = (
            self.client("ec2")
            .get_paginator("describe_instances")
            .paginate(
                Filters=[
                    {"Name": "tag:toilctl:cluster", "Values": [cluster]},
                    {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
                ]
            )
        )
        return list(pages.search("Reservations[].Instances[]"))

    def workers(self, cluster: str) -> set[str]:
        """Return the ids of a cluster's workers, by their tags."""
        role = {"Key": "toilctl:role", "Value": "worker"}
        return {one["InstanceId"] for one in self.instances(cluster) if role in one["Tags"]}

    def hosts(self) -> set[str]:
        """Return the instance ids of the hosts there are, by the Docker engine's word."""
        listed = self.run(
            "docker", "ps", "-a", "--filter", f"label=toilctl.cloud={self.state.cloud_id}",
            "--filter", "label=toilctl.instance", "--format", '{{.Label "toilctl.instance"}}',
        )  # fmt: skip
        return set(listed.stdout.split())

    def everything(self) -> dict[str, set[str]]:
        """Return what exists in the cloud, by kind."""
        ec2, iam = self.client("ec2"), self.client("iam")
        return {
            "instances": set(_live(ec2.describe_instances())),
            "volumes": {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]},
            "interfaces": {one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]},
            "groups": {one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]},
            "templates": {one["LaunchTemplateId"] for one in ec2.describe_launch_templates()["LaunchTemplates"]},
            "profiles": {one["Arn"] for one in iam.list_instance_profiles()["InstanceProfiles"]},
            "roles": {one["Arn"] for one in iam.list_roles()["Roles"] if "/aws-service-role/" not in one["Arn"]},
            "hosts": self.hosts(),
        }


def _live(answer: Mapping[str, Any]) -> Iterator[str]:
    for reservation in answer["Reservations"]:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] != "terminated":
                yield instance["InstanceId"]


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return what the condition gives once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if met := condition():
            return met
        assert time.monotonic() < deadline, f"{what} not within {seconds} s"
        # Who asks a leader by a program all the time takes the processor from what is waited for.
        time.sleep(max(0.5, 2 * (time.monotonic() - began)))


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Press Ctrl-C; return exit code and output."""
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, said
