"""A cluster in one process: the roles' own modules on the in-process cloud, an engine of values, and time that is told.

Only Ansible and the hosts are left out. What AWS is asked can be cut short at any call, as by a loss of power.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import yaml

from tests.unit.autoscaler.builders import tuning
from toilctl.autoscaler.execute.playbooks import launch_answer
from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.journal.writer import Journal
from toilctl.autoscaler.model.plan import ScaleOut
from toilctl.autoscaler.model.playbook_events import Ended, LaunchingOver, Tell
from toilctl.autoscaler.model.settings import SettingsFile
from toilctl.autoscaler.service.guard import alone
from toilctl.autoscaler.service.loop import Autoscaler, Reach
from toilctl.engines.client import EngineNode, unknown_node
from toilctl.local.process.testing import TestCloud
from toilctl.values.capacity import Resources
from toilctl.values.cluster import Node, NodeState
from toilctl.values.errors import EngineError
from toilctl.values.jobs import Demand, Job, Shape
from toilctl.values.node_types import NodeType

SPOT, ON_DEMAND = NodeType.parse("c5.large/m5.large:0.05"), NodeType.parse("r5.large")
LEAST, MOST = {SPOT: 0, ON_DEMAND: 1}, {SPOT: 4, ON_DEMAND: 3}
ZONES = ("us-west-2a", "us-west-2b")
CORES = 2
SETTINGS: dict[str, Any] = {
    "cluster_name": "my", "region": "us-west-2", "engine": "slurm", "leader_address": "10.0.0.1",
    "node_types": [str(SPOT), str(ON_DEMAND)], "limits": [f"{one}={LEAST[one]}..{MOST[one]}" for one in LEAST],
    "zones": list(ZONES), "node_storage_gb": 50, "tuning": str(tuning(idle_timeout_s=120, join_deadline_s=300)),
    "boot_timeout_s": 60,
}  # fmt: skip


class Crash(BaseException):
    """The leader loses power; no handler runs."""


class Client:
    """An EC2 client of a machine that may lose power before or after a call has its effect."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls_left: int | None = None
        self.processed = False

    def crash_at(self, call: int, *, processed: bool) -> None:
        self.calls_left, self.processed = call, processed

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name == "get_paginator":
            return lambda operation: SimpleNamespace(paginate=partial(self._page, operation))
        return (lambda **asked: self._call(real, asked)) if callable(real) and name != "meta" else real

    def _page(self, operation: str, PaginationConfig: Mapping[str, Any], **asked: Any) -> list[Any]:
        """Return the one page that there is."""
        return [getattr(self, operation)(**asked, MaxResults=PaginationConfig["PageSize"])]

    def _call(self, real: Callable[..., Any], asked: Mapping[str, Any]) -> Any:
        if self.calls_left is not None:
            self.calls_left -= 1
        if self.calls_left == 0:
            self.calls_left = None
            if self.processed:
                real(**asked)
            raise Crash
        return real(**asked)


class Engine:
    """Nodes that joined, and jobs of one core each."""

    def __init__(self, alive: Callable[[], set[str]]) -> None:
        self._alive = alive
        self.joined: dict[str, NodeType] = {}
        self.draining: set[str] = set()
        self.jobs: dict[str, bool] = {}
        """Whether each may be interrupted."""
        self.places: dict[str, str] = {}
        self.silent = False
        self.numbers = 0

    def nodes(self) -> tuple[EngineNode, ...]:
        self._check()
        return tuple(self._node(one) for one in sorted(self.joined))

    def demand(self) -> Demand:
        self._check()
        shapes = {one: Shape(1, 500, 1000, preemptible) for one, preemptible in self.jobs.items()}
        return Demand(tuple(Job(one, "sort", shape, self.places.get(one)) for one, shape in sorted(shapes.items())))

    def cordon(self, name: str) -> None:
        raise NotImplementedError

    def drain(self, name: str) -> None:
        self._known(name)
        self.draining.add(name)

    def evacuate(self, node: EngineNode) -> None:
        raise AssertionError(node)

    def lost(self, node: EngineNode) -> None:
        """Do nothing: here, nodes that are gone are not listed."""

    def uncordon(self, name: str) -> None:
        self._known(name)
        self.draining.discard(name)

    def submit(self, count: int, *, preemptible: bool) -> None:
        for _ in range(count):
            self.numbers += 1
            self.jobs[f"{self.numbers:04}"] = preemptible

    def finish(self, count: int) -> None:
        for job in sorted(self.places)[:count]:
            del self.jobs[job], self.places[job]

    def step(self) -> None:
        """Take jobs back from dead nodes, and give waiting ones to nodes with a free core."""
        takers = self._alive() & self.joined.keys()
        self.places = {job: node for job, node in self.places.items() if node in takers}
        for job in sorted(self.jobs.keys() - self.places.keys()):
            free = [one for one in sorted(takers - self.draining) if self._takes(one, job)]
            if free:
                self.places[job] = free[0]

    def running(self, node: str) -> tuple[str, ...]:
        return tuple(sorted(job for job, place in self.places.items() if place == node))

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self.joined.pop(name, None)
            self.draining.discard(name)

    def _takes(self, node: str, job: str) -> bool:
        return len(self.running(node)) < CORES and (self.jobs[job] or not self.joined[node].preemptible)

    def _node(self, name: str) -> EngineNode:
        state = NodeState.DRAINING if name in self.draining else NodeState.JOINED
        state = state if name in self._alive() else NodeState.DOWN
        return EngineNode(name, name, None, state, self.running(name), Resources(CORES, 2600, 40000))

    def _known(self, name: str) -> None:
        self._check()
        if name not in self.joined:
            raise unknown_node(name)

    def _check(self) -> None:
        if self.silent:
            raise EngineError("Slurm does not answer.")


