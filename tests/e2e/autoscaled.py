"""A cluster that an autoscaler looks after, and how tests look at it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.e2e.world import SOON_S, World, wait_for
from toilctl.autoscaler.journal.report import JOURNAL

GROW_S, SHRINK_S, RUN_S, GONE_S = 400, 600, 400, 400
"""How long a slow, busy machine may take; whoever waits goes on as soon as it has come."""
JOBCOMP_LOG = "/var/log/slurm/jobcomp.log"
WORKFLOWS = Path(__file__).parent / "workflows"
COUNT_JOBS = 5
"""How many jobs siblings/count.py has: one to begin, one per line, one to add up."""
LONG_S = 3600
"""Longer than any test: such a job ends with its test."""


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
        """Return what the autoscaler told last; right after a launch it has yet to tell the first time."""
        found: dict[str, Any] = wait_for(lambda: self.world.data("explain", self.name)["report"], SOON_S, "a report")
        return found

    def wait_until_settled(self, *phases: str, seconds: float = SHRINK_S) -> None:
        """Wait until the autoscaler, as it sees the cluster from now on, is at nothing, and workers are in phases."""
        # The tick after that one may have looked before now.
        since = self.report()["tick"] + 2

        def settled() -> bool:
            told = self.report()
            known = told["tick"] >= since and told["jobs_known"] and told["nodes_known"]
            return known and not told["under_way"] and told["phases"].keys() <= set(phases)

        wait_for(settled, seconds, f"an autoscaler at rest, with workers that are {' or '.join(phases) or 'gone'}")

    def node_types(self) -> list[str]:
        tagged = [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in self.world.instances(self.name)]
        return sorted(tags["toilctl:node-type"] for tags in tagged if tags["toilctl:role"] == "worker")

    def wait_for_workers(self, count: int, seconds: float = GROW_S) -> set[str]:
        def found() -> tuple[set[str], ...]:
            workers = self.workers()
            return (workers,) if len(workers) == count else ()

        (workers,) = wait_for(found, seconds, f"{count} workers")
        return set(workers)

    def lasting_worker(self) -> str:
        """Wait until the only worker there is has joined; a second one may be on its way in or out."""

        def found() -> str | None:
            workers = self.workers()
            return next(iter(workers)) if len(workers) == 1 and workers <= self.in_engine() else None

        node: str = wait_for(found, GROW_S, "a single worker, and that in the engine")
        return node

    def begun(self) -> list[tuple[str, str]]:
        """Return what the autoscaler began so far: actions with their nodes or node type.

        A tick tells of them at its end, so what can be seen of them comes before.
        """
        lines = self.on_host("sh", "-c", f"cat {JOURNAL} || true").stdout.splitlines(keepends=True)
        # The last one may be written right now.
        reports = (json.loads(line) for line in lines if line.endswith("\n"))
        actions = [one for report in reports for one in report["actions"]]
        return [(one["action"], one["node_type"] or ",".join(one["instance_ids"])) for one in actions]

    def check_begun(self, before: int, *wanted: tuple[str, str]) -> None:
        """Wait until the autoscaler has begun these actions since it had begun so many, and see that it began no more.

        A node that has been idle for long enough may go meanwhile, one that takes its time to join is set up once
        more, and one that is given up is so until what ran there has ended.
        """

        def begun() -> list[tuple[str, str]]:
            found = [one for one in self.begun()[before:] if one[0] not in ("scale-in", "set-up")]
            given_up = dict.fromkeys(one for one in found if one[0] == "evacuate")
            return sorted([*given_up, *(one for one in found if one not in given_up)])

        wait_for(lambda: set(begun()) >= set(wanted), SOON_S, f"the journal's word of {wanted}")
        assert begun() == sorted(wanted)

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
        self.wait_until_settled()
        self.wait_for_workers(0, SHRINK_S)
        leader = {one["InstanceId"] for one in self.world.instances(self.name)}
        wait_for(lambda: self.world.hosts() == leader, SOON_S, "the hosts' end")
        wait_for(lambda: not self.in_engine(), SOON_S, "an empty engine")


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

    def runs_on(self, job: str) -> str:
        """Return the node where a job runs; empty while it does not."""
        return self.on_leader("squeue", "-h", "-j", job, "-t", "R", "-o", "%N").strip()

    def start(self, seconds: int = LONG_S, *options: str) -> tuple[str, str]:
        """Return a job that runs, and its node."""
        job = self.submit(seconds, *options)
        return job, wait_for(lambda: self.runs_on(job), RUN_S, "a running job")

    def ended(self, *jobs: str) -> dict[str, tuple[str, str]]:
        """Return state and node of those of the jobs that have ended."""
        log = self.on_leader("cat", JOBCOMP_LOG)
        found = re.findall(r"^JobId=(\d+) .*?JobState=(\w+) .*?NodeList=(\S+) ", log, re.MULTILINE)
        return {job: (state, node) for job, state, node in found if job in jobs}

    def wait_for_jobs(self, *jobs: str) -> dict[str, tuple[str, str]]:
        """Wait until the jobs have ended, and well."""
        ended = wait_for(lambda: len(found := self.ended(*jobs)) == len(jobs) and found, RUN_S, f"end of {jobs}")
        assert {state for state, _ in ended.values()} == {"COMPLETED"}, ended
        return ended
