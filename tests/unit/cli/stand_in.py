"""Playbooks that do in EC2 what the real ones do there, for tests of the commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from toilctl.autoscaler.journal.report import (
    ActionReport,
    NodeReport,
    ResultReport,
    SetAsideReport,
    TickReport,
)
from toilctl.autoscaler.model.plan import Infeasible, Waiting
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.engines.client import EngineNode
from toilctl.system import playbooks
from toilctl.values import tags, worker_tags
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType
from toilctl.values.worker_tags import NodeStorage

LAUNCH = ("launch-cluster", "c", "--nodeType", "t2.micro", "-z", "us-west-2a", "--keyPairName", "k", "-w", "2")

AUTOSCALED = (
    "launch-cluster", "c", "--leaderNodeType", "t2.medium", "-z", "us-west-2a", "--keyPairName", "k", "--engine",
    "slurm", "--nodeTypes", "c4.8xlarge:0.6,r3.8xlarge", "--minNodes", "0,0", "--maxNodes", "20,2",
    "--idleTimeout", "60",
)  # fmt: skip
NOW_S = 1_790_000_000
"""The leader's clock, in seconds since the epoch."""


def report(**changed: Any) -> str:
    """Return an autoscaler's last report, as its leader has it in a file."""
    small, large = Shape(1, 2048, 512, True), Shape(64, 2048, 512, False)
    waiting = Waiting(small, 12, ("sort", "split"), WaitReason.LAUNCHING, "1 r3.8xlarge is booting.")
    huge = Infeasible(large, 1, ("huge",), "cores", "Allow a node type with 64 cores.")
    node = NodeReport("i-1", "r3.8xlarge", "r3.8xlarge", "us-west-2a", "busy", "kept", "busy", "", 1, 2.656)
    refused = ResultReport("2026-09-21T14:13:00+00:00", "launch", ok=False, message="InsufficientInstanceCapacity")
    tick = TickReport(
        at=datetime.fromtimestamp(NOW_S, UTC).isoformat(timespec="milliseconds"), tick=412, version="1", cluster="c",
        paused=False, running_jobs=1, waiting_jobs=12, node_counts={"r3.8xlarge": 1}, usd_per_hour=2.656,
        actions=(ActionReport("launch", "demand", "r3.8xlarge", 1),), nodes=(node,), errors=(refused,),
        waiting=(waiting,), infeasible=(huge,),
        under_way=("launch of 1 r3.8xlarge since 12:00 UTC",),
        set_aside=(SetAsideReport("c4.8xlarge in us-west-2a, spot", "2026-09-21T14:16:00+00:00", "no capacity"),),
    )  # fmt: skip
    return json.dumps(tick.document(full=True) | changed)


def wait_report(age_s: int, journal: int = 0) -> str:
    """Return a leader's answer, so long after its last tick."""
    return "\n".join([str(NOW_S + age_s), report(), *[report()] * journal, ""])


