"""Whatever goes wrong, and wherever power is lost: afterwards there are exactly the nodes that are needed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.autoscaler.machine import LEAST, MOST, ON_DEMAND, SPOT, Machine
from tests.unit.roles.conftest import ROLES, load, shared
from toilctl.autoscaler.service.guard import alone
from toilctl.local.process import testing
from toilctl.system import aws
from toilctl.values.errors import ConflictError
from toilctl.values.node_types import NodeType

Start = Callable[[], Any]
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("insufficient-capacity", {"instance_type": "c5.large", "zone": "us-west-2a"}),
    ("insufficient-capacity", {"market": "spot", "count": 1}),
    ("insufficient-capacity", {"market": "on-demand"}),
    ("throttle", {"action": "ec2:CreateFleet", "count": 2}),
    ("throttle", {"action": "ec2:CreateTags", "count": 1}),
    ("throttle", {"action": "ec2:TerminateInstances", "count": 1}),
    ("throttle", {"action": "ec2:DescribeInstances", "count": 2}),
    ("vcpu-quota", {"vcpus": 4}),
    ("api-lag", {"seconds": 5}),
    ("boot-delay", {"seconds": 40}),
    ("never-boot", {"count": 2}),
]

STEPS = st.one_of(
    st.tuples(st.just("submit"), st.integers(1, 6), st.booleans()),
    st.tuples(st.just("finish"), st.integers(1, 8)),
    st.tuples(st.just("tick"), st.sampled_from([0, 1, 12, 30])),
    st.tuples(st.just("tick"), st.sampled_from([130, 400])),
    st.tuples(st.just("play")),
    st.just(("tick", 30)),
    st.tuples(st.just("crash"), st.integers(1, 9), st.booleans()),
    st.tuples(st.just("kill"), st.booleans()),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("mend")),
    st.tuples(st.just("silence"), st.booleans()),
    st.tuples(st.just("interrupt"), st.integers(0, 6)),
    st.tuples(st.just("second")),
)


@pytest.fixture(scope="module")
def start() -> Start:
    """Start a machine in a cloud of its own for the length of a ``with`` block."""
    utils = shared("toilctl_aws")
    modules = {path.stem: load(f"crash_{path.stem}", path) for path in ROLES.glob("ec2_*/library/ec2_*.py")}

    @contextmanager
    def run() -> Iterator[Machine]:
        with testing.cloud() as cloud, tempfile.TemporaryDirectory() as path, pytest.MonkeyPatch.context() as patch:
            now = cloud.cloud.clock.now
            clock = SimpleNamespace(time=now, monotonic=now, sleep=cloud.advance)
            patch.setattr(modules["ec2_fleet"], "time", clock)
            patch.setattr(utils, "time", clock)
            patch.setattr(aws, "client", cache(lambda service, *_, **__: cloud.client(service)))
            machine = Machine(cloud, modules, utils, Path(path))
            try:
                yield machine
            finally:
                machine.close()

    return run


def take(machine: Machine, step: tuple[Any, ...]) -> None:
    match step:
        case "submit", count, preemptible:
            machine.engine.submit(count, preemptible=preemptible)
        case "finish", count:
            machine.engine.finish(count)
        case "tick", seconds:
            machine.tick(seconds)
        case ("play",):
            machine.play()
        case "crash", call, processed:
            machine.client.crash_at(call, processed=processed)
        case "kill", lose_disk:
            machine.kill(lose_disk=lose_disk)
        case "fault", (name, where):
            machine.cloud.faults.set(name, **where)
        case ("mend",):
            mend(machine)
        case "silence", silent:
            machine.engine.silent = silent
        case "interrupt", number:
            machine.interrupt(number)
        case ("second",):
            with pytest.raises(ConflictError), alone(machine.path / "state"):
                pass


def mend(machine: Machine) -> None:
    machine.cloud.faults.clear()
    machine.cloud.faults.set("profile-delay", seconds=0)


def settle(machine: Machine) -> None:
    """Let a healthy world run until nothing changes any more."""
    mend(machine)
    machine.engine.silent, machine.client.calls_left, quiet = False, None, 0
    for _ in range(150):
        report = machine.tick(75)
        machine.play()
        done = report is not None and not (report.actions or report.under_way or report.results or report.problem)
        # A refusal, a back-off or an idle node's time may still be running.
        done = done and not (_unserved(machine) or _spare(machine))
        quiet = quiet + 1 if done else 0
        if quiet == 3:
            return
    pytest.fail(f"It never comes to rest: {report}")


def counts(machine: Machine) -> dict[NodeType, int]:
    found = Counter(NodeType.parse(tags["toilctl:node-type"]) for tags in machine.instances().values())
    return {one: found[one] for one in LEAST}


def _spare(machine: Machine) -> list[NodeType]:
    """Return the node types of which a node is idle that the minimum does not ask for."""
    kinds = {known: kind for known, kind in machine.engine.joined.items() if known in machine.alive()}
    idle = {kind for known, kind in kinds.items() if not machine.engine.running(known)}
    return [kind for kind in idle if counts(machine)[kind] > LEAST[kind]]


def _unserved(machine: Machine) -> list[str]:
    """Return the jobs that wait though a node for them may be launched."""
    full = {kind for kind, count in counts(machine).items() if count >= MOST[kind]}
    jobs = machine.engine.jobs
    return [job for job in jobs.keys() - machine.engine.places.keys() if (SPOT if jobs[job] else ON_DEMAND) not in full]


def check(machine: Machine) -> None:
    """Each node that costs money is the cluster's, works, and is needed; each job runs, or the maximum is reached."""
    instances, engine = machine.instances(), machine.engine
    for tags in instances.values():
        assert (tags["toilctl:cluster"], tags["toilctl:role"]) == ("my", "worker")
        assert tags["toilctl:intent"].startswith("auto-")
    assert engine.joined.keys() & machine.alive() == instances.keys()
    assert not engine.draining & machine.alive()
    assert all(LEAST[one] <= count <= MOST[one] for one, count in counts(machine).items())
    assert not _spare(machine)
    assert not _unserved(machine)
    assert machine.lost_jobs == [], "a scale-in ended a running job"


