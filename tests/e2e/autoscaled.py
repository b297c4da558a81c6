"""A cluster that an autoscaler looks after, and how tests look at it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.e2e.world import World, wait_for
from toilctl.autoscaler.journal.report import JOURNAL

GROW_S, SHRINK_S, RUN_S, GONE_S = 240, 180, 240, 240
"""How long a slow, busy machine may take; whoever waits goes on as soon as it has come."""
JOBCOMP_LOG = "/var/log/slurm/jobcomp.log"
WORKFLOWS = Path(__file__).parent / "workflows"
COUNT_JOBS = 5
"""How many jobs siblings/count.py has: one to begin, one per line, one to add up."""


@dataclass
class Autoscaled:
    """The cluster, and what there was before it."""

    world: World
    name: str
    before: dict[str, set[str]]

    def workers(self) -> set[str]:
        return self.world.workers(self.name)

    def ever(self) -> set[str]:
        """Return the ids of all instances that EC2 remembers, terminated ones among them."""
        pages = self.world.client("ec2").get_paginator("describe_instances").paginate()
        return set(pages.search("Reservations[].Instances[].InstanceId"))

    def on_leader(self, *words: str) -> str:
        return self.world.on_leader(self.name, *words)

    def on_host(self, *words: str, check: bool = True) -> Any:
        return self.world.toilctl("ssh-cluster", "--host", self.name, "sudo", *words, check=check)

    def report(self) -> dict[str, Any]:
        return self.world.data("explain", self.name)["report"]

    def node_types(self) -> list[str]:
        tagged = [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in self.world.instances(self.name)]
        return sorted(tags["toilctl:node-type"] for tags in tagged if tags["toilctl:role"] == "worker")

    def wait_for_workers(self, count: int, seconds: float = GROW_S) -> set[str]:
        wait_for(lambda: len(self.workers()) == count, seconds, f"{count} workers")
        return self.workers()

    def lasting_worker(self) -> str:
        """Wait until the only worker there is has joined; a second one may be on its way in or out."""

        def found() -> str | None:
            workers = self.workers()
            return next(iter(workers)) if len(workers) == 1 and workers <= self.in_engine() else None

        node: str = wait_for(found, GROW_S, "a single worker, and that in the engine")
        return node

    def begun(self) -> list[tuple[str, str]]:
        """Return what the autoscaler began so far: actions with their nodes or node type."""
        reports = map(json.loads, self.on_host("cat", JOURNAL).stdout.splitlines())
        actions = [one for report in reports for one in report["actions"]]
        return [(one["action"], one["node_type"] or ",".join(one["instance_ids"])) for one in actions]

    def instance(self, node: str) -> dict[str, Any]:
        (found,) = self.world.client("ec2").describe_instances(InstanceIds=[node])["Reservations"]
        instance: dict[str, Any] = found["Instances"][0]
        return instance

    def market(self, node: str) -> str:
        return str(self.instance(node).get("InstanceLifecycle", "on-demand"))

    def interrupt(self, node: str, seconds: int) -> None:
        """Let EC2 take a spot node away after so many seconds."""
        self.world.toilctl("local", "fault", "interrupt", f"instance-id={node}", f"seconds={seconds}")

    def wait_until_gone(self, node: str) -> str:
        """Wait until an instance ends, and return EC2's code of why."""
        going = ("shutting-down", "terminated")
        wait_for(lambda: self.instance(node)["State"]["Name"] in going, GONE_S, f"the end of {node}")
        return str(self.instance(node)["StateReason"]["Code"])

    def in_engine(self) -> set[str]:
        """Return the names of the nodes that the engine has."""
        raise NotImplementedError

    def replay(self, run: str, directory: Path, *limits: str) -> Any:
        """Replay a run of siblings/count.py for another cluster, as the README says."""
        there = f"/var/lib/toilctl/workflows/runs/{run}/trace-*.jsonl"
        self.world.toilctl("rsync-cluster", self.name, f":{there}", directory)
        (trace,) = directory.glob("trace-*.jsonl")
        replayed = self.world.data("estimate", "trace", str(trace), *limits, "-z", "us-west-2a")
        assert (replayed["jobs"], replayed["unfinished"], replayed["damaged_lines"]) == (COUNT_JOBS, 0, 0)
        return replayed

    def wait_for_none(self) -> None:
        """Wait until all workers have gone by themselves, from EC2 and from the engine, and their hosts, too."""
        self.wait_for_workers(0, SHRINK_S)
        leader = {one["InstanceId"] for one in self.world.instances(self.name)}
        wait_for(lambda: self.world.hosts() == leader, 30, "the hosts' end")
        wait_for(lambda: not self.in_engine(), 30, "an empty engine")


@dataclass
class OnSlurm(Autoscaled):
    """The cluster, and its jobs."""

    def in_engine(self) -> set[str]:
        return set(self.on_leader("sinfo", "-h", "-N", "-o", "%N").split())

    def submit(self, seconds: int, *options: str, preemptible: bool = True) -> str:
        constraint = () if preemptible else ("-C", "nonpreemptible")
        # A name of its own: nobody knows how long it takes, so it gets a place of its own.
        name = f"job-{uuid4().hex[:8]}"
        command = ("--job-name", name, "--mem", "256", *constraint, *options, "--wrap", f"sleep {seconds}")
        return self.on_leader("sbatch", "--parsable", "-o", "/dev/null", *command).strip()

    def ended(self, *jobs: str) -> dict[str, tuple[str, str]]:
        """Return state and node of those of the jobs that have ended."""
        log = self.on_leader("cat", JOBCOMP_LOG)
        found = re.findall(r"^JobId=(\d+) .*?JobState=(\w+) .*?NodeList=(\S+)", log, re.MULTILINE)
        return {job: (state, node) for job, state, node in found if job in jobs}

    def wait_for_jobs(self, *jobs: str) -> dict[str, tuple[str, str]]:
        """Wait until the jobs have ended, and well."""
        ended = wait_for(lambda: len(found := self.ended(*jobs)) == len(jobs) and found, RUN_S, f"end of {jobs}")
        assert {state for state, _ in ended.values()} == {"COMPLETED"}, ended
        return ended
