"""The images of the rehearsal cloud, each made once: its tag is a hash of all that goes into it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from toilctl.errors import UsageError
from toilctl.local import base_image, containers, docker_engine, image_build, registry, wheels
from toilctl.local.docker_engine import Progress

if TYPE_CHECKING:
    from docker import DockerClient

TOIL_VERSION: Final = "9.6.0"
ENGINES: Final = ("slurm",)
APPLIANCE: Final = f"{containers.REGISTRY_NAME}:{containers.REGISTRY_PORT}/{registry.PATH}"
BASE, PLAIN, PREPARED = "toilctl/base", "toilctl/node-plain", "toilctl/node-prepared"
LAYERS, WITH_DOCKER, EMPTY = "toilctl/appliance-layers", "toilctl/node-docker", "toilctl/registry-empty"
"""What is made on the way to others, and stays only if that is interrupted."""
REPOSITORIES: Final = (PREPARED, WITH_DOCKER, PLAIN, APPLIANCE, LAYERS, registry.REPOSITORY, EMPTY, BASE)
NEEDED_BYTES: Final = 5 * 1000**3

_NAME = re.compile(r"[a-z0-9]+([.:_/-]+[a-z0-9]+)*(:[\w][\w.-]*)?", re.ASCII)
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Images:
    """The images of one cloud, by tag; empty where it needs none."""

    appliance: str
    plain: str
    prepared: str = ""
    registry: str = ""


@dataclass(frozen=True)
class Built:
    """An appliance that was built."""

    image: str
    engines: tuple[str, ...]
    toil_version: str
    size_bytes: int
    pushed: bool


@dataclass(frozen=True)
class Tags:
    """Every image's tag: what is not there under its tag must be made."""

    base: str
    plain: str
    appliance: str
    prepared: str
    registry: str

    @classmethod
    def of(cls, toil_version: str) -> Tags:
        """Compute the tags."""
        base = digest(base_image.SUITE, *base_image.OPTIONS)
        plain = digest(base, _DATA / "node")
        appliance = digest(base, _DATA / "appliance", toil_version, *ENGINES)
        return cls(
            base=f"{BASE}:{base}",
            plain=f"{PLAIN}:{plain}",
            appliance=f"{APPLIANCE}:{appliance}",
            prepared=f"{PREPARED}:{digest(plain, appliance, _DATA / 'prepared', _DATA / 'fill')}",
            registry=f"{registry.REPOSITORY}:{digest(base, appliance, _DATA / 'registry')}",
        )


