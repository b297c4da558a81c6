#!/usr/bin/env python3
"""The main job, start to end, on the rehearsal cloud.

A leader alone is launched; a workflow that sorts makes workers appear on two node types, they work and go; destroy.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proof import by_node, check_nothing_left, check_sorted, ended_jobs, everything, make_lines
from rich.table import Table
from stage import DemoError, Stage
from surroundings import environment, ssh_agent
from watch import FOLLOW, READ, STYLE, followed, reports, table

from toilctl.autoscaler.journal.report import TickReport
from toilctl.local import state
from toilctl.system import paths
from toilctl.values import tags

CLUSTER, KEY_PAIR = "demo", "toilctl-demo"
REGION, ZONE = "us-west-2", "us-west-2a"
LOCAL = ("--provisioner", "local")
JOBCOMP_LOG = "/var/log/slurm/jobcomp.log"
# The pieces may run on spot nodes, splitting and merging only on demand.
NODE_TYPES = ("t2.medium:0.03", "t2.small")
GONE_S = 240
POLL_S = 3


@dataclass
class Demo:
    """The story and what it must remember of itself."""

    stage: Stage
    directory: Path
    was_up: bool = False
    """Whether the cloud is the user's: it was there before any demo, and stays."""
    first_state: dict[str, frozenset[str]] = field(default_factory=dict)
    ran: dict[str, str] = field(default_factory=dict)
    """What ran on each node, by instance id."""
    kinds: dict[str, str] = field(default_factory=dict)
    """The nodes' types."""
    ticks: list[TickReport] = field(default_factory=list)

    @property
    def key(self) -> Path:
        """The private key of the demo's own key pair."""
        return self.directory / "id_ed25519"

    def start_cloud(self) -> None:
        """Start the rehearsal cloud, unless one is up, and remove what an interrupted demo left in it."""
        started = self.directory / "cloud"
        running = state.find()
        self.was_up = running is not None and not (started.is_file() and started.read_text() == str(running.pid))
        with self.stage.phase("Rehearsal cloud", "Starting the rehearsal cloud"):
            self.stage.toilctl("local", "up")
            if not self.was_up:
                started.write_text(str(state.load().pid))
            if CLUSTER in (one["name"] for one in self.stage.toilctl_data("list-clusters", *LOCAL)["clusters"]):
                self.stage.toilctl("destroy-cluster", *LOCAL, CLUSTER)
        self.stage.say(f"{state.load().endpoint} answers as AWS" + (" (it was up already)" if self.was_up else ""))

    def make_key_pair(self) -> None:
        """Make an ssh key and tell EC2 its public half, as a user has done long before."""
        with self.stage.phase("Key pair", "Making a key pair"):
            self.key.unlink(missing_ok=True)
            self.stage.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", KEY_PAIR, "-f", str(self.key)])
            ec2 = _ec2()
            ec2.delete_key_pair(KeyName=KEY_PAIR)
            self.first_state = self._everything()
            public = self.key.with_suffix(".pub").read_bytes()
            ec2.import_key_pair(KeyName=KEY_PAIR, PublicKeyMaterial=public)
            self.stage.run(["ssh-add", "-q", str(self.key)])

    def launch(self) -> None:
        """Launch a leader alone, and say what it may launch itself."""
        # What follows reads Slurm's own record of its jobs, also where the appliance has Mesos, too.
        words = (
            "--engine", "slurm", "--leader-node-type", "t2.medium", "--node-types", ",".join(NODE_TYPES),
            "--min-nodes", "0,0", "--max-nodes", "2,1", "--scale-interval", "5", "--idle-timeout", "20",
            "--key-pair-name", KEY_PAIR,
        )  # fmt: skip
        with self.stage.phase("Launch", "Launching a leader"):
            self.stage.toilctl("launch-cluster", *LOCAL, "-z", ZONE, *words, CLUSTER)
            if self._workers():
                raise DemoError("There are workers before anything is to be done.")

    def upload(self) -> None:
        """Send the workflow and a file to sort."""
        make_lines(self.directory / "lines.txt")
        shutil.copy(Path(__file__).with_name("sort.py"), self.directory)
        with self.stage.phase("Upload", "Uploading the workflow"):
            self._rsync("-a", "sort.py", "lines.txt", ":/tmp")

    def sort(self) -> None:
        """Run the workflow, fetch what it made, and check it; workers appear meanwhile."""
        result = self.directory / "sorted.txt"
        result.unlink(missing_ok=True)
        workflow = (
            "python", "/tmp/sort.py", f"aws:{REGION}:demo-{uuid.uuid4().hex[:8]}", "--logLevel", "INFO",
            "--input", "/tmp/lines.txt", "--output", "/tmp/sorted.txt", "--pieces", "8", "--job-seconds", "2",
        )  # fmt: skip
        with self.stage.phase("Sort", "Sorting"), self._followed():
            self.stage.toilctl("ssh-cluster", *LOCAL, CLUSTER, *workflow)
            self._rsync("-a", ":/tmp/sorted.txt", ".")
        count = check_sorted(self.directory / "lines.txt", result)
        self.stage.say(f"{count:,} lines, sorted; {self._remember_jobs()}")

    def explain(self) -> None:
        """Ask why the nodes are as they are."""
        with self.stage.phase("Explain", "Asking"):
            said = self.stage.toilctl("explain", *LOCAL, CLUSTER)
        self.stage.say(said.rstrip().replace("\n", "\n  "))

    def scale_in(self) -> None:
        """Wait until the workers have gone by themselves."""
        with self.stage.phase("Scale in", "Waiting for the workers to go"), self._followed(new_only=True):
            end = time.monotonic() + GONE_S
            while self._workers():
                if time.monotonic() > end:
                    raise DemoError(f"Workers are still there after {GONE_S} s.")
                time.sleep(POLL_S)
        self.ticks = reports(self._on_leaders_host(*READ))

    def destroy(self) -> None:
        """Destroy the cluster, and look for anything that was not there before it."""
        with self.stage.phase("Destroy", "Destroying the cluster"):
            self.stage.toilctl("destroy-cluster", *LOCAL, CLUSTER)
            _ec2().delete_key_pair(KeyName=KEY_PAIR)
            looked_at = check_nothing_left(self.first_state, self._everything())
        self.stage.say(f"Nothing is left of: {looked_at}")

    def stop_cloud(self) -> None:
        """Stop the rehearsal cloud, if it is the demo's own."""
        if self.was_up:
            self.stage.say("The rehearsal cloud was up before the demo, and stays.")
            return
        with self.stage.phase("Rehearsal cloud down", "Stopping the rehearsal cloud"):
            self.stage.toilctl("local", "down")

    def close(self) -> None:
        """Show which job ran on which node, and where the time went."""
        jobs = Table("node", "node type", "jobs, with Slurm's numbers", title="Which job ran on which node", **STYLE)
        for node, ran in self.ran.items():
            jobs.add_row(node, self.kinds[node], ran)
        times = Table("phase", "seconds", title="Where the time went", **STYLE)
        times.columns[1].justify = "right"
        for title, seconds in (self.stage.times | {"[bold]total": sum(self.stage.times.values())}).items():
            times.add_row(title, f"{seconds:.1f}")
        self.stage.console.print("", table(self.ticks, STYLE), "", jobs, "", times)

    def clean_up_commands(self) -> str:
        """Return what removes everything, from any point of the story."""
        toilctl = Path(sys.executable).with_name("toilctl")
        where = f"XDG_STATE_HOME={os.environ['XDG_STATE_HOME']} " if os.environ.get("XDG_STATE_HOME") else ""
        down = "" if self.was_up else f"\n  {where}{toilctl} local down"
        return f"  {where}{toilctl} destroy-cluster {' '.join(LOCAL)} {CLUSTER}{down}"

    def _rsync(self, *words: str) -> None:
        self.stage.toilctl("rsync-cluster", *LOCAL, CLUSTER, *words)

    def _on_leaders_host(self, *words: str) -> str:
        return self.stage.run([_toilctl(), "ssh-cluster", *LOCAL, "--host", CLUSTER, *words])

    @contextmanager
    def _followed(self, *, new_only: bool = False) -> Iterator[None]:
        words = [word.replace("+1", "0") if new_only else word for word in FOLLOW]
        argv = [_toilctl(), "ssh-cluster", *LOCAL, "--host", CLUSTER, *words]
        with followed(argv, self.stage.environment, self.stage.say):
            yield

    def _workers(self) -> list[str]:
        described = self.stage.toilctl_data("describe-cluster", *LOCAL, CLUSTER)
        return [node["instance_id"] for node in described["nodes"] if node["role"] == "worker"]

    def _remember_jobs(self) -> str:
        """Learn from Slurm what ran where; both node types must have had a part."""
        log = self.stage.run([_toilctl(), "ssh-cluster", *LOCAL, CLUSTER, "cat", JOBCOMP_LOG])
        jobs = ended_jobs(log)
        self.ran = by_node(jobs)
        self.kinds = {node: _node_type(node) for node in self.ran}
        if set(self.kinds.values()) != set(NODE_TYPES):
            kinds = ", ".join(sorted(set(self.kinds.values()))) or "nothing"
            raise DemoError(f"Jobs ran on {kinds} only, not on both node types.")
        return f"{len(jobs)} jobs ran on {len(self.ran)} nodes of {' and '.join(NODE_TYPES)}"

    def _everything(self) -> dict[str, frozenset[str]]:
        running = state.load()
        return everything(running.env, running.cloud_id)


