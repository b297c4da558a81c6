"""The provisioner ``local``: what it takes to point everything else at the rehearsal cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from toilctl.local import state
from toilctl.local.state import LocalState
from toilctl.system import leaders
from toilctl.system.ansible_environment import OLD_AWS_NAMES

MISLEADING: Final = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_REGION", *OLD_AWS_NAMES,
)  # fmt: skip
"""Variables that would lead an AWS client past the rehearsal cloud, or there with other credentials."""


@dataclass(frozen=True)
class LocalContext:
    """What the rehearsal cloud wants otherwise than AWS."""

    extra_variables: Mapping[str, Any]
    appliance_image: str
    engines: tuple[str, ...]


def activate() -> LocalContext:
    """Point this process, and those it starts, at the running rehearsal cloud.

    :raises HostError: when none is running.
    """
    running = state.load()
    redirect(os.environ, running)
    os.environ[leaders.REHEARSED] = "yes"
    return context(running)


def redirect(environment: MutableMapping[str, str], running: LocalState) -> None:
    """Change an environment so that AWS clients speak to this cloud and to nothing else."""
    for name in misleading(environment):
        del environment[name]
    environment.update(running.env)
    # A proxy knows nothing of addresses that exist on this machine only.
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in environment.get(name, "").split(",") if host]
        own = urlsplit(running.endpoint).hostname or ""
        environment[name] = ",".join([*hosts, own] if own not in hosts else hosts)


def misleading(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables that must go."""
    for name in list(environment):
        if name in MISLEADING or name.startswith("AWS_ENDPOINT_URL_"):
            yield name


def context(running: LocalState) -> LocalContext:
    """Return what this cloud wants otherwise than AWS."""
    return LocalContext(
        extra_variables={
            "docker_insecure_registries": [running.registry],
            # Hosts share this machine's processors and memory, and count as their instance types all the same.
            "engine_capacity_forced": True,
            "aws_endpoint_url": running.endpoint,
        },
        appliance_image=running.appliance_image,
        engines=running.engines,
    )