def digest(*parts: str | Path) -> str:
    """Return 12 hex digits for strings and directories, by the names and contents of the files in them."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in sorted(path for path in part.rglob("*") if path.is_file()):
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                total.update(f"{file.relative_to(part)}\0{content}\n".encode())
        else:
            total.update(f"{part}\n".encode())
    return total.hexdigest()[:12]


class Builder:
    """Makes the images that are not there."""

    def __init__(self, client: DockerClient, progress: Progress, toil_version: str = TOIL_VERSION) -> None:
        self.tags = Tags.of(toil_version)
        self._client = client
        self._progress = progress
        self._speaking = Lock()
        self._toil_version = toil_version

    def for_hosts(self, image: str) -> Images:
        """Return the images of a cloud whose nodes are ``prepared`` or ``plain``, after making what is missing.

        :raises HostError: when the disk is too small for them, or making one fails.
        """
        tags = self.tags
        last = tags.prepared if image == "prepared" else tags.registry
        if not self._all_there(tags.plain, tags.appliance, last):
            with self._making():
                with ThreadPoolExecutor(2) as pool:
                    list(pool.map(lambda make: make(), (self.plain, self.appliance)))
                self.prepared() if image == "prepared" else self.registry()
        chosen = {"prepared": tags.prepared} if image == "prepared" else {"registry": tags.registry}
        return Images(appliance=tags.appliance, plain=tags.plain, **chosen)

    def appliance_alone(self) -> str:
        """Return the appliance's tag, after making it if need be."""
        if not self._all_there(self.tags.appliance):
            with self._making():
                self.appliance()
        return self.tags.appliance

    def plain(self) -> None:
        """Make the node image: what EC2's Debian image has."""
        self._make(self.tags.plain, "the node image", self._make_plain)

    def appliance(self) -> None:
        """Make the appliance."""
        self._make(self.tags.appliance, "the appliance", self._make_appliance)

    def prepared(self) -> None:
        """Make the node image with Docker, and the appliance in it."""
        self._make(self.tags.prepared, "the prepared node image", self._make_prepared)

    def registry(self) -> None:
        """Make the registry's image, with the appliance in it."""
        self._make(self.tags.registry, "the registry", self._make_registry)

    def _make_plain(self) -> None:
        image_build.build(self._client, _DATA / "node", self.tags.plain, BASE=self.tags.base)

    def _make_appliance(self) -> None:
        layered = _sibling(self.tags.appliance, LAYERS)
        with tempfile.TemporaryDirectory() as scratch:
            context = Path(scratch, "context")
            shutil.copytree(_DATA / "appliance", context)
            wheels.fill(context / "pip", self._toil_version)
            image_build.build(self._client, context, layered, BASE=self.tags.base, TOIL_VERSION=self._toil_version)
        # Of one layer: unpacked inside another image, a layer that deletes files of a lower one loses its marks.
        image_build.flatten(self._client, layered, self.tags.appliance)
        image_build.discard(self._client, layered)
        self._client.images.prune({"dangling": True, "label": "toilctl.build=appliance"})

    def _make_prepared(self) -> None:
        with_docker = _sibling(self.tags.prepared, WITH_DOCKER)
        image_build.build(self._client, _DATA / "prepared", with_docker, BASE=self.tags.plain)
        image_build.fill_docker(self._client, with_docker, self.tags.appliance, _DATA / "fill", self.tags.prepared)
        image_build.discard(self._client, with_docker)

    def _make_registry(self) -> None:
        empty = _sibling(self.tags.registry, EMPTY)
        image_build.build(self._client, _DATA / "registry", empty, BASE=self.tags.base)
        registry.fill(self._client, empty, self.tags.appliance, self.tags.registry)
        image_build.discard(self._client, empty)

    def _make(self, tag: str, what: str, make: Callable[[], None]) -> None:
        if self._all_there(tag):
            return
        self._say(f"Making {what}")
        started = time.monotonic()
        make()
        self._say(f"Made {what} in {time.monotonic() - started:.0f} s")

    def _say(self, line: str) -> None:
        # Two images are made at a time; their lines must not mix.
        with self._speaking:
            self._progress(line)

    def _all_there(self, *tags: str) -> bool:
        there = {tag for image in self._client.api.images() for tag in image.get("RepoTags") or ()}
        return there.issuperset(tags)

    @contextmanager
    def _making(self) -> Iterator[None]:
        """One process at a time makes images; the others find them when it is done."""
        docker_engine.require_disk(self._client, NEEDED_BYTES, "Making the rehearsal cloud's images")
        with Path(tempfile.gettempdir(), f"toilctl-images-{os.getuid()}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with ThreadPoolExecutor(1) as pool:
                # A failure shows where the wheels are used; the network and the disk have time for both now.
                pool.submit(wheels.prefetch, self._toil_version)
                self._make(self.tags.base, "the base image", self._make_base)
            yield

    def _make_base(self) -> None:
        base_image.make(self._client, self.tags.base, self._say)


def build_appliance(progress: Progress, name: str | None, toil_version: str | None, *, push: bool = False) -> Built:
    """Make an appliance under a name of the user's, and push it if asked.

    :raises UsageError: for a name that is none, or a push without one.
    :raises HostError: when this machine lacks something, or the registry refuses.
    """
    if push and not name:
        raise UsageError("--push needs --tag: the name says to which registry.", "Add --tag REGISTRY/NAME:TAG.")
    if name and not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not an image's name.", "Write [REGISTRY/]NAME[:TAG], in lower case.", tag=name)
    version = toil_version or TOIL_VERSION
    client = docker_engine.ensure(progress)
    image = client.images.get(Builder(client, progress, version).appliance_alone())
    full_name = name if name is None or ":" in name.rpartition("/")[2] else f"{name}:{version}"
    if full_name:
        image.tag(full_name)
    if push and full_name:
        progress(f"Pushing {full_name}")
        registry.push(client, str(image.id), full_name)
    return Built(full_name or image.tags[0], ENGINES, version, image.attrs["Size"], pushed=push)


def remove_cached(client: DockerClient) -> list[str]:
    """Remove every image that toilctl made, except what other containers use; return their tags."""
    from docker.errors import APIError

    image_build.remove_abandoned(client)
    removed = []
    for repository in REPOSITORIES:
        for tag in [tag for image in client.images.list(repository) for tag in image.tags]:
            try:
                client.images.remove(tag)
            except APIError:
                continue
            removed.append(tag)
    return removed


def _sibling(tag: str, repository: str) -> str:
    """Return a passing name for what is made on the way to ``tag``."""
    return f"{repository}:{tag.rpartition(':')[2]}"
