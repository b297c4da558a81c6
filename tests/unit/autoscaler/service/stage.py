"""A leader whose engine, playbooks and clock are the test's, and whose EC2 is the rehearsal cloud's."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.unit.autoscaler.builders import tuning
from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.journal.writer import Journal
from toilctl.autoscaler.model.plan import ScaleOut
from toilctl.autoscaler.model.playbook_events import Ended, LaunchAnswered, LaunchingOver, LaunchRefusal, Tell
from toilctl.autoscaler.model.settings import SettingsFile
from toilctl.autoscaler.model.workflow_limits import Wish
from toilctl.autoscaler.service.loop import Autoscaler, Reach
from toilctl.engines.client import EngineNode
from toilctl.local.process.testing import TestCloud
from toilctl.values.capacity import Resources
from toilctl.values.cluster import Node, NodeState
from toilctl.values.jobs import Demand, Job, Shape

NOW = datetime.now(UTC)
SETTINGS: dict[str, Any] = {
    "cluster_name": "my", "region": "us-west-2", "engine": "slurm", "leader_address": "10.0.0.1",
    "node_types": ["c5.large:0.05"], "limits": ["c5.large:0.05=0..1000"], "zones": ["us-west-2a"],
    "node_storage_gb": 50, "tuning": str(tuning()), "boot_timeout_s": 300,
}  # fmt: skip
SPOT_USD = 0.0255 + 0.005
"""What the cloud's spot market asks for a c5.large per hour, and its public address; no tag tells its volume."""
JOB = Job("1", "sort", Shape(1, 100, 100, True))


class Stage:
    """A cluster on the cloud, an engine of values, and actions that are written down and answered as told."""

    def __init__(self, aws: TestCloud, directory: Path) -> None:
        self.aws, self.directory = aws, directory
        self.now, self.out = datetime.now(UTC), io.StringIO()
        self.running: dict[str, tuple[str, ...]] = {}
        self.state = NodeState.JOINED
        self.jobs: tuple[Job, ...] = ()
        self.problem: Exception | None = None
        self.done: list[str] = []
        self.refusals: tuple[LaunchRefusal, ...] = ()
        self.failure = ""
        self.asked: tuple[Wish, ...] = ()
        self.ec2 = aws.client("ec2")
        self.group = self.ec2.create_security_group(GroupName="toilctl-my", Description="x")["GroupId"]
        self.tag("toilctl:cluster", "my")
        self.settings()
        self.begin()

    def begin(self) -> None:
        """Start the autoscaler, as after a crash: with what is on disk and nothing else."""
        self.file = SettingsFile(self.directory / "cluster.yml")
        reach = Reach(lambda _: self, lambda _: self, lambda: self.now, lambda work: work(), lambda: self.asked)
        self.autoscaler = Autoscaler(self.file, Journal(self.directory, self.out), reach)
        self.autoscaler.memory.notices.directory = self.directory / "notices"

    def settings(self, **changes: Any) -> None:
        (self.directory / "cluster.yml").write_text(yaml.safe_dump({**SETTINGS, **changes}))

    def tag(self, key: str, value: str) -> None:
        self.ec2.create_tags(Resources=[self.group], Tags=[{"Key": key, "Value": value}])

    def begin_launch(self, at: datetime) -> None:
        """Let a launch of workers be without an answer."""
        own = {"toilctl:cluster": "my", "toilctl:role": "worker", "toilctl:attempt": f"0 1 {at.timestamp():.0f} aa"}
        self.ec2.create_launch_template(
            LaunchTemplateName="toilctl-my-worker-c5_large_0_05", LaunchTemplateData={"KeyName": "k"},
            TagSpecifications=[
                {"ResourceType": "launch-template", "Tags": [{"Key": key, "Value": own[key]} for key in own]}
            ],
        )  # fmt: skip

    def launch(self, count: int, *, joined: bool = True, intent: str = "auto-1") -> list[str]:
        tags = {"cluster": "my", "role": "worker", "node-type": "c5.large:0.05", "intent": intent}
        image = self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        answer = self.ec2.run_instances(
            ImageId=image, InstanceType="c5.large", MinCount=count, MaxCount=count,
            InstanceMarketOptions={"MarketType": "spot"},
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": f"toilctl:{k}", "Value": v} for k, v in tags.items()]}
            ],
        )  # fmt: skip
        ids = [instance["InstanceId"] for instance in answer["Instances"]]
        self.running |= dict.fromkeys(ids, ()) if joined else {}
        return ids

    def tick(self, seconds: float = 30) -> TickReport:
        self.now += timedelta(seconds=seconds)
        return self.autoscaler.tick()

    # The engine.
    def nodes(self) -> tuple[EngineNode, ...]:
        if self.problem:
            raise self.problem
        size = Resources(2, 2600, 40000)
        return tuple(EngineNode(one, one, None, self.state, jobs, size) for one, jobs in self.running.items())

    def demand(self) -> Demand:
        return Demand(self.jobs)

    def cordon(self, name: str) -> None: ...
    def drain(self, name: str) -> None: ...
    def uncordon(self, name: str) -> None: ...
    def lost(self, node: EngineNode) -> None: ...
    def evacuate(self, node: EngineNode) -> None: ...

    # The actions.
    def scale_out(self, intent: str, launches: Sequence[ScaleOut], tell: Tell) -> Ended:
        self.done.append(f"launch {sum(one.count for one in launches)}" if launches else "set up")
        for one in launches:
            tell(LaunchAnswered(intent, one.node_type, frozenset(), self.refusals))
        tell(LaunchingOver(intent))
        return Ended(intent, not self.failure, self.failure)

    def scale_in(self, run: str, nodes: Mapping[str, Node], *, force: bool) -> Ended:
        self.done.append(f"{'end' if force else 'drain'} {len(nodes)}")
        self.ec2.terminate_instances(InstanceIds=list(nodes))
        for one in nodes:
            self.running.pop(one, None)
        return Ended(run, True, "", terminated=frozenset(nodes))

    def save_console(self, instance_id: str) -> None:
        self.done.append("console")


def busy(stage: Stage, ids: list[str]) -> None:
    stage.running |= {one: (str(number),) for number, one in enumerate(ids)}
    shape = Shape(1, 100, 100, True)
    stage.jobs = tuple(Job(str(number), "sort", shape, one, NOW) for number, one in enumerate(ids))
