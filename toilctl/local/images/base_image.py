"""The base of all images: Debian 12, pulled where a registry can be reached, else made from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toilctl.local.hosts import docker_engine
from toilctl.local.hosts.docker_engine import Progress
from toilctl.local.images import build
from toilctl.system import paths
from toilctl.values.errors import HostError

if TYPE_CHECKING:
    from docker import DockerClient

SUITE: Final = "bookworm"
"""Not a newer one: systemd 256 and later do not start on machines with version 1 cgroups."""

# Manuals and translations are a third of a minimal system, and of the time to unpack it.
OPTIONS: Final = (
    "--variant=minbase",
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*/LC_MESSAGES/*.mo",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
)


def make(client: DockerClient, tag: str, progress: Progress) -> None:
    """Make the image ``tag``.

    :raises HostError: when it can neither be pulled nor made here.
    """
    progress(f"Pulling debian:{SUITE}")
    if not _pull(client, tag):
        progress(f"No registry answers: making Debian {SUITE} from its packages")
        _bootstrap(client, tag)


def _pull(client: DockerClient, tag: str) -> bool:
    from docker.errors import DockerException

    try:
        client.images.pull("debian", tag=SUITE).tag(tag)
    except DockerException:
        return False
    return True


def _bootstrap(client: DockerClient, tag: str) -> None:
    _require_mmdebstrap()
    directory = paths.cache_dir()
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        archive = Path(scratch, "base.tar")
        command = ["mmdebstrap", "--quiet", *OPTIONS, SUITE, str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
            raise HostError(
                f"Debian {SUITE} could not be made from its packages: {' '.join(errors[-1:]) or 'mmdebstrap failed'}",
                "Check that this machine reaches deb.debian.org, or docker pull debian:bookworm, then run this again.",
            )
        build.import_file_system(client, archive, tag)


def _require_mmdebstrap() -> None:
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise HostError(
            f"The image debian:{SUITE} cannot be pulled, and there is no mmdebstrap to make it.",
            f"docker pull debian:{SUITE} where a registry answers, or install mmdebstrap, then run this again.",
        )
    docker_engine.install_packages(["mmdebstrap", "debian-archive-keyring"])
