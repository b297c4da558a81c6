"""Hosts as the rehearsal cloud wants them: real containers with systemd, sshd, cloud-init and Docker."""

from __future__ import annotations

import hashlib
import http.server
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker.errors import NotFound

from tests.e2e.world import SOON_S, wait_for
from toilctl.local.host_spec import HostSpec
from toilctl.local.hosts import containers, docker_engine, hosts
from toilctl.local.hosts.networks import Networks, make_networks
from toilctl.local.images import images

pytestmark = pytest.mark.e2e

USER_DATA = b"""#cloud-config
write_files:
  - {path: /etc/from-user-data, content: "written\\n"}
runcmd:
  - echo user data speaks to the console
  - touch /var/lib/user-data-ran
"""


class Metadata(http.server.ThreadingHTTPServer):
    """Answers with the caller's address."""

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), _Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"{self.server_address[0]}:{self.server_address[1]}"


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.client_address[0].encode())

    def log_message(self, *_: object) -> None:
        pass


class World:
    """One cloud's hosts and the specs that they should follow."""

    def __init__(self, cloud_id: str, key: Path) -> None:
        self.networks: Networks = make_networks(cloud_id)
        self.metadata = Metadata(self.networks.gateway)
        self.client = docker_engine.connect()
        made = images.Builder(self.client, print).for_hosts("prepared")
        self.hosts = hosts.Hosts(
            cloud_id, self.networks, self.metadata.address, {"plain": made.plain, "prepared": made.prepared}
        )
        self.appliance = made.appliance
        self.key = key
        self.specs: dict[str, HostSpec] = {}

    def spec(self, number: int, **changes: object) -> HostSpec:
        private_ip = ".".join(self.networks.cidr.split(".")[:2]) + f".0.{number}"
        spec = HostSpec(
            instance_id=f"i-{number:017x}",
            state="running",
            reboots=0,
            private_ip=private_ip,
            public_ip=self.networks.public_address(private_ip),
            zone="us-west-2a",
            instance_type="t2.micro",
            image="prepared",
            user_data=USER_DATA,
            public_key=self.key.with_suffix(".pub").read_text(),
            login_user="admin",
            hostname="ip-" + private_ip.replace(".", "-"),
        )
        return replace(spec, **changes)  # type: ignore[arg-type]

    def want(self, *specs: HostSpec) -> hosts.Report:
        """Reconcile until nothing is left to do, and tell how the hosts are then."""
        self.specs |= {spec.instance_id: spec for spec in specs}
        self.hosts.reconcile(self.specs.values())
        self.hosts.settle()
        return self.look()

    def look(self) -> hosts.Report:
        return self.hosts.reconcile(self.specs.values())

    def ssh(self, spec: HostSpec, command: str, timeout_s: float = 300) -> str:
        """Run a command on a host as the login user; wait for sshd for as long as it takes."""
        base = ["ssh", "-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=2", "-o", "BatchMode=yes"]  # fmt: skip
        deadline = time.monotonic() + timeout_s
        while True:
            done = subprocess.run(
                [*base, f"{spec.login_user}@{spec.public_ip}", command],
                check=False,
                capture_output=True,
                text=True,
                timeout=timeout_s,
            )
            if done.returncode != 255 or time.monotonic() > deadline:
                assert done.returncode == 0, done.stdout + done.stderr
                return done.stdout.strip()
            time.sleep(0.2)

    def container(self, spec: HostSpec) -> dict[str, object] | None:
        # By its name: others of this machine may go while a list of them is made.
        name = containers.container_name(self.networks.cloud_id, spec.instance_id)
        try:
            attributes: dict[str, object] = self.client.containers.get(name).attrs
        except NotFound:
            return None
        return attributes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("hosts")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "key")], check=True)
    cloud_id = hashlib.sha256(str(directory).encode()).hexdigest()[:8]
    docker_engine.ensure(print)
    try:
        world = World(cloud_id, directory / "key")
        yield world
        world.hosts.close()
    finally:
        hosts.remove_all(cloud_id)


@pytest.fixture(scope="module")
def node(world: World) -> HostSpec:
    """A prepared host that has booted."""
    spec = world.spec(5)
    world.want(spec)
    world.ssh(spec, "cloud-init status --wait")
    return spec


