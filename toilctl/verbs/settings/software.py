"""Which engine and which appliance a cluster gets, and by which rule."""

from __future__ import annotations

import os
from dataclasses import dataclass

from toilctl.system import variables
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Engine
from toilctl.values.errors import UsageError
from toilctl.verbs.provisioner import Provisioner, ProvisionerName


@dataclass(frozen=True)
class Software:
    """An engine, and the container image that has it."""

    engine: Engine
    appliance_image: str
    rule: str
    """What chose the image, in words that follow "by"."""
    note: str = ""
    """What a user may not expect of the choice."""


@dataclass(frozen=True)
class SoftwareWish:
    """What was asked for, and what the cluster has already when it is launched again."""

    engine: Engine | None = None
    appliance_image: str | None = None
    had: Software | None = None


def choose(wish: SoftwareWish, architecture: str, provisioner: Provisioner) -> Software:
    """Choose as Toil does, and make sure that the image has the engine and the nodes' architecture.

    A cluster keeps its image unless another is asked for: the rules' outcome may have moved on since it was launched.

    :raises ToilctlError: when the image lacks one of them.
    """
    rehearsal = provisioner.name is ProvisionerName.LOCAL
    named = wish.appliance_image or (None if rehearsal else os.environ.get("TOIL_APPLIANCE_SELF"))
    if wish.had and wish.engine in (None, wish.had.engine) and _keeps(named, wish.had.appliance_image):
        return wish.had
    if rehearsal and named is None and provisioner.appliance_image:
        return _rehearsed(wish.engine, provisioner)
    from toilctl.system import image_registry
    from toilctl.values import appliance as appliances

    default = variables.defaults()
    tag = image_registry.installed_toil_tag()
    chosen = appliances.choose(wish.appliance_image, os.environ, str(default["appliance_pinned"]), tag)
    engine = wish.engine or Engine(default["engine"])
    insecure = tuple(provisioner.extra_variables.get("docker_insecure_registries", ()))
    checked = image_registry.check if named else image_registry.find
    return Software(engine, checked(chosen.image, engine, architecture, insecure), chosen.rule)


def _keeps(named: str | None, had: str) -> bool:
    """Tell whether what is asked for is what the cluster has: its tag may stand for another image by now."""
    return named in (None, had, had.partition("@")[0])


def of_cluster(cluster: Cluster) -> Software | None:
    """Return what a cluster was launched with."""
    engine, image = cluster.settings.get(tags.ENGINE), cluster.settings.get(tags.APPLIANCE)
    return Software(Engine(engine), image, "the first launch") if engine and image else None


def _rehearsed(engine: Engine | None, provisioner: Provisioner) -> Software:
    """Take the rehearsal cloud's own appliance: made here, its engines are known."""
    default = Engine(variables.defaults()["engine"])
    image, engines = str(provisioner.appliance_image), provisioner.engines
    rule = "the rehearsal cloud"
    if engine is None and default not in engines:
        chosen = Engine(engines[0])
        note = f"The rehearsal cloud's appliance has no {default.title()}; the engine is {chosen.title()}."
        return Software(chosen, image, rule, note)
    engine = engine or default
    if engine not in engines:
        raise UsageError(
            f"The rehearsal cloud's appliance has no {engine.title()}; it has {', '.join(engines)}.",
            "Leave out --engine, or give it one that has it: toilctl appliance build --mesos-from IMAGE_OR_DIRECTORY, "
            "then toilctl local down and up.",
            engine=engine, appliance_image=image,
        )  # fmt: skip
    return Software(engine, image, rule)
