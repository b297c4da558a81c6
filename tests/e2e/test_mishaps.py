"""Clusters to which something happens, and their neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.world import KEY_PAIR, SOON_S, ZONE, World, interrupt, wait_for

pytestmark = pytest.mark.e2e

ACCESS = ("-z", ZONE, "--key-pair-name", KEY_PAIR)
PARTIAL, STOPPED = 6, 130


@pytest.fixture(scope="module")
def neighbour(world: World) -> Iterator[str]:
    """A small cluster whose name begins as another's."""
    name = "my-neighbour"
    world.toilctl("launch-cluster", name, *ACCESS, "--node-type", "t2.micro", "-w", "1")
    yield name
    world.toilctl("destroy-cluster", name)


def test_worker_that_never_boots_is_reported_and_the_others_work(world: World, neighbour: str) -> None:
    world.toilctl("local", "fault", "never-boot", "instance_type=t2.small", "count=1")
    launch = ("launch-cluster", "my", *ACCESS, "--leader-node-type", "t2.micro", "--node-types", "t2.small", "-w", "2")
    # Within this time the others boot on a slow machine, too.
    launched = world.toilctl(*launch, check=False, env={"TOILCTL_BOOT_TIMEOUT_S": "120"})
    assert launched.returncode == PARTIAL, launched.stderr
    workers = world.workers("my")
    joined = set(world.on_leader("my", "sinfo", "-h", "-N", "-o", "%N").split())
    assert len(joined) == 1
    (dead,) = workers - joined
    assert dead in launched.stderr
    world.on_leader("my", "sbatch", "--wait", "-o", "/dev/null", "--wrap", "true")


def test_destruction_spares_a_cluster_whose_name_begins_alike(world: World, neighbour: str) -> None:
    theirs = {one["InstanceId"] for one in world.instances(neighbour)}
    world.toilctl("destroy-cluster", "my")
    assert world.instances("my") == []
    assert {one["InstanceId"] for one in world.instances(neighbour)} == theirs
    assert world.hosts() == theirs
    world.on_leader(neighbour, "sbatch", "--wait", "-o", "/dev/null", "--wrap", "true")
    roles = {role["RoleName"] for role in world.client("iam").list_roles()["Roles"]}
    assert len([name for name in roles if name.startswith(f"toilctl-{neighbour}-")]) == 2


def test_interrupted_launch_run_again_gives_exactly_what_was_asked(world: World, neighbour: str) -> None:
    before = world.everything()
    launch = ("launch-cluster", "cut", *ACCESS, "--node-type", "t2.micro", "-w", "2")
    first = world.start(*launch)
    wait_for(lambda: world.instances("cut"), SOON_S, "first instance")
    code, said = interrupt(first)
    assert code == STOPPED, said
    assert "destroy-cluster" in said or "same command" in said
    world.toilctl(*launch)
    ours = {one["InstanceId"] for one in world.instances("cut")}
    assert len(ours) == 3
    assert len(world.workers("cut")) == 2
    # Nothing untracked either.
    assert world.everything()["instances"] - before["instances"] == ours
    assert world.hosts() - before["hosts"] == ours
    world.toilctl("destroy-cluster", "cut")
    assert world.everything() == before