@pytest.fixture(scope="module")
def peer(world: World) -> HostSpec:
    """A plain host that has booted."""
    spec = world.spec(6, image="plain")
    world.want(spec)
    world.ssh(spec, "cloud-init status --wait")
    return spec


def test_real_user_data_was_run_and_its_output_is_on_the_console(world: World, node: HostSpec) -> None:
    assert world.ssh(node, "cat /etc/from-user-data; ls /var/lib/user-data-ran") == "written\n/var/lib/user-data-ran"
    _wait_for_words(world, node, "user data speaks to the console")


def test_host_has_the_names_and_addresses_of_its_instance(world: World, node: HostSpec) -> None:
    assert world.ssh(node, "hostname") == node.hostname
    addresses = world.ssh(node, "hostname -I").split()
    assert {node.private_ip, node.public_ip} <= set(addresses)


def test_login_user_may_become_root_without_a_password(world: World, node: HostSpec) -> None:
    assert world.ssh(node, "sudo -n id -u") == "0"


def test_host_is_in_order(world: World, node: HostSpec, peer: HostSpec) -> None:
    for spec in (node, peer):
        assert world.ssh(spec, "systemctl is-system-running --wait; systemctl list-units --failed -q") == "running"
        assert world.ssh(spec, "cloud-init status") == "status: done"


def test_metadata_address_reaches_the_service_with_the_private_address(world: World, node: HostSpec) -> None:
    assert world.ssh(node, "curl -sf http://169.254.169.254/") == node.private_ip


def test_metadata_address_works_in_containers_of_the_host(world: World, node: HostSpec) -> None:
    for network in ("host", "bridge"):
        curl = f"sudo docker run --rm --network {network} {world.appliance} curl -sf http://169.254.169.254/"
        assert world.ssh(node, curl) == node.private_ip


def test_prepared_host_runs_the_appliance_without_a_pull(world: World, node: HostSpec) -> None:
    run = f"sudo docker run --rm --pull never --network host {world.appliance} sh -c 'toil --version; slurmd -V'"
    assert world.ssh(node, run).splitlines() == [images.TOIL_VERSION, "slurm-wlm 22.05.8"]


def test_containers_of_one_host_do_not_change_what_others_see(world: World, node: HostSpec) -> None:
    script = "rm /etc/debian_version && mkdir /opt/toil/new && echo gone"
    assert world.ssh(node, f"sudo docker run --rm {world.appliance} sh -c '{script}'") == "gone"
    assert "no" in world.ssh(node, f"sudo docker run --rm {world.appliance} sh -c 'ls /opt/toil/new || echo no'")


def test_plain_host_has_no_docker(world: World, peer: HostSpec) -> None:
    assert world.ssh(peer, "which docker || echo none") == "none"


def test_peers_know_each_other_by_private_name(world: World, node: HostSpec, peer: HostSpec) -> None:
    assert world.ssh(node, f"getent hosts {peer.hostname}").split()[0] == peer.private_ip
    domain = f"{node.hostname}.us-west-2.compute.internal"
    assert world.ssh(peer, f"getent hosts {domain}").split()[0] == node.private_ip


def test_host_has_none_of_this_machines_disks(world: World, peer: HostSpec) -> None:
    assert world.ssh(peer, "find /dev -type b; lsblk") == ""
    # A device node made by hand does not open either.
    attempt = "sudo mknod /root/disk b 254 0; sudo dd if=/root/disk of=/dev/null count=1 2>&1 | grep -o 'not permitted'"
    assert world.ssh(peer, attempt) == "not permitted"


def test_host_does_not_change_this_machines_kernel_unawares(world: World, peer: HostSpec) -> None:
    for attempt in ("sysctl -w kernel.core_pattern=x", "tee /sys/kernel/uevent_helper", "dmesg", "swapon /etc/hosts"):
        assert world.ssh(peer, f"sudo {attempt} < /dev/null > /dev/null 2>&1 || echo refused") == "refused"
    assert world.ssh(peer, "sudo awk '/^Seccomp:/ {print $2}' /proc/1/status") == "2"


