"""Where clusters are made: AWS, or the rehearsal cloud on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from toilctl.values.errors import NotYetError


class ProvisionerName(StrEnum):
    """What --provisioner takes."""

    AWS = "aws"
    LOCAL = "local"
    GCE = "gce"


@dataclass(frozen=True)
class Provisioner:
    """What a provisioner wants otherwise than AWS; nothing else of it is known anywhere."""

    name: ProvisionerName = ProvisionerName.AWS
    extra_variables: Mapping[str, Any] = field(default_factory=dict)
    appliance_image: str | None = None
    engines: tuple[str, ...] = ()
    """The engines that ``appliance_image`` has."""


def select(name: ProvisionerName) -> Provisioner:
    """Turn to a provisioner; for the rehearsal cloud, the environment then leads every AWS client there.

    :raises NotYetError: for one that toilctl does not have yet.
    :raises HostError: when the rehearsal cloud does not run.
    """
    if name is ProvisionerName.AWS:
        return Provisioner()
    if name is ProvisionerName.GCE:
        raise NotYetError("toilctl cannot make clusters on Google Cloud yet.", "Use --provisioner aws.")
    from toilctl.local.process import provisioner as rehearsal

    context = rehearsal.activate()
    return Provisioner(name, context.extra_variables, context.appliance_image, tuple(context.engines))
