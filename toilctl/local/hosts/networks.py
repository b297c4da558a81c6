"""The two networks of a rehearsal cloud, at addresses that nothing else on this machine uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toilctl.values.errors import HostError

if TYPE_CHECKING:
    from docker import DockerClient

CLOUD_LABEL: Final = "toilctl.cloud"
PUBLIC_LABEL: Final = "toilctl.public"

# moto's default VPC first: then nothing has to be told to moto.
PRIVATE_RANGES: Final = tuple(IPv4Network(f"{net}/16") for net in ("172.31.0.0", "172.30.0.0", "172.29.0.0")) + tuple(
    IPv4Network(f"10.{second}.0.0/16") for second in range(213, 229)
)
PUBLIC_RANGES: Final = tuple(IPv4Network(f"{net}/16") for net in ("172.28.0.0", "172.27.0.0", "172.26.0.0")) + tuple(
    IPv4Network(f"10.{second}.0.0/16") for second in range(229, 245)
)


@dataclass(frozen=True)
class Networks:
    """A cloud's private network, where hosts know each other, and the public one, where this machine meets them."""

    cloud_id: str
    cidr: str
    public_cidr: str

    @property
    def name(self) -> str:
        """The private network's name in Docker; before the public one's in the alphabet, for the default route."""
        return private_name(self.cloud_id)

    @property
    def public_name(self) -> str:
        """The public network's name in Docker."""
        return public_name(self.cloud_id)

    @property
    def gateway(self) -> str:
        """This machine's address on the private network, where the API and the metadata service listen."""
        return gateway(self.cidr)

    @property
    def registry_address(self) -> str:
        """The registry's address on the private network."""
        return str(IPv4Network(self.cidr).broadcast_address - 2)

    def public_address(self, private_address: str) -> str:
        """Return the public address that goes with a private one: the same host part."""
        host_part = ".".join(private_address.split(".")[2:])
        return ".".join(self.public_cidr.split(".")[:2]) + "." + host_part


def private_name(cloud_id: str) -> str:
    """Return the name of a cloud's private network."""
    return f"toilctl-{cloud_id}"


def public_name(cloud_id: str) -> str:
    """Return the name of a cloud's public network."""
    return f"toilctl-{cloud_id}-public"


def gateway(cidr: str) -> str:
    """Return the last address of a range: moto gives instances the first ones."""
    return str(IPv4Network(cidr).broadcast_address - 1)


def make_networks(cloud_id: str) -> Networks:
    """Make a cloud's networks, or find those that it has.

    :raises HostError: when every range is taken.
    """
    from toilctl.local.hosts import docker_engine

    client = docker_engine.connect()
    there = {network.name: _cidr(network.attrs) for network in client.networks.list()}
    private, public = private_name(cloud_id), public_name(cloud_id)
    return Networks(
        cloud_id,
        there.get(private) or _make(client, cloud_id, private, PRIVATE_RANGES),
        there.get(public) or _make(client, cloud_id, public, PUBLIC_RANGES, public=True),
    )


def free_ranges(candidates: Iterable[IPv4Network], taken: Iterable[IPv4Network]) -> list[IPv4Network]:
    """Return the candidates that overlap with nothing taken, in their order."""
    used = list(taken)
    return [candidate for candidate in candidates if not any(candidate.overlaps(other) for other in used)]


def parse_routes(table: str) -> list[IPv4Network]:
    """Read /proc/net/route; the default route, which covers everything, is left out."""
    routes = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, mask = _dotted(fields[1]), _dotted(fields[7])
        if mask != "0.0.0.0":  # noqa: S104 (a mask, not an address to bind)
            routes.append(IPv4Network(f"{address}/{mask}", strict=False))
    return routes


def _dotted(little_endian_hex: str) -> str:
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(little_endian_hex)))


def _cidr(attributes: dict[str, Any] | None) -> str | None:
    configs = ((attributes or {}).get("IPAM") or {}).get("Config") or []
    return next((config["Subnet"] for config in configs if "." in config.get("Subnet", "")), None)


def _taken(client: DockerClient) -> list[IPv4Network]:
    docker = [_cidr(network.attrs) for network in client.networks.list()]
    route_file = Path("/proc/net/route")
    routes = parse_routes(route_file.read_text()) if route_file.exists() else []
    return routes + [IPv4Network(cidr) for cidr in docker if cidr]


def _make(
    client: DockerClient, cloud_id: str, name: str, ranges: Iterable[IPv4Network], *, public: bool = False
) -> str:
    from docker.errors import APIError
    from docker.types import IPAMConfig, IPAMPool

    for candidate in free_ranges(ranges, _taken(client)):
        pool = IPAMPool(subnet=str(candidate), gateway=gateway(str(candidate)))
        labels = {CLOUD_LABEL: cloud_id} | ({PUBLIC_LABEL: "1"} if public else {})
        try:
            # An internal network has no default route: packets to elsewhere leave by the private interface, as on EC2.
            client.networks.create(
                name, driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels=labels, internal=public
            )
        except APIError as error:
            # Another program took the range since we looked.
            if "overlap" not in str(error).lower():
                raise HostError(f"Docker cannot make the network {name}: {error.explanation}") from error
        else:
            return str(candidate)
    raise HostError(
        "Every address range that the rehearsal cloud could use is taken on this machine.",
        "Remove Docker networks that nobody uses (docker network prune) or stop a VPN, then run this again.",
        ranges=[str(candidate) for candidate in ranges],
    )
