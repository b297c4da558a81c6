"""Instances' hosts: Docker containers, kept as the cloud wants them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.host_spec import HostSpec
from toilctl.local.hosts import cloud_init, containers, docker_engine
from toilctl.local.hosts.networks import Networks, make_networks

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.networks import Network
    from docker.models.volumes import Volume

__all__ = ["Hosts", "make_networks", "remove_all"]

_log = logging.getLogger(__name__)

PARALLEL: Final = 4
STOP_TIMEOUT_S: Final = 20
CONSOLE_BYTES: Final = 64 * 1024
"""What GetConsoleOutput keeps."""

_EXITED = re.compile(r"Exited \((\d+)\)")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\([A-Z]|\x1b[=>]|\r")


class Step(StrEnum):
    """What brings a host nearer to what is wanted of it."""

    CREATE = "create"
    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    REMOVE = "remove"


@dataclass(frozen=True)
class Container:
    """A host's container as Docker lists it."""

    id: str
    instance_id: str
    state: str
    """created, running, exited, removing…"""
    exit_status: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Power:
    """What is remembered of a host between two looks: a host that nobody remembers is taken as it should be."""

    reboots: int
    off_by_order: bool = False
    """Whether it was wanted off, so that it must be started when it is wanted on again."""


@dataclass(frozen=True)
class Report:
    """What the cloud must know of hosts, by instance id."""

    powered_off: frozenset[str]
    """Those that switched themselves off though they should be on."""
    at_rest: frozenset[str]
    """Those that are off, or gone, as they should be."""


def next_step(spec: HostSpec, container: Container | None, power: Power) -> Step | None:
    """Return what to do about a host, or None when it is as it should be, or has powered itself off."""
    if not spec.wanted:
        return Step.REMOVE if container else None
    if container is None:
        return Step.CREATE if spec.powered else None
    if container.state == "running":
        if not spec.powered:
            return Step.STOP
        return Step.REBOOT if spec.reboots > power.reboots else None
    startable = container.state in ("created", "exited") and spec.powered
    return Step.START if startable and not powered_off(spec, container, power) else None


def powered_off(spec: HostSpec, container: Container | None, power: Power) -> bool:
    """Tell whether a host went off by itself (and did not merely restart) while it should be on."""
    if container is None or container.state != "exited" or not spec.powered or power.off_by_order:
        return False
    return container.exit_status in containers.POWERED_OFF


def at_rest(spec: HostSpec, container: Container | None) -> bool:
    """Tell whether a host that should be off is off, and one that should be gone is gone."""
    if spec.wanted:
        return not spec.powered and (container is None or container.state in ("created", "exited"))
    return container is None