@settings(max_examples=examples(20), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=6, max_size=25))
def test_after_any_mishaps_there_are_exactly_the_nodes_that_are_needed(start: Start, steps: list[Any]) -> None:
    with start() as machine:
        for step in steps:
            take(machine, step)
        settle(machine)
        check(machine)
        machine.engine.finish(1000)
        machine.engine.jobs.clear()
        machine.engine.places.clear()
        settle(machine)
        check(machine)
        assert counts(machine) == LEAST


@pytest.mark.parametrize("processed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3, 4, 5, 7])
def test_power_that_is_lost_at_any_call_of_a_launch_launches_nothing_twice(
    start: Start, call: int, processed: bool
) -> None:
    with start() as machine:
        machine.cloud.faults.set("api-lag", seconds=5)
        machine.engine.submit(5, preemptible=True)
        machine.tick(0)
        machine.client.crash_at(call, processed=processed)
        machine.play()
        for _ in range(30):
            machine.tick(2)
            machine.play()
        # Two jobs run on the node of the minimum.
        assert counts(machine) == {SPOT: 2, ON_DEMAND: 1}
        assert machine.launched_ever() == 3
        assert machine.engine.joined.keys() == machine.alive()


@pytest.mark.parametrize("processed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, 4))
def test_power_that_is_lost_at_any_call_of_a_scale_in_loses_no_job_and_leaves_no_node(
    start: Start, call: int, processed: bool
) -> None:
    with start() as machine:
        machine.engine.submit(4, preemptible=True)
        settle(machine)
        machine.engine.finish(4)
        machine.tick(1)
        machine.tick(130)
        assert machine.pending, "a scale-in has begun"
        machine.engine.submit(1, preemptible=True)
        machine.client.crash_at(call, processed=processed)
        machine.engine.step()
        machine.play()
        settle(machine)
        check(machine)
