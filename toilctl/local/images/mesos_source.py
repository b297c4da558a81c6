"""Mesos for the appliance: collected from an installation prefix or a container image that the user has."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from toilctl.local.hosts import docker_engine
from toilctl.local.hosts.docker_engine import Progress
from toilctl.local.images import mesos_from_image, mesos_kept
from toilctl.local.images.mesos_kept import KeptMesos
from toilctl.values.appliance import ImageReference
from toilctl.values.errors import HostError, ToilctlError, UsageError

VARIABLE: Final = "TOILCTL_MESOS_PREFIX"
"""The environment variable that names a source, as --mesos-from does."""

SCRIPT: Final = Path(__file__).parent / "data" / "mesos" / "collect"
_NO_MESOS, _NO_LIBRARY, _FOREIGN = 3, 4, 5
"""Exit statuses of the script."""

_REFUSED: Final = "MESOS DOES NOT RUN: "
"""What data/mesos/install says before the dynamic loader's words."""

_MACHINES: Final = {3: "i386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
"""Processor architectures by their numbers in ELF files."""


def chosen(progress: Progress) -> KeptMesos | None:
    """Return the Mesos that the environment names, else the one that is kept, else None.

    :raises ToilctlError: when the environment names one that cannot be used.
    """
    named = os.environ.get(VARIABLE)
    return collect(named, progress) if named else mesos_kept.kept()


def collect(named: str, progress: Progress) -> KeptMesos:
    """Collect Mesos from a directory, or else an image, of that name; keep it.

    :raises UsageError: when it is neither's name, or has no Mesos.
    :raises HostError: when an image cannot be had, a library is missing, or it is for another kind of machine.
    """
    source = parse(named)
    mesos_kept.directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=mesos_kept.directory()) as scratch:
        to = Path(scratch, "collected")
        to.mkdir()
        if isinstance(source, Path):
            progress(f"Taking Mesos from {source}")
            _from_directory(source, to)
            return mesos_kept.keep(to, str(source))
        return _from_image(source, to, progress)


def parse(named: str) -> Path | str:
    """Tell a directory, which is returned as an absolute path, from an image's name.

    :raises UsageError: when it is neither.
    """
    path = Path(named)
    if named and path.is_dir():
        return path.absolute()
    if named.startswith(("/", "./", "../", "~")) or path.exists():
        raise UsageError(
            f"{named} is not a directory." if path.exists() else f"There is no directory {named}.",
            "Name the directory below which Mesos has sbin/mesos-master, or a container image.",
            mesos_from=named,
        )
    ImageReference.parse(named)
    return named


def refused(mesos: KeptMesos, said: Iterable[str]) -> HostError | None:
    """Return the error that a failed build's last words ask for, or None when they are about something else."""
    words = [line.partition(_REFUSED)[2] for line in said if _REFUSED in line]
    if not words:
        return None
    return HostError(
        f"The Mesos from {mesos.source} does not run on Debian 12, which the appliance is: {words[-1]}",
        "Take one that was built on Debian 12 or an older Linux, then run this again.",
        mesos_from=mesos.source,
    )


def _from_directory(source: Path, to: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), str(to), str(source)], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        raise _failed(str(source), done.returncode, done.stderr.strip(), _architecture(source))


def _from_image(name: str, to: Path, progress: Progress) -> KeptMesos:
    client = docker_engine.ensure(progress)
    image = mesos_from_image.find(client, name, progress)
    kept = mesos_kept.kept()
    if kept is not None and (kept.source, kept.image_id) == (name, image.id):
        return kept
    progress(f"Taking Mesos from the image {name}")
    status, said = mesos_from_image.run(client, image, SCRIPT.read_text(), to)
    if status != 0:
        raise _failed(f"the image {name}", status, said, "")
    return mesos_kept.keep(to, name, str(image.id))


def _failed(source: str, status: int, said: str, architecture: str) -> ToilctlError:
    words = ", ".join(said.splitlines()[-3:]) or f"the script that collects it ended with status {status}"
    if status == _NO_MESOS:
        hint = "Name a prefix below which sbin/ or bin/ has mesos-master and mesos-agent, or an image that has them."
        return UsageError(f"There is no Mesos in {source}: {words}.", hint, mesos_from=source)
    if status == _NO_LIBRARY:
        hint = "Install the packages that have them there (ldd shows which), then run this again."
        return HostError(f"Mesos in {source} lacks shared libraries: {words}.", hint, mesos_from=source)
    if status == _FOREIGN:
        here = platform.machine()
        what = f"for {architecture}" if architecture else f"not for this kind of machine ({words})"
        hint = f"Take one that is for {here} and the GNU C library."
        return HostError(f"Mesos in {source} is {what}, and this machine is {here}.", hint, mesos_from=source)
    hint = "Check that this user may read it, and that the disk has room, then run this again."
    return HostError(f"Mesos could not be taken from {source}: {words}", hint, mesos_from=source)


def _architecture(prefix: Path) -> str:
    """Return what a prefix's mesos-master is for, or nothing when it is for this machine or cannot be told."""
    for part in ("sbin", "bin"):
        try:
            with (prefix / part / "mesos-master").open("rb") as file:
                header = file.read(20)
        except OSError:
            continue
        number = int.from_bytes(header[18:20], "big" if header[5:6] == b"\2" else "little")
        machine = _MACHINES.get(number, "another processor architecture")
        return "" if machine == platform.machine() else machine
    return ""
