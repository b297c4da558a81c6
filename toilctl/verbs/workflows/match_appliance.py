"""deploy --match-appliance: an idle cluster's containers from another image, for a workflow that needs its Toil."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toilctl.system import aws, image_registry, playbooks, progress
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Engine
from toilctl.values.errors import ConflictError
from toilctl.verbs.checks import key_pairs, zones_and_images
from toilctl.verbs.clusters import nodes, scale
from toilctl.verbs.connect import ask_leader
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.workflows import deploy
from toilctl.workflows.runs import Run


@dataclass(frozen=True)
class Matched:
    """What a cluster's nodes run from now on."""

    cluster: str
    before: str
    after: str


def match(cluster: Cluster, image: str, ssh_key: Path | None, provisioner: Provisioner) -> Matched:
    """Replace the containers of all nodes by those of another image; nodes to come have it, too.

    :param image: a container image's name; it is checked as at a launch. Of Toil's tags, the form that is published
        is taken.
    :raises ConflictError: when the cluster is not idle, or is being destroyed.
    :raises ToilctlError: when the image lacks the engine or cannot be had, or a node cannot be set up; the same again
        goes on from there.
    """
    scale.check_usable(cluster)
    private_key = key_pairs.of_cluster(cluster, ssh_key)
    _check_idle(cluster, private_key.path)
    insecure = tuple(provisioner.extra_variables.get("docker_insecure_registries", ()))
    with progress.step(f"Check {image}"):
        machine = zones_and_images.image(cluster.region, cluster.settings.get(tags.AMI) or None)
        engine = Engine(cluster.settings.get(tags.ENGINE, Engine.MESOS))
        image = image_registry.find(image, engine, machine.architecture, insecure)
    live = [node.instance_id for node in cluster.nodes if node.live]
    aws.client("ec2", cluster.region).create_tags(
        Resources=[cluster.security_group_id, *live], Tags=tags.to_list({tags.APPLIANCE: image})
    )
    common = {**provisioner.extra_variables, **scale.cluster_variables(cluster, private_key)}
    target = playbooks.PlaybookTarget(cluster.region, cluster.name)
    playbooks.raise_failure(playbooks.run("configure.yml", target, common))
    return Matched(cluster.name, cluster.settings.get(tags.APPLIANCE, ""), image)


def deploy_with(
    plan: deploy.DeploymentPlan, cluster: Cluster, image: str | None, ssh_key: Path | None, provisioner: Provisioner
) -> deploy.Deployed:
    """Deploy; where that needs another Toil, on the appliance that has it.

    :param image: that appliance; None takes Toil's own of the version, where the engine allows it.
    :raises ConflictError: when no such appliance is known, or the cluster is not idle.
    """
    try:
        return deploy.carry_out(plan, cluster, ssh_key, provisioner)
    except ConflictError as error:
        chosen = image or error.facts.get("appliance_image")
        if "toil_needed" not in error.facts or not chosen:
            raise
        progress.note(f"{error.message} The containers are replaced by those of {chosen}.")
    match(cluster, str(chosen), ssh_key, provisioner)
    return deploy.carry_out(plan, nodes.refreshed(cluster), ssh_key, provisioner)


def _check_idle(cluster: Cluster, ssh_key: Path | None) -> None:
    """Make sure that replacing containers costs nobody's work.

    :raises ConflictError: naming the runs, or the workers with jobs.
    """
    known = [Run.of(one) for one in ask_leader.ask(cluster, ssh_key, "runs.list", {})["runs"]]
    if going := [one.name for one in known if one.state.goes_on]:
        raise ConflictError(
            f"Cluster {cluster.name!r} is not idle: {', '.join(going)} still runs.",
            f"Let it end, or stop it: toilctl stop {cluster.name} {going[0]}", runs=going,
        )  # fmt: skip
    busy = [name for name, node in nodes.members(cluster, ssh_key).items() if node.running]
    if busy:
        raise ConflictError(
            f"Cluster {cluster.name!r} is not idle: jobs run on {', '.join(busy)}.",
            f"Let them end: toilctl describe-cluster {cluster.name}", busy=busy,
        )  # fmt: skip
