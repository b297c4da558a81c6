"""Start and remove the hosts of a role's molecule scenario: containers of the rehearsal cloud's node images."""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from toilctl.local.hosts import containers, docker_engine
from toilctl.local.images.images import Builder

NETWORK = "toilctl-molecule"
SUBNET = "10.254.0.0/16"
NFS_VOLUME = f"{NETWORK}-nfs"
USER = "admin"
PREPARE_USER = f"""
id {USER} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/{USER}
install -d -o {USER} -m 0700 /home/{USER}/.ssh
printf '%s\\n' "$1" > /home/{USER}/.ssh/authorized_keys
chown {USER} /home/{USER}/.ssh/authorized_keys
until test -S /run/systemd/private && systemctl is-active --quiet ssh; do sleep 0.2; done
"""


def create(client: DockerClient, platforms: list[dict[str, Any]], directory: Path, instance_config: Path) -> None:
    builder = Builder(client, lambda line: print(line, file=sys.stderr))
    make_network(client)
    key = make_key(directory)
    public_key = key.with_suffix(".pub").read_text().strip()
    hosts = []
    for platform in platforms:
        address = address_of(platform)
        start(client, platform, builder, public_key, address)
        hosts.append({"instance": platform["name"], "address": address, "user": USER, "port": "22"})
    instance_config.write_text(json.dumps([host | {"identity_file": str(key)} for host in hosts]))
    (directory / "appliance_image").write_text(builder.tags.appliance)


def make_network(client: DockerClient) -> None:
    """Make the network of all roles' hosts, unless it is there. Roles that begin at once take turns."""
    with (Path(tempfile.gettempdir()) / f"{NETWORK}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not client.networks.list(names=[NETWORK]):
            client.networks.create(NETWORK, driver="bridge", ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=SUBNET)]))


def make_key(directory: Path) -> Path:
    key = directory / "id_ed25519"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key


def start(client: DockerClient, platform: dict[str, Any], builder: Builder, public_key: str, address: str) -> None:
    images = builder.for_hosts(platform.get("image", "prepared"))
    name = container_name(platform)
    remove(client, name)
    host = client.containers.create(
        images.prepared or images.plain,
        name=name,
        hostname=platform["name"],
        network=NETWORK,
        # An address that lasts, and a restart by Docker: a host may reboot.
        networking_config={NETWORK: client.api.create_endpoint_config(ipv4_address=address)},
        restart_policy={"Name": "always"},
        volumes=["/var/lib/docker", f"{NFS_VOLUME}:{containers.NFS_DIRECTORY}"],
        tty=True,
        **containers.ISOLATION,
    )
    host.start()
    answer = host.exec_run(["bash", "-ec", PREPARE_USER, "prepare", public_key])
    if answer.exit_code:
        raise SystemExit(f"{name}: {answer.output.decode()}")


def address_of(platform: dict[str, Any]) -> str:
    # From its name, so that scenarios of several roles can run at once.
    number = zlib.crc32(platform["name"].encode())
    return f"10.254.{number // 256 % 256}.{number % 250 + 2}"


def container_name(platform: dict[str, Any]) -> str:
    return f"toilctl-molecule-{platform['name']}"


def remove(client: DockerClient, name: str) -> None:
    try:
        client.containers.get(name).remove(force=True, v=True)
    except NotFound:
        return


def remove_what_is_shared(client: DockerClient) -> None:
    volumes = client.volumes.list(filters={"name": f"^{NFS_VOLUME}$"})
    for shared in (*client.networks.list(names=[NETWORK]), *volumes):
        # Another role's hosts may still use it.
        with contextlib.suppress(APIError):
            shared.remove()


def main() -> None:
    verb, platforms_json, *paths = sys.argv[1:]
    platforms = json.loads(platforms_json)
    client = docker_engine.connect()
    if verb == "create":
        create(client, platforms, *map(Path, paths))
        return
    for platform in platforms:
        remove(client, container_name(platform))
    remove_what_is_shared(client)


if __name__ == "__main__":
    main()
