"""The registry that nodes without the appliance pull it from."""

from __future__ import annotations

import operator
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from toilctl.local.hosts import containers
from toilctl.local.hosts.networks import Networks
from toilctl.local.images import build
from toilctl.system.waiting import wait_until
from toilctl.values.errors import HostError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

REPOSITORY: Final = "toilctl/registry"
PATH: Final = "toilctl/appliance"
"""The appliance's name within the registry."""
START_TIMEOUT_S: Final = 30
_LOOK_S: Final = 0.2

_PORT: Final = f"{containers.REGISTRY_PORT}/tcp"


def container_name(cloud_id: str) -> str:
    """Return the name of a cloud's registry."""
    return f"toilctl-{cloud_id}-registry"


def run(client: DockerClient, networks: Networks, image: str) -> str:
    """Start a cloud's registry, unless it runs; return its container's name."""
    from docker.errors import NotFound

    name = container_name(networks.cloud_id)
    try:
        client.containers.get(name).start()
    except NotFound:
        endpoint = client.api.create_endpoint_config(
            ipv4_address=networks.registry_address, aliases=[containers.REGISTRY_NAME]
        )
        client.containers.create(
            image,
            name=name,
            labels={containers.CLOUD_LABEL: networks.cloud_id},
            network=networks.name,
            networking_config={networks.name: endpoint},
        ).start()
    return name


def fill(client: DockerClient, empty: str, content: str, tag: str) -> None:
    """Make ``tag``: the registry of image ``empty`` with the image ``content`` in it, so that clouds need not push.

    :raises HostError: when the registry does not start or refuses the image.
    """
    container = build.start(client, empty, tag, ports={_PORT: ("127.0.0.1", 0)})
    try:
        address = _published(client, container)
        _await(address)
        # An engine lets itself be talked into plain HTTP by any address of the loopback network.
        push(client, content, f"{address}/{PATH}:{content.rpartition(':')[2]}")
        repository, _, version = tag.rpartition(":")
        container.commit(repository, version)
    finally:
        container.remove(force=True, v=True)


def push(client: DockerClient, image: str, name: str) -> None:
    """Push an image under a name, with the credentials that docker login left; the name itself is not kept.

    :raises HostError: with the registry's words when it refuses.
    """
    repository, _, version = name.rpartition(":")
    source = client.images.get(image)
    passing = name not in source.tags
    source.tag(repository, version)
    try:
        for step in client.images.push(repository, version, stream=True, decode=True):
            if "error" in step:
                raise HostError(
                    f"The registry refuses {name}: {step['error']}",
                    f"Check the name; if it is right, log in: docker login {repository.partition('/')[0]}.",
                    image=name,
                )
    finally:
        if passing:
            build.discard(client, name)


def _published(client: DockerClient, container: Container) -> str:
    ports = client.api.port(str(container.id), containers.REGISTRY_PORT) or []
    return f"127.0.0.1:{ports[0]['HostPort']}"


def _await(address: str) -> None:
    problem = wait_until(lambda: _problem(address), operator.not_, START_TIMEOUT_S, _LOOK_S)
    if problem:
        raise HostError("The registry does not start.", reason=problem)


def _problem(address: str) -> str:
    try:
        urllib.request.urlopen(f"http://{address}/v2/", timeout=2).close()
    except (urllib.error.URLError, OSError) as error:
        return str(error)
    return ""
