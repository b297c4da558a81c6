"""A tick of the autoscaler with nothing to do, at 1,000 nodes: what it asks of EC2, its time and its memory."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from report import Section

from toilctl.system import variables
from toilctl.values.tuning import Tuning

NODES = 1000
TICKS = 3
NODE_TYPE = "c5.large:0.05"
SETTINGS = {
    "cluster_name": "bench", "region": "us-west-2", "engine": "slurm", "leader_address": "172.31.0.10",
    "node_types": [NODE_TYPE], "limits": [f"{NODE_TYPE}=0..{NODES}"], "zones": ["us-west-2a"], "paused": False,
    "node_storage_gb": "50", "boot_timeout_s": 300,
    "tuning": str(Tuning.of(variables.defaults())),
}  # fmt: skip


def measure() -> Section:
    from toilctl.local.process import testing

    with testing.cloud() as cloud:
        ids = _launch(cloud)
        before = dict(cloud.calls)
        # The process that ticks is one of its own, as on a leader, so that its memory is not the cloud's.
        program = [sys.executable, __file__]
        env = {**os.environ, **cloud.env}
        done = subprocess.run(program, input=json.dumps(ids), env=env, capture_output=True, text=True, check=False)
        made = {name: count - before.get(name, 0) for name, count in cloud.calls.items() if count != before.get(name)}
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout)
    ticks, listings = TICKS + 1, made.pop("ec2:DescribeInstances")
    row = {
        "nodes": NODES, "seconds of a tick": found["seconds"], "CPU seconds": found["cpu"],
        "listings per tick": listings / ticks, "other calls in all ticks": sum(made.values()),
        "playbooks": found["playbooks"], "resident MB": found["resident_mb"],
    }  # fmt: skip
    return Section(f"A tick with nothing to do, best of {TICKS}; the rest of its time is the rehearsal cloud's", [row])


def _launch(cloud: Any) -> list[str]:
    ec2 = cloud.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    own = [{"Key": "toilctl:cluster", "Value": "bench"}]
    group = ec2.create_security_group(GroupName="toilctl-bench", Description="bench")["GroupId"]
    ec2.create_tags(Resources=[group], Tags=own)
    tags = {"role": "worker", "node-type": NODE_TYPE, "intent": "auto-bench", "generation": "0123abcd"}
    listed = own + [{"Key": f"toilctl:{name}", "Value": value} for name, value in tags.items()]
    answer = ec2.run_instances(
        ImageId=image, InstanceType="c5.large", MinCount=NODES, MaxCount=NODES,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )  # fmt: skip
    return [instance["InstanceId"] for instance in answer["Instances"]]


class _World:
    """An engine on which every node runs two jobs, and actions that are only counted."""

    def __init__(self, ids: list[str]) -> None:
        self.ids, self.playbooks = ids, 0

    def nodes(self) -> tuple[Any, ...]:
        from toilctl.engines.client import EngineNode
        from toilctl.values.capacity import Resources
        from toilctl.values.cluster import NodeState

        size = Resources(2, 2900, 40000)
        return tuple(EngineNode(one, one, None, NodeState.JOINED, (f"{one}-a", f"{one}-b"), size) for one in self.ids)

    def demand(self) -> Any:
        from toilctl.values.jobs import Demand, Job, Shape

        shape, now = Shape(1, 1000, 1000, True), datetime.now(UTC)
        return Demand(tuple(Job(f"{one}-{job}", "sort", shape, one, now) for one in self.ids for job in "ab"))

    def scale_out(self, *_: Any, **__: Any) -> Any:
        self.playbooks += 1

    def scale_in(self, *_: Any, **__: Any) -> Any:
        self.playbooks += 1


def _tick(ids: list[str]) -> dict[str, Any]:
    import yaml

    from toilctl.autoscaler.journal.writer import Journal
    from toilctl.autoscaler.model.settings import SettingsFile
    from toilctl.autoscaler.service.loop import Autoscaler, Reach

    world = _World(ids)
    with tempfile.TemporaryDirectory() as path:
        settings = Path(path, "cluster.yml")
        settings.write_text(yaml.safe_dump(SETTINGS))
        reach = Reach(lambda _: world, lambda _: world)
        autoscaler = Autoscaler(SettingsFile(settings), Journal(Path(path), io.StringIO()), reach)
        # The first also asks what the instance types have, and what is under way.
        reports = [autoscaler.tick()]
        began = time.process_time()
        reports += [autoscaler.tick() for _ in range(TICKS)]
        cpu = (time.process_time() - began) / TICKS
    resident_mb = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    if any(report.problem or report.phases != {"busy": NODES} for report in reports):
        sys.exit(str(reports[-1].problem or reports[-1].phases))
    return {
        "seconds": min(report.seconds for report in reports[1:]), "cpu": cpu,
        "playbooks": world.playbooks, "resident_mb": round(resident_mb),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(_tick(json.load(sys.stdin))))
