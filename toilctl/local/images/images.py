"""The images of the rehearsal cloud, each made once: its tag is a hash of all that goes into it."""

from __future__ import annotations

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

from toilctl.local import state
from toilctl.local.hosts import containers, docker_engine
from toilctl.local.hosts.docker_engine import Progress
from toilctl.local.images import base_image, build, mesos_source, registry, wheels
from toilctl.local.images.mesos_kept import KeptMesos
from toilctl.local.images.tree import COMPILED, digest
from toilctl.system import locks
from toilctl.values.errors import HostError, UsageError

if TYPE_CHECKING:
    from docker import DockerClient

TOIL_VERSION: Final = "9.6.0"
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
    engines: tuple[str, ...]
    """The appliance's."""
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
    other_runs: bool = False
    """Whether a rehearsal cloud runs with another appliance, which it keeps."""


@dataclass(frozen=True)
class Tags:
    """Every image's tag: what is not there under its tag must be made."""

    base: str
    plain: str
    without_mesos: str
    """The appliance with Slurm alone, which the one with Mesos is made from; ``appliance`` itself without Mesos."""
    appliance: str
    prepared: str
    registry: str

    @classmethod
    def of(cls, toil_version: str, mesos: KeptMesos | None = None) -> Tags:
        """Compute the tags."""
        base = digest(base_image.SUITE, *base_image.OPTIONS)
        plain = digest(base, _DATA / "node")
        without = digest(base, _DATA / "appliance", toil_version)
        appliance = digest(without, _DATA / "mesos", mesos.digest) if mesos else without
        return cls(
            base=f"{BASE}:{base}",
            plain=f"{PLAIN}:{plain}",
            without_mesos=f"{APPLIANCE}:{without}",
            appliance=f"{APPLIANCE}:{appliance}",
            prepared=f"{PREPARED}:{digest(plain, appliance, _DATA / 'prepared', _DATA / 'fill')}",
            registry=f"{registry.REPOSITORY}:{digest(base, appliance, _DATA / 'registry')}",
        )


class Builder:
    """Makes the images that are not there."""

    def __init__(
        self, client: DockerClient, progress: Progress, toil_version: str = TOIL_VERSION, mesos: KeptMesos | None = None
    ) -> None:
        self.tags = Tags.of(toil_version, mesos)
        self.engines = ("slurm", "mesos") if mesos else ("slurm",)
        self._mesos = mesos
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
        return Images(tags.appliance, self.engines, tags.plain, **chosen)

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
        if self._all_there(self.tags.appliance):
            return
        self._make(self.tags.without_mesos, "the appliance", self._make_appliance)
        mesos = self._mesos
        if mesos:
            self._make(self.tags.appliance, "the appliance with Mesos", lambda: self._add_mesos(mesos))

    def prepared(self) -> None:
        """Make the node image with Docker, and the appliance in it."""
        self._make(self.tags.prepared, "the prepared node image", self._make_prepared)

    def registry(self) -> None:
        """Make the registry's image, with the appliance in it."""
        self._make(self.tags.registry, "the registry", self._make_registry)

    def _make_plain(self) -> None:
        build.build(self._client, _DATA / "node", self.tags.plain, BASE=self.tags.base)

    def _make_appliance(self) -> None:
        with _context("appliance") as context:
            wheels.fill(context / "pip", self._toil_version)
            self._build_flat(context, self.tags.without_mesos, BASE=self.tags.base, TOIL_VERSION=self._toil_version)

    def _add_mesos(self, mesos: KeptMesos) -> None:
        with _context("mesos") as context:
            shutil.copytree(mesos.directory, context / "collected")
            try:
                self._build_flat(context, self.tags.appliance, APPLIANCE=self.tags.without_mesos)
            except HostError as error:
                refused = mesos_source.refused(mesos, error.facts.get("said", ()))
                if refused is None:
                    raise
                raise refused from error

    def _build_flat(self, context: Path, tag: str, **arguments: str) -> None:
        layered = _sibling(tag, LAYERS)
        try:
            build.build(self._client, context, layered, **arguments)
        finally:
            self._client.images.prune({"dangling": True, "label": "toilctl.build=appliance"})
        # Of one layer: unpacked inside another image, a layer that deletes files of a lower one loses its marks.
        build.flatten(self._client, layered, tag)
        build.discard(self._client, layered)

    def _make_prepared(self) -> None:
        with_docker = _sibling(self.tags.prepared, WITH_DOCKER)
        build.build(self._client, _DATA / "prepared", with_docker, BASE=self.tags.plain)
        build.fill_docker(self._client, with_docker, self.tags.appliance, _DATA / "fill", self.tags.prepared)
        build.discard(self._client, with_docker)

    def _make_registry(self) -> None:
        empty = _sibling(self.tags.registry, EMPTY)
        build.build(self._client, _DATA / "registry", empty, BASE=self.tags.base)
        registry.fill(self._client, empty, self.tags.appliance, self.tags.registry)
        build.discard(self._client, empty)

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
        with locks.locked(Path(tempfile.gettempdir(), f"toilctl-images-{os.getuid()}.lock"), wait=True):
            with ThreadPoolExecutor(1) as pool:
                # A failure shows where the wheels are used; the network and the disk have time for both now.
                pool.submit(wheels.prefetch, self._toil_version)
                self._make(self.tags.base, "the base image", self._make_base)
            yield

    def _make_base(self) -> None:
        base_image.make(self._client, self.tags.base, self._say)


