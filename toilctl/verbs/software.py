"""Which engine and which appliance a cluster gets, and by which rule."""

from __future__ import annotations

import os
from dataclasses import dataclass

from toilctl import variables
from toilctl.cluster import Engine
from toilctl.errors import UsageError
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


def choose(engine: Engine | None, appliance: str | None, architecture: str, provisioner: Provisioner) -> Software:
    """Choose as Toil does, and make sure that the image has the engine and the nodes' architecture.

    :raises ToilctlError: when it lacks one of them.
    """
    if provisioner.name is ProvisionerName.LOCAL and not appliance and provisioner.appliance_image:
        return _rehearsed(engine, provisioner)
    from toilctl import appliance as appliances
    from toilctl import registry

    default = variables.defaults()
    tag = registry.installed_toil_tag()
    chosen = appliances.choose(appliance, os.environ, str(default["appliance_image"]), tag)
    engine = engine or Engine(default["engine"])
    insecure = tuple(provisioner.extra_variables.get("docker_insecure_registries", ()))
    registry.check(chosen.image, engine, architecture, insecure)
    return Software(engine, chosen.image, chosen.rule)


def named_by_environment() -> str | None:
    """Return the image that TOIL_APPLIANCE_SELF names."""
    return os.environ.get("TOIL_APPLIANCE_SELF") or None


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
            f"Leave out --engine, or build one that has it: toilctl appliance build --engine {engine}",
            engine=engine, appliance_image=image,
        )  # fmt: skip
    return Software(engine, image, rule)
