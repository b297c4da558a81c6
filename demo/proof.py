"""What the demo proves: the file is sorted, every node worked, nothing is left."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stage import DemoError

LINES = 120_000
_FUNCTION = re.compile(r"toil_job_\d+_(\w+)")


@dataclass(frozen=True)
class EndedJob:
    """One job as Slurm wrote it down at its end."""

    job_id: int
    name: str
    state: str
    node: str


def make_lines(path: Path) -> None:
    """Write the file to sort; the same every time."""
    chooser = random.Random(2026)
    path.write_text("".join(f"{chooser.getrandbits(160):040x}\n" for _ in range(LINES)))


def check_sorted(unsorted: Path, result: Path) -> int:
    """Compare what the cluster made with what Python makes of the same lines; return their number."""
    before, after = (path.read_bytes().splitlines(keepends=True) for path in (unsorted, result))
    if sorted(before) != after:
        raise DemoError(f"{result} is not {unsorted} sorted: {len(after)} of {len(before)} lines, or wrong order.")
    return len(after)


def ended_jobs(jobcomp_log: str) -> list[EndedJob]:
    """Read Slurm's log of ended jobs."""
    jobs = []
    for line in jobcomp_log.splitlines():
        facts = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "JobId" in facts:
            name = _FUNCTION.match(facts["Name"])
            jobs.append(
                EndedJob(int(facts["JobId"]), name[1] if name else facts["Name"], facts["JobState"], facts["NodeList"])
            )
    return jobs


def by_node(jobs: Iterable[EndedJob]) -> dict[str, str]:
    """Return what ran on each node, such as ``split 2 4 · merge 9``: functions, and Slurm's numbers of their jobs."""
    ran: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        ran[job.node][job.name].append(job.job_id)
    return {
        node: " · ".join(f"{name} {' '.join(map(str, sorted(ids)))}" for name, ids in names.items())
        for node, names in ran.items()
    }


def everything(env: Mapping[str, str], cloud_id: str) -> dict[str, frozenset[str]]:
    """List what exists in the cloud, by kind: the account's resources by its API, the hosts by the Docker engine."""
    import boto3
    import docker

    session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name="us-west-2")

    def listed(service: str, operation: str, path: str) -> frozenset[str]:
        client: Any = session.client(service, endpoint_url=env["AWS_ENDPOINT_URL"])  # type: ignore[call-overload]
        answers = client.get_paginator(operation).paginate() if client.can_paginate(operation) else None
        found = answers.search(path) if answers else _search(path, getattr(client, operation)())
        return frozenset(str(one) for one in found if one)

    hosts = docker.from_env().containers.list(all=True, filters={"label": f"toilctl.cloud={cloud_id}"})
    return {
        "instances": listed(
            "ec2", "describe_instances", "Reservations[].Instances[?State.Name!='terminated'][].InstanceId"
        ),
        "volumes": listed("ec2", "describe_volumes", "Volumes[].VolumeId"),
        "network interfaces": listed("ec2", "describe_network_interfaces", "NetworkInterfaces[].NetworkInterfaceId"),
        "security groups": listed("ec2", "describe_security_groups", "SecurityGroups[].GroupId"),
        "launch templates": listed("ec2", "describe_launch_templates", "LaunchTemplates[].LaunchTemplateId"),
        "IAM roles": listed("iam", "list_roles", "Roles[?!starts_with(Path, '/aws-service-role/')].RoleName"),
        "instance profiles": listed("iam", "list_instance_profiles", "InstanceProfiles[].InstanceProfileName"),
        "buckets": listed("s3", "list_buckets", "Buckets[].Name"),
        "containers": frozenset(host.name for host in hosts if "toilctl.instance" in host.labels),
    }


def check_nothing_left(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> str:
    """Compare two lists; return what was looked at."""
    left = {kind: sorted(after[kind] - before[kind]) for kind in after if after[kind] - before[kind]}
    if left:
        raise DemoError("Left over: " + "; ".join(f"{kind} {' '.join(ids)}" for kind, ids in left.items()))
    return ", ".join(after)


def _search(path: str, answer: Any) -> list[Any]:
    import jmespath

    return jmespath.search(path, answer) or []