def build_appliance(
    progress: Progress,
    name: str | None,
    toil_version: str | None,
    *,
    mesos_from: str | None = None,
    push: bool = False,
) -> Built:
    """Make an appliance under a name of the user's, with the Mesos of a directory or image, and push it if asked.

    :raises UsageError: for a name that is none, a push without one, or a source that has no Mesos.
    :raises HostError: when this machine lacks something, the Mesos does not run, or the registry refuses.
    """
    _require_name(name, push)
    version = toil_version or TOIL_VERSION
    mesos = mesos_source.collect(mesos_from, progress) if mesos_from else None
    client = docker_engine.ensure(progress)
    builder = Builder(client, progress, version, mesos)
    image = client.images.get(builder.appliance_alone())
    full_name = name if name is None or ":" in name.rpartition("/")[2] else f"{name}:{version}"
    if full_name:
        image.tag(full_name)
    if push and full_name:
        progress(f"Pushing {full_name}")
        registry.push(client, str(image.id), full_name)
    return Built(
        full_name or builder.tags.appliance, builder.engines, version, image.attrs["Size"], pushed=push,
        other_runs=mesos is not None and _runs_other(Tags.of(TOIL_VERSION, mesos).appliance),
    )  # fmt: skip


def _require_name(name: str | None, push: bool) -> None:
    if push and not name:
        raise UsageError("--push needs --tag: the name says to which registry.", "Add --tag REGISTRY/NAME:TAG.")
    if name and not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not an image's name.", "Write [REGISTRY/]NAME[:TAG], in lower case.", tag=name)


def _runs_other(appliance: str) -> bool:
    running = state.find()
    return running is not None and running.hosts and running.appliance_image != appliance


def remove_cached(client: DockerClient) -> list[str]:
    """Remove every image that toilctl made, except what other containers use; return their tags."""
    from docker.errors import APIError

    build.remove_abandoned(client)
    removed = []
    for repository in REPOSITORIES:
        for tag in [tag for image in client.images.list(repository) for tag in image.tags]:
            try:
                client.images.remove(tag)
            except APIError:
                continue
            removed.append(tag)
    return removed


@contextmanager
def _context(kind: str) -> Iterator[Path]:
    """Yield a copy of a directory with a Dockerfile, for more to be added."""
    with tempfile.TemporaryDirectory() as scratch:
        context = Path(scratch, "context")
        shutil.copytree(_DATA / kind, context, ignore=shutil.ignore_patterns(COMPILED))
        yield context


def _sibling(tag: str, repository: str) -> str:
    """Return a passing name for what is made on the way to ``tag``."""
    return f"{repository}:{tag.rpartition(':')[2]}"
