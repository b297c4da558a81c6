"""A cluster on Debian's own image: Docker is installed at the first boot, the appliance pulled from a registry."""

from __future__ import annotations

import pytest

from tests.e2e.world import KEY_PAIR, ZONE, World

pytestmark = pytest.mark.e2e


def test_cluster_on_a_plain_image_runs_jobs(plain_world: World) -> None:
    world = plain_world
    launch = ("launch-cluster", "plain", "--node-type", "t2.micro", "-z", ZONE, "--key-pair-name", KEY_PAIR, "-w", "1")
    before = world.everything()
    world.toilctl(*launch)
    (worker,) = world.workers("plain")
    said = world.on_leader("plain", "sbatch", "--wait", "-o", "/dev/stdout", "--wrap", "true")
    assert said.startswith("Submitted")
    assert world.on_leader("plain", "sinfo", "-h", "-N", "-o", "%N").split() == [worker]
    image = world.toilctl("ssh-cluster", "--host", "plain", "sudo docker image ls --format '{{.Repository}}'").stdout
    assert image.split() == ["registry.toilctl.internal:5000/toilctl/appliance"]
    world.toilctl("destroy-cluster", "plain")
    assert world.everything() == before