class Machine:
    """The leader, its cluster, and an autoscaler that can be killed."""

    def __init__(self, cloud: TestCloud, modules: Mapping[str, ModuleType], utils: ModuleType, path: Path) -> None:
        self.cloud, self.modules, self.utils, self.path = cloud, modules, utils, path
        self.ec2 = cloud.client("ec2")
        self.client = Client(self.ec2)
        self.engine = Engine(self.alive)
        self.pending: list[Callable[[], None]] = []
        self.lost_jobs: list[str] = []
        self._held = contextlib.ExitStack()
        cloud.faults.set("profile-delay", seconds=0)
        self.ec2.create_key_pair(KeyName="k")
        usual = {"cluster": "my", "region": "us-west-2", "subnet_id": "", "tags": {}, "fixed_tags": [], "ssh_cidrs": []}
        self.group = modules["ec2_cluster_group"].present(self.ec2, {**usual, "timeout_s": 60})
        self.subnets = {
            subnet["SubnetId"]: subnet["AvailabilityZone"]
            for subnet in self.ec2.describe_subnets()["Subnets"]
            if subnet["AvailabilityZone"] in ZONES
        }
        (path / "cluster.yml").write_text(yaml.safe_dump(SETTINGS))
        self.start()

    # The autoscaler's process.

    def start(self) -> None:
        """Start the process: it has the lock, what is on disk, and nothing else."""
        self._held.enter_context(alone(self.path / "state"))
        reach = Reach(lambda _: self, lambda _: self.engine, self.now, self.pending.append)
        file = SettingsFile(self.path / "cluster.yml")
        self.autoscaler = Autoscaler(file, Journal(self.path / "state", io.StringIO()), reach)

    def kill(self, *, lose_disk: bool = False) -> None:
        """Kill the process and what it started, and start it again."""
        self.client.calls_left = None
        self.pending.clear()
        self._held.close()
        self.cloud.advance(1)
        if lose_disk:
            # That takes longer than EC2's listing lags.
            shutil.rmtree(self.path / "state")
            self.cloud.advance(10)
        self.start()

    def tick(self, seconds: float) -> TickReport | None:
        """Let time pass, and tick; None when power was lost."""
        self.cloud.advance(seconds)
        self.engine.step()
        return self._powered(self.autoscaler.tick)

    def play(self) -> None:
        """Let the playbooks that were begun run to their end."""
        while self.pending:
            self._powered(self.pending.pop(0))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.cloud.cloud.clock.now(), UTC)

    def close(self) -> None:
        self._held.close()

    # What EC2 has, looked at from outside.

    def alive(self) -> set[str]:
        return {one.instance.id for one in self._lives()}

    def instances(self) -> dict[str, Mapping[str, str]]:
        """Return all instances that cost money, and their tags."""
        backend = self.cloud.cloud.ec2("us-west-2")
        return {one.instance.id: dict(backend.tags.get(one.instance.id, {})) for one in self._lives()}

    def launched_ever(self) -> int:
        return len(list(self.cloud.cloud.lifetimes.lives()))

    def interrupt(self, number: int) -> None:
        """Let EC2 take an instance away."""
        ids = sorted(self.alive())
        if ids:
            self.ec2.terminate_instances(InstanceIds=[ids[number % len(ids)]])
            self.engine.step()

    # Actions: what the playbooks do, by the modules that they use.

    def scale_out(self, intent: str, launches: Sequence[ScaleOut], tell: Tell) -> Ended:
        ok, launched = True, set[str]()
        for one in launches:
            options = self._options(one, intent)
            result = self._module(lambda options=options: self.modules["ec2_fleet"].ensure(self.client, options))
            answer = launch_answer(intent, {**result, "invocation": {"module_args": options}})
            assert answer is not None
            tell(answer)
            ok, launched = ok and "toilctl_error" not in result, launched | set(answer.launched or ())
        tell(LaunchingOver(intent))
        self._set_up(intent, launched)
        return Ended(intent, ok, "")

    def scale_in(self, run: str, nodes: Mapping[str, Node], *, force: bool) -> Ended:
        # A node that the engine does not know cannot be drained, and has no job.
        for one in nodes.keys() & self.engine.joined.keys():
            self.engine.drain(one)
        drained = sorted(one for one in nodes if force or not self.engine.running(one))
        self.lost_jobs += [job for one in drained if one in self.alive() for job in self.engine.running(one)]
        options = {"cluster": "my", "instance_ids": drained, "wait": False, "timeout_s": 0}
        result = self._module(lambda: self.modules["ec2_terminate"].terminate(self.client, options))
        self.engine.remove(result.get("terminated", []))
        return Ended(run, "toilctl_error" not in result, "", terminated=frozenset(result.get("terminated", [])))

    def save_console(self, instance_id: str) -> None:
        """There is none."""

    def _set_up(self, intent: str, launched: set[str]) -> None:
        """Wait until what was launched runs, as long as hosts may boot, and make nodes of all that the intent has."""
        for _ in range(20):
            running = self._running(intent)
            if launched <= running.keys():
                break
            self.cloud.advance(3)
        for instance_id, kind in running.items():
            life = self.cloud.cloud.lifetimes.find(instance_id)
            if life and not life.never_boots:
                self.engine.joined[instance_id] = kind

    def _running(self, intent: str) -> dict[str, NodeType]:
        wanted = [{"Name": "tag:toilctl:intent", "Values": [intent]}]
        found = self.client.describe_instances(Filters=wanted)["Reservations"]
        return {
            instance["InstanceId"]: NodeType.parse(
                next(tag["Value"] for tag in instance["Tags"] if tag["Key"] == "toilctl:node-type")
            )
            for reservation in found
            for instance in reservation["Instances"]
            if instance["State"]["Name"] == "running"
        }

    def _module(self, work: Callable[[], Any]) -> dict[str, Any]:
        """Run a module as Ansible would, and return its result."""
        results: list[dict[str, Any]] = []
        module = SimpleNamespace(
            exit_json=lambda **found: results.append(found),
            fail_json=lambda **found: results.append({"failed": True, **found}),
        )
        self.utils.run(module, work)
        return results[0]

    def _options(self, launch: ScaleOut, intent: str) -> dict[str, Any]:
        kind = launch.node_type
        return {
            "cluster": "my", "generation": self.group["generation"], "region": "us-west-2",
            "security_group_id": self.group["group_id"], "role": "worker", "node_type": str(kind),
            "instance_types": list(kind.instance_types), "spot_bid": kind.spot_bid, "subnet_ids": sorted(self.subnets),
            "zones": self.subnets, "launch_template": self._template(kind), "count": launch.count, "count_by": "intent",
            "intent": intent, "tags": {}, "settle_timeout_s": 0,
            "without": [{"instance_type": one.instance_type, "zone": one.zone} for one in launch.without],
        }  # fmt: skip

    def _template(self, kind: NodeType) -> Any:
        parameter = "/aws/service/debian/release/12/latest/amd64"
        image = self.cloud.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
        interface = {"DeviceIndex": 0, "Groups": [self.group["group_id"]]}
        data = {"ImageId": image, "KeyName": "k", "NetworkInterfaces": [interface]}
        tags = {"toilctl:cluster": "my", "toilctl:role": "worker"}
        return self.modules["ec2_node_template"].ensure(self.ec2, f"toilctl-my-worker-{kind.slug}", data, tags)

    def _lives(self) -> Iterator[Any]:
        return (one for one in self.cloud.cloud.lifetimes.lives() if one.instance.state in ("pending", "running"))

    def _powered(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Crash:
            self.kill()
            return None
