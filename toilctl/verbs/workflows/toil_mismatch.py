"""A workflow that needs another Toil than a cluster's appliance has: which, in which image, and how to get that."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from toilctl.values import tags, worker_tags
from toilctl.values.appliance import TOIL_NAME, TOIL_REGISTRY, ImageReference, ToilTag
from toilctl.values.cluster import Cluster, Engine
from toilctl.values.errors import ConflictError
from toilctl.workflows.projects import ToilWish

_INSTEAD: Final = "\nOr let this cluster, while it is idle, have that appliance: the same deploy with --match-appliance"


def check(cluster: Cluster, wishes: Iterable[ToilWish], toil: str, python: str) -> None:
    """Make sure that an appliance's Toil is one that a workflow may have.

    :param python: the appliance's version of Python, such as 3.11.2.
    :raises ConflictError: when it is not.
    """
    for wish in wishes:
        requirement = Requirement(wish.requirement)
        marker = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python, "extra": ""}
        if requirement.marker and not requirement.marker.evaluate(marker):
            continue
        if requirement.url or not requirement.specifier.contains(toil, prereleases=True):
            needed = requirement.url or exact(str(requirement.specifier))
            message = f"{wish.said_by} asks for {wish.requirement}, and the cluster's appliance has Toil {toil}."
            raise conflict(cluster, message, needed, toil, python)


def conflict(cluster: Cluster, message: str, needed: str, toil: str, python: str) -> ConflictError:
    """Return what to raise, with the appliance that has the Toil that is needed.

    :param needed: a version, or a specifier such as ``<9``.
    """
    engine = Engine(cluster.settings.get(tags.ENGINE, Engine.MESOS))
    image = image_with(cluster.settings.get(tags.APPLIANCE, ""), needed, python, engine)
    return ConflictError(
        message, _next_step(cluster, engine, image, needed), toil_needed=needed, toil=toil, appliance_image=image
    )


def exact(specifier: str) -> str:
    """Return the version of ``==8.0.0``; any other specifier as it is."""
    found = re.fullmatch(r"={2,3}\s*([\w.!+]+)", specifier)
    return found[1] if found else specifier


def image_with(image: str, needed: str, python: str, engine: Engine) -> str | None:
    """Return the image that has a version of Toil: beside the present one if that is Toil's kind, else Toil's own.

    None when no version is known, or nobody has made an image with Slurm.
    """
    try:
        version = Version(needed)
    except InvalidVersion:
        return None
    now = ImageReference.parse(image) if image else ImageReference(TOIL_REGISTRY, TOIL_NAME)
    tag = ToilTag.parse(now.tag)
    is_toils = tag is not None and tag.python is not None
    if engine is Engine.SLURM and not is_toils:
        return None
    name = f"{now.registry}/{now.repository}" if is_toils else f"{TOIL_REGISTRY}/{TOIL_NAME}"
    return f"{name}:{version}-py{'.'.join(python.split('.')[:2])}"


def _next_step(cluster: Cluster, engine: Engine, image: str | None, needed: str) -> str:
    chosen = image or "IMAGE"
    launch = f"toilctl launch-cluster OTHER-NAME {_options(cluster)} --engine {engine} --appliance {chosen}"
    if image:
        return f"Launch a cluster with an appliance that has it: {launch}{_INSTEAD}"
    version = exact(needed) if re.fullmatch(r"[\w.!+]+", needed) else "VERSION"
    fits = "" if version != "VERSION" else f" with a VERSION that fits {needed}"
    if engine is Engine.SLURM:
        build = f"toilctl appliance build --toil-version {version} --tag IMAGE --push"
        first = f"Build an appliance that has it{fits}, {build}, and launch a cluster with it: {launch}"
    else:
        first = f"Launch a cluster with an appliance of a VERSION that fits {needed}: {launch}"
    return f"{first}{_INSTEAD} --appliance IMAGE"


def _options(cluster: Cluster) -> str:
    leader, settings = cluster.leader, cluster.settings
    words = ["-z", leader.zone if leader else "ZONE", "--key-pair-name", settings.get(tags.KEY_PAIR_NAME) or "KEY"]
    words += ["--leader-node-type", settings.get(tags.LEADER_NODE_TYPE) or "TYPE"]
    if node_types := worker_tags.node_types(settings):
        words += ["--node-types", str(node_types)]
    return " ".join(words)
