"""Runs the script that collects Mesos in a container of an image that the user has."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from toilctl.local import state
from toilctl.local.hosts.docker_engine import Progress
from toilctl.local.images import build
from toilctl.values.errors import HostError, UsageError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

_RESULT: Final = "/toilctl-mesos"
_TIMEOUT_S: Final = 300


def find(client: DockerClient, name: str, progress: Progress) -> Image:
    """Return the image, after pulling it if need be.

    :raises HostError: when it is nowhere, or for another processor architecture.
    """
    from docker.errors import DockerException, ImageNotFound

    try:
        image = client.images.get(name)
    except ImageNotFound:
        progress(f"Pulling {name}")
        try:
            image = client.images.pull(name)
        except DockerException as error:
            raise HostError(
                f"The image {name} is not on this machine and cannot be pulled: {_words(error)}",
                "Check its name (docker images), or name a directory: --mesos-from ./DIRECTORY.",
                image=name,
            ) from error
    own, here = str(image.attrs.get("Architecture", "")), str(client.version()["Arch"])
    if own != here:
        raise HostError(
            f"The image {name} is for {own}, and appliances that are built here are for {here}.",
            f"Name an image that is for {here}.",
            image=name, architecture=own,
        )  # fmt: skip
    return image


def run(client: DockerClient, image: Image, script: str, to: Path) -> tuple[int, str]:
    """Run the script in a container without a network; put what it collected into ``to``.

    Returns the script's exit status, and what it said when that is not 0.

    :raises UsageError: when the image has no shell.
    """
    container = _started(client, image, script)
    try:
        status = int(container.wait(timeout=_TIMEOUT_S)["StatusCode"])
        if status != 0:
            return status, container.logs(stdout=False).decode(errors="replace").strip()
        _fetch(container, to)
        return 0, ""
    finally:
        container.remove(force=True, v=True)


def _started(client: DockerClient, image: Image, script: str) -> Container:
    from docker.errors import APIError

    tag = f"mesos:mesos-{state.cloud_id()}"
    try:
        return build.start(
            client, str(image.id), tag, entrypoint=["/bin/sh"], command=["-c", script, "collect", _RESULT],
            network_mode="none", user="0", working_dir="/",
        )  # fmt: skip
    except APIError as error:
        with suppress(APIError):
            build.remove_abandoned(client)
        name = image.tags[0] if image.tags else image.id
        raise UsageError(
            f"No shell runs in {name}, so nothing can be taken from it: {_words(error)}",
            "Name an image that has /bin/sh, or a directory with its Mesos.",
        ) from error


def _fetch(container: Container, to: Path) -> None:
    stream, _ = container.get_archive(_RESULT)
    with tempfile.TemporaryFile() as file:
        for chunk in stream:
            file.write(chunk)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            for member in archive:
                _unpack(archive, member, to)


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    """Write one file; the script makes no others, and an image's tools are not trusted with this machine's paths."""
    inside = PurePosixPath(member.name).parts[1:]
    content = archive.extractfile(member) if member.isfile() else None
    if content is None or ".." in inside:
        return
    path = to.joinpath(*inside)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        shutil.copyfileobj(content, out)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)


def _words(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error).strip()[-300:]
