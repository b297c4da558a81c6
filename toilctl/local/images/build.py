"""Builds, flattens and fills images through Docker's API, whatever the version of a docker command on this machine."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.hosts import containers
from toilctl.system import paths
from toilctl.values.errors import HostError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_BUILDER: Final = "toilctl-build-"
_FILL_TIMEOUT_S: Final = 600


def build(client: DockerClient, context: Path, tag: str, **arguments: str) -> None:
    """Build the Dockerfile in ``context``; the log of it goes to the cache directory.

    :raises HostError: when a step fails, with its last words.
    """
    log = paths.cache_dir() / "logs" / f"{tag.replace('/', '_')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    passed = {name: os.environ[name] for name in (*_PROXIES, "PIP_INDEX_URL") if os.environ.get(name)}
    # This machine's network, with its names and its way out; a bridge of Docker's may have neither.
    steps = client.api.build(
        path=str(context), tag=tag, buildargs={**passed, **arguments}, network_mode="host", rm=True, forcerm=True,
        decode=True,
    )  # fmt: skip
    said: list[str] = []
    with log.open("w") as out:
        for step in steps:
            text = step.get("stream") or step.get("error", "")
            out.write(text)
            said += [line for line in text.splitlines() if line.strip()]
            if "error" in step:
                raise _failed(tag, said, log)


def import_file_system(
    client: DockerClient, content: Path | Iterator[bytes], tag: str, changes: list[str] | None = None
) -> None:
    """Make an image of one layer from a tar archive.

    :raises HostError: when the engine cannot store it.
    """
    repository, _, version = tag.rpartition(":")
    if isinstance(content, Path):
        answer = client.api.import_image_from_file(str(content), repository, version, changes)
    else:
        answer = client.api.import_image_from_data(content, repository, version, changes)
    if '"error"' in answer:
        raise _failed(tag, answer.splitlines(), paths.cache_dir())


def flatten(client: DockerClient, image: str, tag: str) -> None:
    """Make an image of one layer, with the same files and settings."""
    config = client.images.get(image).attrs["Config"]
    container = client.api.create_container(image)
    try:
        import_file_system(client, client.api.export(container), tag, changes(config))
    finally:
        client.api.remove_container(container, v=True)


def changes(config: dict[str, Any]) -> list[str]:
    """Return an image's settings as Dockerfile lines."""
    lines = [f"ENV {name}={json.dumps(value)}" for name, _, value in (e.partition("=") for e in config["Env"] or ())]
    lines += [f"LABEL {json.dumps(key)}={json.dumps(value)}" for key, value in (config.get("Labels") or {}).items()]
    if config.get("WorkingDir"):
        lines.append(f"WORKDIR {config['WorkingDir']}")
    if config.get("Entrypoint"):
        lines.append(f"ENTRYPOINT {json.dumps(config['Entrypoint'])}")
    return [*lines, f"CMD {json.dumps(config.get('Cmd') or [])}"]


def fill_docker(client: DockerClient, image: str, content: str, script: Path, tag: str) -> None:
    """Make ``tag``: ``image``, whose Docker has the image ``content`` as if it had pulled it.

    :raises HostError: when the Docker in the container cannot take it.
    """
    from docker.types import Mount

    paths.cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.cache_dir()) as scratch:
        shutil.copytree(script, scratch, dirs_exist_ok=True)
        with Path(scratch, "appliance.tar").open("wb") as out:
            for chunk in client.images.get(content).save(named=content):
                out.write(chunk)
        # Mounts, not volumes: those would be committed into the image's settings.
        mounts = [Mount("/fill", scratch, type="bind", read_only=True), Mount("/srv/docker", None, type="volume")]
        container = start(
            client, image, tag, entrypoint=["/bin/sh", "/fill/fill"], mounts=mounts, **containers.ISOLATION
        )
        try:
            _require_success(container, tag)
            repository, _, version = tag.rpartition(":")
            container.commit(repository, version, changes=['ENTRYPOINT ["/sbin/host-init"]', "CMD []"])
        finally:
            container.remove(force=True, v=True)


def discard(client: DockerClient, tag: str) -> None:
    """Remove an image that another one was made from; layers that they share stay."""
    from docker.errors import APIError

    with suppress(APIError):
        client.images.remove(tag)


def start(client: DockerClient, image: str, tag: str, **settings: Any) -> Container:
    """Start a container from which the image ``tag`` is to be made; one of a build that was killed makes way."""
    name = f"{_BUILDER}{tag.rpartition(':')[2]}"
    remove_abandoned(client, name)
    return client.containers.run(image, name=name, detach=True, **settings)


def remove_abandoned(client: DockerClient, name: str = _BUILDER) -> None:
    """Remove containers of builds that were killed."""
    for container in client.containers.list(all=True, filters={"name": f"^/?{name}"}):
        container.remove(force=True, v=True)


def _require_success(container: Any, tag: str) -> None:
    status = container.wait(timeout=_FILL_TIMEOUT_S)["StatusCode"]
    if status != 0:
        words = container.logs(tail=3).decode(errors="replace").strip()
        raise HostError(
            f"{tag} could not be filled: {words}",
            "Use plain node images instead: toilctl local up --image plain.",
            status=status,
        )


def _failed(tag: str, said: list[str], log: Path) -> HostError:
    full = any("No space left on device" in line for line in said[-30:])
    next_step = "Free some disk space (docker system df), then run this again." if full else f"See {log}."
    return HostError(f"Building {tag} failed: {' '.join(said[-2:])[-400:]}", next_step, log=str(log), said=said[-10:])