class Hosts:
    """The hosts of one cloud."""

    def __init__(self, cloud_id: str, networks: Networks, imds_address: str, images: Mapping[str, str]) -> None:
        self._cloud_id = cloud_id
        self._networks = networks
        self._imds_address = imds_address
        self._images = images
        self._client: DockerClient = docker_engine.connect()
        self._client.volumes.create(containers.nfs_volume(cloud_id), labels={containers.CLOUD_LABEL: cloud_id})
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="hosts")
        self._under_way: dict[str, Future[None]] = {}
        self._power: dict[str, Power] = {}
        self._complaints: dict[str, str] = {}

    def reconcile(self, specs: Iterable[HostSpec]) -> Report:
        """Begin what brings the hosts to ``specs``, and tell how they are.

        It never waits for a host: what is under way goes on in threads, and is left alone until it ends. Hosts of
        instances that the cloud does not know are removed.
        """
        there = list_all(self._cloud_id, self._client)
        wanted = {spec.instance_id: spec for spec in specs}
        for container in (there[unknown] for unknown in there.keys() - wanted.keys() if not self._busy(unknown)):
            self._begin(container.instance_id, lambda one=container: self._remove(one))  # type: ignore[misc]
        pairs = [(spec, there.get(spec.instance_id)) for spec in wanted.values() if not self._busy(spec.instance_id)]
        report = Report(
            powered_off=frozenset(spec.instance_id for spec, container in pairs if self._advance(spec, container)),
            at_rest=frozenset(spec.instance_id for spec, container in pairs if at_rest(spec, container)),
        )
        self._forget(wanted.keys() | there.keys())
        return report

    def settle(self, timeout_s: float | None = None) -> None:
        """Wait for what is under way."""
        wait(list(self._under_way.values()), timeout_s)

    def console(self, instance_id: str) -> str:
        """Return what a host wrote to its console: systemd's and cloud-init's words, user data's output among them."""
        from docker.errors import NotFound

        name = containers.container_name(self._cloud_id, instance_id)
        try:
            raw: bytes = self._client.containers.get(name).logs(tail=2000)
        except NotFound:
            return ""
        return _CONTROL.sub("", raw.decode(errors="replace"))[-CONSOLE_BYTES:]

    def close(self) -> None:
        """Finish what is under way and let go of Docker; the hosts stay."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def _advance(self, spec: HostSpec, container: Container | None) -> bool:
        """Begin a host's next step, if any; return whether the host has powered itself off."""
        power = self._power.setdefault(spec.instance_id, Power(spec.reboots))
        if not spec.powered:
            power = self._power[spec.instance_id] = Power(spec.reboots, off_by_order=True)
        step = next_step(spec, container, power)
        if step:
            self._begin(spec.instance_id, lambda: self._take(step, spec, container))
        return powered_off(spec, container, power)

    def _take(self, step: Step, spec: HostSpec, container: Container | None) -> None:
        if step is Step.CREATE:
            self._create(spec)
        elif container is None:
            return
        elif step is Step.REMOVE:
            self._remove(container)
        elif step is Step.STOP:
            self._client.api.stop(container.id, timeout=STOP_TIMEOUT_S)
        elif step is Step.START:
            self._client.api.start(container.id)
        elif step is Step.REBOOT:
            self._client.api.restart(container.id, timeout=STOP_TIMEOUT_S)
        if step in (Step.CREATE, Step.START, Step.REBOOT):
            self._power[spec.instance_id] = Power(spec.reboots)
        _log.info("%s: %s done", spec.instance_id, step)

    def _create(self, spec: HostSpec) -> None:
        settings = containers.creation(
            self._cloud_id, spec, self._images[spec.image], self._networks, self._imds_address
        )
        private = self._client.api.create_endpoint_config(
            ipv4_address=spec.private_ip, aliases=containers.aliases(spec)
        )
        name = self._networks.name
        host = self._client.containers.create(**settings, network=name, networking_config={name: private})
        try:
            if spec.public_ip:
                public = self._client.networks.get(self._networks.public_name)
                public.connect(host, ipv4_address=spec.public_ip)
            host.put_archive("/", cloud_init.archive(spec))
            host.start()
        except Exception:
            # Half a host would never become a whole one: cloud-init reads the seed at the first boot only.
            host.remove(force=True, v=True)
            raise

    def _remove(self, container: Container) -> None:
        _remove_container(self._client, container.id)
        _log.info("%s: removed", container.instance_id)

    def _busy(self, instance_id: str) -> bool:
        future = self._under_way.get(instance_id)
        return future is not None and not future.done()

    def _begin(self, instance_id: str, work: Callable[[], None]) -> None:
        self._under_way[instance_id] = self._pool.submit(self._guarded, instance_id, work)

    def _guarded(self, instance_id: str, work: Callable[[], None]) -> None:
        """Do ``work``; a failure is logged once while it repeats, and tried again at the next look."""
        try:
            work()
            self._complaints.pop(instance_id, None)
        except Exception as error:
            if self._complaints.get(instance_id) != str(error):
                self._complaints[instance_id] = str(error)
                _log.warning("%s: %s", instance_id, error)

    def _forget(self, known: Iterable[str]) -> None:
        for memory in (self._power, self._complaints, self._under_way):
            for instance_id in memory.keys() - set(known):
                if not self._busy(instance_id):
                    del memory[instance_id]


def list_all(cloud_id: str, client: DockerClient | None = None) -> dict[str, Container]:
    """Return a cloud's hosts by instance id.

    :raises HostError: when Docker does not answer.
    """
    found = (client or docker_engine.connect()).api.containers(all=True, filters=_mine(cloud_id))
    return {one.instance_id: one for one in map(_container, found) if one.instance_id}


def left_of(cloud_id: str) -> list[str]:
    """Return the names of a cloud's containers, the registry's among them, networks and volumes.

    :raises HostError: when Docker does not answer.
    """
    client, mine = docker_engine.connect(), _mine(cloud_id)
    names = [_name(one) for one in client.api.containers(all=True, filters=mine)]
    names += [str(network.name) for network in client.networks.list(filters=mine)]
    return names + [str(volume.name) for volume in client.volumes.list(filters=mine)]


def remove_all(cloud_id: str) -> list[str]:
    """Remove a cloud's containers, networks and volumes; return their names."""
    from docker.errors import NotFound

    client, mine = docker_engine.connect(), _mine(cloud_id)
    found = client.api.containers(all=True, filters=mine)
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda one: _remove_container(client, one["Id"]), found))
    names = [_name(one) for one in found]
    others: list[Network | Volume] = [*client.networks.list(filters=mine), *client.volumes.list(filters=mine)]
    for other in others:
        names.append(str(other.name))
        # Somebody else may be at it.
        with suppress(NotFound):
            other.remove()
    return names


def _remove_container(client: DockerClient, container_id: str) -> None:
    from docker.errors import APIError

    try:
        client.api.remove_container(container_id, force=True, v=True)
    except APIError as error:
        # Gone already, or somebody else is at it.
        if error.status_code not in (404, 409):
            raise


def _mine(cloud_id: str) -> dict[str, str]:
    return {"label": f"{containers.CLOUD_LABEL}={cloud_id}"}


def _name(found: Mapping[str, Any]) -> str:
    return str(found["Names"][0]).lstrip("/")


def _container(found: Mapping[str, Any]) -> Container:
    exited = _EXITED.match(found["Status"])
    return Container(
        id=found["Id"],
        instance_id=found["Labels"].get(containers.INSTANCE_LABEL, ""),
        state=found["State"],
        exit_status=int(exited[1]) if exited else None,
        name=_name(found),
    )