@dataclass
class Playbooks:
    """Stands in for Ansible: launches, terminates and destroys in the account; nodes join at once."""

    ec2: Any
    runs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    not_joining: set[str] = field(default_factory=set)
    given: int = 100
    """How many workers EC2 has left to give."""
    leaves: bool = False
    """Whether destroying leaves the security group behind."""
    failures: tuple[playbooks.Failure, ...] = ()
    told: dict[str, Any] = field(default_factory=dict)
    """What playbooks tell beside what they did in EC2."""
    busy: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.runs]

    def run(
        self, playbook: str, target: playbooks.PlaybookTarget, variables: Mapping[str, Any], **_: Any
    ) -> playbooks.PlaybookResult:
        self.runs.append((playbook, dict(variables)))
        data = {
            "launch.yml": self._launch,
            "scale_out.yml": self._scale_out,
            "scale_in.yml": self._scale_in,
            "destroy.yml": self._destroy,
            "configure.yml": lambda *_: {},
            "autoscale.yml": lambda *_: {},
        }[playbook](target.cluster, dict(variables))
        succeeded = not self.failures and not data.get("shortfalls")
        return playbooks.PlaybookResult(succeeded, self.failures, data | self.told, Path("log"))

    def members(self, cluster: Any, _key: Any) -> dict[str, EngineNode]:
        return {
            node.instance_id: EngineNode(
                name=node.instance_id, instance_id=node.instance_id, private_address="", state="joined",
                running=tuple(map(str, range(self.busy.get(node.instance_id, 0)))), resources=None,
            )
            for node in cluster.workers
            if node.instance_id not in self.not_joining
        }  # fmt: skip

    def start_worker(self, kind: str, cluster: str = "c") -> None:
        self._start(cluster, "worker", kind, 1)

    def live(self, role: str = "worker", cluster: str = "c") -> list[str]:
        return [one["InstanceId"] for one in self._instances(cluster) if _tag(one, tags.ROLE) == role]

    def settings(self, cluster: str = "c") -> dict[str, str]:
        (group,) = self.ec2.describe_security_groups(GroupIds=self._groups(cluster))["SecurityGroups"]
        return tags.to_dict(group["Tags"])

    def tag(self, cluster: str, changed: dict[str, str]) -> None:
        self.ec2.create_tags(Resources=self._groups(cluster), Tags=tags.to_list(changed))

    def _launch(self, cluster: str, has: dict[str, Any]) -> dict[str, Any]:
        settings = {
            tags.CLUSTER: cluster, tags.GENERATION: "0123abcd", tags.OWNER: has["owner"],
            tags.LEADER_NODE_TYPE: has["leader_node_type"], tags.ZONES: ",".join(has["zones"]), **_workers(has),
            tags.KEY_PAIR_NAME: has["key_pair_name"], tags.ENGINE: has["engine"], tags.AMI: has["ami"],
            tags.LOGIN_USER: has["login_user"],
            tags.APPLIANCE: has["appliance_image"], tags.LEADER_STORAGE: str(has["leader_storage_gb"]),
            **_scaling(has), **has["extra_tags"],
            tags.S3_WRITE: ",".join(sorted(has.get("s3_write", ()))),
            tags.SHARED: has.get("shared", ""), tags.SSE_KEY: "yes" if has.get("sse_key") else "",
            tags.FUSE: "yes" if has["enable_fuse"] else "", tags.ORPHAN_TIMEOUT: str(has["orphan_timeout_s"]),
        }  # fmt: skip
        if not self._groups(cluster):
            self.ec2.create_security_group(
                GroupName=f"toilctl-{cluster}",
                Description="x",
                TagSpecifications=[{"ResourceType": "security-group", "Tags": tags.to_list(settings)}],
            )
        else:
            self.tag(cluster, {tags.ORPHAN_TIMEOUT: settings[tags.ORPHAN_TIMEOUT]})
        self._start(cluster, "leader", has["leader_node_type"], 1 - len(self.live("leader", cluster)))
        missing = 0
        for kind, count in zip(has["node_types"], has["worker_counts"], strict=True):
            have = sum(
                _tag(one, tags.NODE_TYPE) == kind
                for one in self._instances(cluster)
                if _tag(one, tags.ROLE) == "worker"
            )
            missing += self._start(cluster, "worker", kind, count - have)
        return _shortfall(missing)

    def _scale_out(self, cluster: str, has: dict[str, Any]) -> dict[str, Any]:
        return _shortfall(
            sum(self._start(cluster, "worker", one["node_type"], one["count"]) for one in has["launches"])
        )

    def _scale_in(self, _cluster: str, has: dict[str, Any]) -> dict[str, Any]:
        idle = [one for one in has["instance_ids"] if has["force"] or not self.busy.get(one)]
        if idle:
            self.ec2.terminate_instances(InstanceIds=idle)
        return {"terminated": idle}

    def _destroy(self, cluster: str, _: dict[str, Any]) -> dict[str, Any]:
        ids = [one["InstanceId"] for one in self._instances(cluster)]
        if ids:
            self.ec2.terminate_instances(InstanceIds=ids)
        for group in [] if self.leaves else self._groups(cluster):
            self.ec2.delete_security_group(GroupId=group)
        return {}

    def _start(self, cluster: str, role: str, kind: str, count: int) -> int:
        granted = min(count, self.given)
        own = {tags.CLUSTER: cluster, tags.ROLE: role, tags.NODE_TYPE: kind}
        for _ in range(granted):
            self.ec2.run_instances(
                ImageId=self._image(), MinCount=1, MaxCount=1, InstanceType=kind.partition(":")[0],
                Placement={"AvailabilityZone": "us-west-2a"},
                TagSpecifications=[{"ResourceType": "instance", "Tags": tags.to_list(own)}],
            )  # fmt: skip
        self.given -= max(0, granted) if role == "worker" else 0
        return count - granted

    def _image(self) -> str:
        return str(self.ec2.describe_images(Owners=["self", "136693071363", "amazon"])["Images"][0]["ImageId"])

    def _groups(self, cluster: str) -> list[str]:
        wanted = [{"Name": f"tag:{tags.CLUSTER}", "Values": [cluster]}]
        return [group["GroupId"] for group in self.ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]]

    def _instances(self, cluster: str) -> list[dict[str, Any]]:
        wanted = [
            {"Name": f"tag:{tags.CLUSTER}", "Values": [cluster]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        answer = self.ec2.describe_instances(Filters=wanted)
        return [one for reservation in answer["Reservations"] for one in reservation["Instances"]]


def _tag(instance: dict[str, Any], key: str) -> str | None:
    return tags.to_dict(instance["Tags"]).get(key)


def _shortfall(count: int) -> dict[str, Any]:
    if count <= 0:
        return {}
    message = f"{count} worker nodes could not be launched: InsufficientInstanceCapacity."
    return {"shortfalls": [{"code": "partial", "message": message, "next_step": "Try another zone."}]}


def _workers(has: dict[str, Any]) -> dict[str, str]:
    """Return the tags as role ec2_network writes them from the lists."""
    kinds = [NodeType.parse(one) for one in has["node_types"]]
    counts = dict(zip(kinds, has["worker_counts"], strict=True))
    storage = NodeStorage.parse(str(has["node_storage_gb"]), kinds)
    return {tags.WORKERS: worker_tags.keyed(counts), tags.NODE_STORAGE: str(storage)}


def _scaling(has: dict[str, Any]) -> dict[str, str]:
    """Return the tags as role ec2_network writes them from the variables."""
    said = {tags.DEFAULT_PREEMPTIBLE: "yes" if has["default_preemptible"] else "no"}
    if not has.get("limits"):
        return said
    return said | {tags.LIMITS: ",".join(has["limits"]), tags.AUTOSCALER: has["tuning"]}