def test_stop_and_start_keep_the_file_system_and_addresses(world: World, peer: HostSpec) -> None:
    world.ssh(peer, "echo kept > ~/file; rm -f ~/boot; cp /proc/sys/kernel/random/boot_id ~/boot")
    stopped = world.want(replace(peer, state="stopping"))
    assert peer.instance_id in stopped.at_rest
    world.want(replace(peer, state="stopped"))
    world.want(replace(peer, state="pending"))
    assert world.ssh(peer, "cat ~/file") == "kept"
    assert world.ssh(peer, "curl -sf http://169.254.169.254/") == peer.private_ip
    assert world.want(peer) == hosts.Report(frozenset(), frozenset())


def test_reboot_restarts_the_host_once(world: World, peer: HostSpec) -> None:
    before = _started(world, peer)
    rebooted = replace(peer, reboots=peer.reboots + 1)
    world.want(rebooted)
    after = _started(world, peer)
    assert after != before
    world.want(rebooted)
    assert _started(world, peer) == after


def test_reboot_from_inside_restarts_the_host(world: World, peer: HostSpec) -> None:
    before = _started(world, peer)
    _order(world, peer, "reboot")
    wait_for(lambda: not world.look().powered_off and _started(world, peer) != before, SOON_S, "the reboot")
    assert world.ssh(peer, "cat ~/file") == "kept"


def test_host_that_powers_itself_off_is_reported_and_left_alone(world: World, peer: HostSpec) -> None:
    _order(world, peer, "poweroff")
    wait_for(lambda: peer.instance_id in world.look().powered_off, SOON_S, "the end")
    world.hosts.settle()
    assert peer.instance_id in world.look().powered_off
    assert not _running(world, peer)
    world.want(replace(peer, state="stopped"))
    world.want(peer)
    assert world.ssh(peer, "cat ~/file") == "kept"


def test_terminated_host_and_its_volumes_are_gone_within_seconds(world: World) -> None:
    spec = world.spec(7)
    world.want(spec)
    world.ssh(spec, "true")
    volumes = _volumes(world, spec)
    assert volumes
    began = time.monotonic()
    world.want(replace(spec, state="shutting-down"))
    # Nobody waits for it to shut down.
    assert time.monotonic() - began < hosts.STOP_TIMEOUT_S
    assert spec.instance_id in world.look().at_rest
    assert world.container(spec) is None
    assert not volumes & {volume.id for volume in world.client.volumes.list()}


def test_host_of_an_unknown_instance_is_removed(world: World) -> None:
    spec = world.spec(8, image="plain")
    world.want(spec)
    del world.specs[spec.instance_id]
    world.want()
    assert world.container(spec) is None


def test_never_boot_gives_a_host_that_does_not_answer(world: World) -> None:
    spec = world.spec(9, image="plain", fault={"never_boot": True})
    world.want(spec)
    assert _running(world, spec)
    _wait_for_words(world, spec, "Kernel panic")
    world.want(replace(spec, state="terminated"))


def test_another_login_user_gets_the_key(world: World) -> None:
    spec = world.spec(10, image="plain", login_user="ubuntu")
    world.want(spec)
    assert world.ssh(spec, "whoami") == "ubuntu"
    world.want(replace(spec, state="terminated"))


def _wait_for_words(world: World, spec: HostSpec, words: str) -> None:
    """Wait until a host has said so on its console; Docker keeps what it says a moment later."""
    wait_for(lambda: words in world.hosts.console(spec.instance_id), SOON_S, f"{words!r} on the console")


def _order(world: World, spec: HostSpec, what: str) -> None:
    world.ssh(spec, f"sudo sh -c '(sleep 0.5; systemctl {what}) >/dev/null 2>&1 &'")


def _started(world: World, spec: HostSpec) -> str:
    attributes = world.container(spec)
    assert attributes is not None
    return str(attributes["State"]["StartedAt"])  # type: ignore[index]


def _running(world: World, spec: HostSpec) -> bool:
    attributes = world.container(spec)
    return attributes is not None and attributes["State"]["Running"] is True  # type: ignore[index]


def _volumes(world: World, spec: HostSpec) -> set[str]:
    attributes = world.container(spec)
    assert attributes is not None
    mounts = [mount for mount in attributes["Mounts"] if mount["Type"] == "volume"]  # type: ignore[attr-defined]
    # What hosts export to each other is in a volume of the cloud's.
    return {mount["Name"] for mount in mounts} - {containers.nfs_volume(world.networks.cloud_id)}
