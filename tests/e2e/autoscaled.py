"""A cluster that an autoscaler looks after, and how tests look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .world import World, wait_for

GROW_S, SHRINK_S = 120, 90
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
