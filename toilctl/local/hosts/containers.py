"""How an instance's host is a container: names, labels, and the rights that systemd and a nested Docker need."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from toilctl.local.host_spec import HostSpec
from toilctl.local.hosts import system_calls
from toilctl.local.hosts.networks import Networks

CLOUD_LABEL: Final = "toilctl.cloud"
INSTANCE_LABEL: Final = "toilctl.instance"
REGISTRY_NAME: Final = "registry.toilctl.internal"
REGISTRY_PORT: Final = 5000
NFS_DIRECTORY: Final = "/var/lib/rehearsal-nfs"
"""Where all hosts of a cloud have the same files, which data/node/host-nfs gives out as NFS and EFS."""

CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE",
    "NET_ADMIN", "NET_RAW", "SYS_CHROOT", "SYS_PTRACE", "SYS_ADMIN", "MKNOD", "AUDIT_WRITE", "SETFCAP", "SYS_NICE",
    "SYS_BOOT",
)  # fmt: skip
"""What systemd, sshd and a nested Docker use. Not --privileged: that would bring this machine's devices into every
host's /dev, and a role that looks for disks would find real ones. SYS_BOOT reaches no further than the container."""

ISOLATION: Final[dict[str, Any]] = {
    "cap_drop": ["ALL"],
    "cap_add": list(CAPABILITIES),
    "security_opt": [f"seccomp={system_calls.profile()}", "apparmor=unconfined", "label=disable"],
    # Its own cgroup tree, in version 1 and 2 alike: nested containers and units cannot touch this machine's.
    "cgroupns": "private",
    "tmpfs": {"/run": "", "/run/lock": ""},
    # /proc/sys stays read-only; a nested dockerd must find this as it wants it.
    "sysctls": {"net.ipv4.ip_forward": "1"},
    # An instance has it; jobs get it where a cluster allows FUSE.
    "devices": [f"{device}:{device}:rwm" for device in ("/dev/fuse",) if Path(device).exists()],
}

POWERED_OFF: Final = frozenset({0, 128 + 2})
"""Exit statuses of a container that powered itself off: the kernel kills its init by SIGINT for that, by SIGHUP for a
restart; init itself ends with 0 where it may not ask the kernel."""


def container_name(cloud_id: str, instance_id: str) -> str:
    """Return the name of an instance's container."""
    return f"toilctl-{cloud_id}-{instance_id}"


def labels(cloud_id: str, instance_id: str) -> dict[str, str]:
    """Return the labels by which the container is found again."""
    return {CLOUD_LABEL: cloud_id, INSTANCE_LABEL: instance_id}


def nfs_volume(cloud_id: str) -> str:
    """Return the name of the volume that all hosts of a cloud have."""
    return f"toilctl-{cloud_id}-nfs"


def aliases(spec: HostSpec) -> list[str]:
    """Return the private names of an instance, which Docker's resolver answers for its peers, as EC2's does."""
    region = spec.zone[:-1]
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return [spec.hostname, f"{spec.hostname}.{domain}"]


def creation(cloud_id: str, spec: HostSpec, image: str, networks: Networks, imds_address: str) -> dict[str, Any]:
    """Return the arguments of ``DockerClient.containers.create`` for an instance's host, apart from its networks."""
    environment = {"TOILCTL_IMDS": imds_address} if imds_address else {}
    if spec.fault.get("never_boot"):
        environment["TOILCTL_NEVER_BOOT"] = "1"
    return {
        "image": image,
        "name": container_name(cloud_id, spec.instance_id),
        "hostname": spec.hostname,
        "labels": labels(cloud_id, spec.instance_id),
        "environment": environment,
        "extra_hosts": {REGISTRY_NAME: networks.registry_address},
        # The first is anonymous, so that it goes with the container; a file system on which a nested overlay can be.
        "volumes": ["/var/lib/docker", f"{nfs_volume(cloud_id)}:{NFS_DIRECTORY}"],
        # systemd writes the console, and `docker logs` keeps it.
        "tty": True,
        "log_config": {"type": "json-file", "config": {"max-size": "2m", "max-file": "1"}},
        **ISOLATION,
    }