def tell(demo: Demo, *, keep: bool) -> None:
    """Tell the story."""
    demo.start_cloud()
    demo.make_key_pair()
    demo.launch()
    demo.upload()
    demo.sort()
    demo.explain()
    demo.scale_in()
    if not keep:
        demo.destroy()
        demo.stop_cloud()
    demo.close()


def main() -> int:
    """Run the demo and return its exit code."""
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that runs us in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    directory = paths.state_dir() / "demo"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "demo.log").open("w", buffering=1) as log, ssh_agent(directory) as agent:
        demo = Demo(Stage(environment() | agent, directory, log), directory)
        demo.stage.console.print(f"[bold]toilctl demo[/]  [dim]log: {log.name}[/]", soft_wrap=True)
        code = _play(demo, keep=arguments.keep)
    if arguments.json:
        arguments.json.write_text(json.dumps({"exit_code": code, "seconds": demo.stage.times}, indent=2) + "\n")
    return code


def _play(demo: Demo, *, keep: bool) -> int:
    show = demo.stage.console.print
    try:
        tell(demo, keep=keep)
    except KeyboardInterrupt:
        show(f"\n[bold]Stopped.[/] These remove everything:\n{demo.clean_up_commands()}", soft_wrap=True)
        return 130
    except Exception as error:  # whatever it is, the user must learn how to clean up
        traceback.print_exc(file=demo.stage.log)
        show("\n[bold red]✗[/] ", end="")
        show(str(error), markup=False, soft_wrap=True)
        show(f"\nThe log: {demo.stage.log.name}\nThese remove everything:\n{demo.clean_up_commands()}", soft_wrap=True)
        return 1
    if keep:
        look = f"{_toilctl()} ssh-cluster {' '.join(LOCAL)} --ssh-key {demo.key} {CLUSTER}"
        show(f"\nThe cluster stays. Look around:\n  {look}\nRemove it:\n{demo.clean_up_commands()}", soft_wrap=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave cluster and cloud running at the end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the time of each phase here")
    return parser.parse_args()


def _toilctl() -> str:
    return shutil.which("toilctl", path=str(Path(sys.executable).parent)) or "toilctl"


def _node_type(instance_id: str) -> str:
    """Return a node's type; EC2 remembers terminated instances for a while."""
    (found,) = _ec2().describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"]
    return tags.to_dict(found["Tags"])[tags.NODE_TYPE]


def _ec2() -> Any:
    import boto3

    env = state.load().env
    session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    return session.client("ec2", endpoint_url=env["AWS_ENDPOINT_URL"])


if __name__ == "__main__":
    sys.exit(main())
