"""Playbooks as ops run them, on real hosts: a site's settings reach all nodes, and nobody's work ends by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.world import KEY_PAIR, REGION, SOON_S, ZONE, Finished, World, wait_for

pytestmark = pytest.mark.e2e

CLUSTER = "by-hand"
LAUNCH = {
    "zones": [ZONE], "key_pair_name": KEY_PAIR, "leader_node_type": "t2.medium", "node_types": ["t2.micro"],
    "worker_counts": [1], "limits": ["t2.micro=1..2"], "idle_timeout_s": 3600, "engine": "slurm",
}  # fmt: skip
SITE = {"docker_daemon_options": {"labels": ["of=the-site"]}, "ec2_nodes_public_address": False}
GATE = "/tmp/gate"


@dataclass(frozen=True)
class Ops:
    """Somebody with ansible-playbook, a rehearsal cloud and a cluster."""

    world: World

    def play(self, playbook: str, *, check: bool = True, intent: str = "", **variables: Any) -> Finished:
        script = f"""
            eval "$(toilctl local env)"
            export TOILCTL_CLUSTER={CLUSTER} TOILCTL_REGION={REGION} TOILCTL_INTENT={intent}
            cd "$(toilctl ansible-dir)"
            ansible-playbook -i inventory playbooks/{playbook}.yml --private-key ~/.ssh/{KEY_PAIR} -e "$1"
        """
        return self.world.run("bash", "-euc", script, "play", json.dumps(variables), check=check)

    def on_host(self, node: str, *words: str) -> str:
        return self.world.toilctl("ssh-cluster", "--host", "--node", node, CLUSTER, "sudo", *words).stdout.strip()

    def on_leader(self, *words: str) -> str:
        return self.world.on_leader(CLUSTER, *words).strip()

    def sbatch(self, *words: str) -> str:
        until = f"while [ ! -e {GATE} ]; do sleep 1; done"
        return self.on_leader("sbatch", "--parsable", "-o", "/dev/null", *words, "--wrap", until)

    def running(self) -> set[str]:
        return set(self.on_leader("squeue", "-h", "-t", "R", "-o", "%i").split())

    def container(self, node: str) -> str:
        role = "worker" if node in self.world.workers(CLUSTER) else "leader"
        return self.on_host(node, "docker", "inspect", "-f", "{{.Id}}", f"toil_{role}")

    def docker_options(self, node: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.on_host(node, "cat", "/etc/docker/daemon.json"))
        return found

    @property
    def leader(self) -> str:
        nodes = self.world.data("describe-cluster", CLUSTER)["nodes"]
        (leader,) = [one["instance_id"] for one in nodes if one["role"] == "leader"]
        return str(leader)


def said(done: Finished) -> str:
    return " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def ops(world: World) -> Iterator[Ops]:
    ops = Ops(world)
    ops.play("launch", **LAUNCH, **SITE)
    yield ops
    world.toilctl("destroy-cluster", CLUSTER, check=False)


def test_site_settings_reach_the_nodes_and_their_docker_runs_with_them(ops: Ops) -> None:
    (worker,) = ops.world.workers(CLUSTER)
    for node in (ops.leader, worker):
        assert ops.docker_options(node)["labels"] == ["of=the-site"]
        assert "of=the-site" in ops.on_host(node, "docker", "info", "-f", "{{.Labels}}")
        assert ops.docker_options(node)["live-restore"] is True
    assert [one.get("PublicIpAddress") for one in ops.world.instances(CLUSTER)] == [None, None]
    # Without a word of the site, nothing changes.
    recap = ops.play("configure").stdout.partition("PLAY RECAP")[2]
    assert "changed=1" not in recap


def test_running_job_outlives_a_configuration_with_other_settings_which_waits(ops: Ops) -> None:
    (worker,) = ops.world.workers(CLUSTER)
    job, before = ops.sbatch("-w", worker), ops.container(worker)
    wait_for(lambda: job in ops.running(), SOON_S, "the job")
    changed = {"docker_daemon_options": {"labels": ["of=others"]}, "appliance_environment": {"OF": "others"}}
    done = ops.play("configure", check=False, **changed)
    assert done.returncode == 2
    waits = (
        f"1 node is busy, so these changes wait: {worker} (a job of Slurm): the configuration of Docker, the container"
    )
    assert waits in said(done)
    assert "-e configure_busy=true" in said(done)
    assert job in ops.running()
    assert ops.container(worker) == before
    assert ops.docker_options(worker)["labels"] == ["of=the-site"]
    # Nothing works on the leader itself: it has what is new already.
    assert ops.docker_options(ops.leader)["labels"] == ["of=others"]
    assert ops.on_leader("sh", "-c", "echo $OF") == "others"


def test_autoscalers_worker_has_the_settings_of_the_site(ops: Ops) -> None:
    """The first worker is busy; a job that waits brings a second one."""
    before = ops.world.workers(CLUSTER)
    job = ops.sbatch("--exclusive")
    wait_for(lambda: job in ops.running(), 2 * SOON_S, "a second worker with the job")
    (new,) = ops.world.workers(CLUSTER) - before
    assert ops.docker_options(new)["labels"] == ["of=others"]
    (instance,) = [one for one in ops.world.instances(CLUSTER) if one["InstanceId"] == new]
    assert "PublicIpAddress" not in instance


def test_what_waited_is_done_once_the_jobs_have_ended(ops: Ops) -> None:
    for worker in ops.world.workers(CLUSTER):
        ops.world.toilctl("ssh-cluster", "--node", worker, CLUSTER, "touch", GATE)
    wait_for(lambda: not ops.running(), SOON_S, "the jobs' end")
    ops.play("configure")
    for worker in ops.world.workers(CLUSTER):
        assert ops.docker_options(worker)["labels"] == ["of=others"]
        environment = ops.on_host(worker, "docker", "inspect", "-f", "{{.Config.Env}}", "toil_worker")
        assert "OF=others" in environment


def test_scale_in_of_the_leader_is_refused(ops: Ops) -> None:
    leader, before = ops.leader, len(ops.world.instances(CLUSTER))
    done = ops.play("scale_in", check=False, instance_ids=[leader])
    assert done.returncode == 2
    assert f"Not a worker of cluster {CLUSTER}: {leader}." in said(done)
    assert ops.on_leader("sinfo", "-h", "-N", "-o", "%T").find("drain") == -1
    assert len(ops.world.instances(CLUSTER)) == before


def test_leader_with_another_host_key_is_spoken_to_by_no_playbook(ops: Ops) -> None:
    leader, worker = ops.leader, min(ops.world.workers(CLUSTER))
    known = ops.world.home / f"state/toilctl/clusters/{REGION}/{CLUSTER}/known_hosts"
    right = known.read_text()
    ours = ops.world.key.with_suffix(".pub").read_text().split()[:2]
    known.write_text(
        "".join(line + "\n" for line in right.splitlines() if not line.startswith(leader))
        + f"{leader} {' '.join(ours)}\n"
    )
    before = len(ops.world.instances(CLUSTER))
    # A connection that is open still has seen the right key.
    for socket in (ops.world.home / ".ansible/cp").glob("*"):
        ops.world.run("ssh", "-o", f"ControlPath={socket}", "-O", "exit", "leader", check=False)
    try:
        for playbook, variables in {
            "launch": LAUNCH, "configure": {}, "scale_out": {"launches": [{"node_type": "t2.micro", "count": 1}]},
            "scale_in": {"instance_ids": [worker]}, "autoscale": {}, "deployments": {},
            "sync": {"workflow_sync_source": "/etc/hostname", "workflow_sync_target": "/tmp/x"},
        }.items():  # fmt: skip
            done = ops.play(playbook, check=False, intent="more-1" if playbook == "scale_out" else "", **variables)
            assert done.returncode != 0, playbook
            assert f"The host key of {leader} is not the one recorded at the first contact" in said(done), playbook
        assert len(ops.world.instances(CLUSTER)) == before
        refused = ops.world.toilctl("autoscale", CLUSTER, "pause", check=False)
        assert refused.returncode == 13, refused.stderr
    finally:
        known.write_text(right)
