#!/usr/bin/env python3
"""The main job, start to end, on the rehearsal cloud: launch, upload, sort, grow, sort again, shrink, destroy."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
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
from rich import box
from rich.table import Table
from stage import DemoError, Stage

from toilctl import paths
from toilctl.local import state

CLUSTER, KEY_PAIR = "demo", "toilctl-demo"
REGION, ZONE = "us-west-2", "us-west-2a"
LOCAL = ("--provisioner", "local")
JOBCOMP_LOG = "/var/log/slurm/jobcomp.log"
STYLE: dict[str, Any] = {"box": box.SIMPLE_HEAD, "title_justify": "left", "title_style": "bold"}


@dataclass
class Demo:
    """The story and what it must remember of itself."""

    stage: Stage
    directory: Path
    was_up: bool = False
    """Whether the cloud is the user's: it was there before any demo, and stays."""
    first_state: dict[str, frozenset[str]] = field(default_factory=dict)
    workers: dict[str, str] = field(default_factory=dict)
    """Instance ids of the workers, and their private addresses, in the order they joined."""
    runs: list[dict[str, str]] = field(default_factory=list)
    """Of each run of the workflow: node to jobs."""
    jobs_seen: int = 0

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
        """Launch a leader and two workers of one core each, so that one of them cannot do it all."""
        types = ("--leader-node-type", "t2.medium", "--node-types", "t2.micro", "-w", "2")
        with self.stage.phase("Launch", "Launching a leader and two workers"):
            self.stage.toilctl("launch-cluster", *LOCAL, "-z", ZONE, *types, "--key-pair-name", KEY_PAIR, CLUSTER)
            self._meet_workers()

    def upload(self) -> None:
        """Send the workflow and a file to sort."""
        make_lines(self.directory / "lines.txt")
        shutil.copy(Path(__file__).with_name("sort.py"), self.directory)
        with self.stage.phase("Upload", "Uploading the workflow"):
            self._rsync("-a", "sort.py", "lines.txt", ":/tmp")

    def sort(self, title: str, pieces: int) -> None:
        """Run the workflow, fetch what it made, and check it."""
        result = self.directory / "sorted.txt"
        result.unlink(missing_ok=True)
        workflow = (
            "python", "/tmp/sort.py", f"aws:{REGION}:demo-{uuid.uuid4().hex[:8]}", "--logLevel", "INFO",
            "--input", "/tmp/lines.txt", "--output", "/tmp/sorted.txt", "--pieces", str(pieces), "--job-seconds", "2",
        )  # fmt: skip
        with self.stage.phase(title, "Sorting"):
            self.stage.toilctl("ssh-cluster", *LOCAL, CLUSTER, *workflow)
            self._rsync("-a", ":/tmp/sorted.txt", ".")
        count = check_sorted(self.directory / "lines.txt", result)
        self.stage.say(f"{count:,} lines, sorted; {self._remember_run()}")

    def grow(self) -> None:
        """Add a worker."""
        with self.stage.phase("Grow", "Growing to three workers"):
            self._scale(3)
            self._meet_workers()

    def shrink(self) -> None:
        """Take two workers away."""
        with self.stage.phase("Shrink", "Shrinking to one worker"):
            self._scale(1)

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
        jobs = Table(
            "run", "node", "address", "jobs, with Slurm's numbers", title="Which job ran on which node", **STYLE
        )
        for number, run in enumerate(self.runs, start=1):
            for node, ran in sorted(run.items(), key=lambda item: list(self.workers).index(item[0])):
                jobs.add_row(str(number), node, self.workers[node], ran)
        times = Table("phase", "seconds", title="Where the time went", **STYLE)
        times.columns[1].justify = "right"
        for title, seconds in (self.stage.times | {"[bold]total": sum(self.stage.times.values())}).items():
            times.add_row(title, f"{seconds:.1f}")
        self.stage.console.print("", jobs, "", times)

    def clean_up_commands(self) -> str:
        """Return what removes everything, from any point of the story."""
        toilctl = Path(sys.executable).with_name("toilctl")
        where = f"XDG_STATE_HOME={os.environ['XDG_STATE_HOME']} " if os.environ.get("XDG_STATE_HOME") else ""
        down = "" if self.was_up else f"\n  {where}{toilctl} local down"
        return f"  {where}{toilctl} destroy-cluster {' '.join(LOCAL)} {CLUSTER}{down}"

    def _scale(self, count: int) -> None:
        self.stage.toilctl("scale-cluster", *LOCAL, "-w", str(count), CLUSTER)

    def _rsync(self, *words: str) -> None:
        self.stage.toilctl("rsync-cluster", *LOCAL, CLUSTER, *words)

    def _meet_workers(self) -> None:
        described = self.stage.toilctl_data("describe-cluster", *LOCAL, CLUSTER)
        for node in described["nodes"]:
            if node["role"] == "worker":
                self.workers.setdefault(node["instance_id"], node["private_address"])

    def _remember_run(self) -> str:
        """Learn from Slurm what ran where since the last time; every worker must have had a part."""
        log = self.stage.run([_toilctl(), "ssh-cluster", *LOCAL, CLUSTER, "cat", JOBCOMP_LOG])
        jobs = ended_jobs(log)[self.jobs_seen :]
        self.jobs_seen += len(jobs)
        self.runs.append(by_node(jobs))
        idle = set(self.workers) - set(self.runs[-1])
        if idle:
            raise DemoError(f"Worker {', '.join(sorted(idle))} ran no job.")
        return f"{len(jobs)} jobs ran on {len(self.runs[-1])} nodes"

    def _everything(self) -> dict[str, frozenset[str]]:
        running = state.load()
        return everything(running.env, running.cloud_id)


def tell(demo: Demo, *, keep: bool) -> None:
    """Tell the story."""
    demo.start_cloud()
    demo.make_key_pair()
    demo.launch()
    demo.upload()
    demo.sort("Sort on two workers", pieces=8)
    demo.grow()
    demo.sort("Sort on three workers", pieces=8)
    newest = list(demo.workers)[-1]
    demo.stage.say(f"The new worker {newest} ran: {demo.runs[-1][newest]}")
    if not keep:
        demo.shrink()
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
    with (directory / "demo.log").open("w", buffering=1) as log, _ssh_agent(directory) as agent:
        demo = Demo(Stage(_environment() | agent, directory, log), directory)
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


def _environment() -> dict[str, str]:
    """Return this environment without what would lead a command elsewhere."""
    astray = ("TOILCTL_", "TOIL_", "AWS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(astray) or name == "AWS_CA_BUNDLE"}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"}


@contextmanager
def _ssh_agent(directory: Path) -> Iterator[dict[str, str]]:
    """Run an ssh agent for the demo's key, so that no command has to name it; yield what finds it."""
    socket = directory / "agent"
    socket.unlink(missing_ok=True)
    # A group of its own: Ctrl-C must not take the key from a command that is finishing.
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, process_group=0)
    try:
        while not socket.exists() and agent.poll() is None:
            time.sleep(0.01)
        yield {"SSH_AUTH_SOCK": str(socket)}
    finally:
        agent.terminate()
        agent.wait()


def _toilctl() -> str:
    return shutil.which("toilctl", path=str(Path(sys.executable).parent)) or "toilctl"


def _ec2() -> Any:
    import boto3

    env = state.load().env
    session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    return session.client("ec2", endpoint_url=env["AWS_ENDPOINT_URL"])


if __name__ == "__main__":
    sys.exit(main())
