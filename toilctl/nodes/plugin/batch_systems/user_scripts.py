"""Users' code travels to workers as Toil's documentation promises, and is unpacked once on each."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..sources import archive

if TYPE_CHECKING:
    from toil.jobStores.abstractJobStore import AbstractJobStore
    from toil.resource import ModuleDescriptor, Resource

KEPT = "toilctl-sources"
"""A directory below Toil's own on workers, with what was unpacked there, by its content."""
_OF_ENVIRONMENTS = ("site-packages", "dist-packages")


@functools.cache
def pack_sources() -> None:
    """Let Toil send all packages and modules of a project, and those of an active virtualenv, not one package alone."""
    from toil.resource import DirectoryResource, ModuleDescriptor

    def save(module: ModuleDescriptor, job_store: AbstractJobStore) -> Resource:
        directory = Path(module.dirPath)
        from_environment = bool(module.fromVirtualEnv) and directory.name in _OF_ENVIRONMENTS
        load = functools.partial(archive.pack, directory, module.name, from_environment=from_environment)
        return _created(DirectoryResource, lambda _: load(), job_store, module._resourcePath)

    ModuleDescriptor.saveAsResourceTo = save


def _created(
    resource: type[Resource], load: Callable[[str], IO[bytes]], job_store: AbstractJobStore, path: str
) -> Resource:
    """Save what ``load`` gives. Workers know a resource by the name of Toil's class, so that loads it for once."""
    before = resource.__dict__["_load"]
    resource._load = staticmethod(load)
    try:
        return resource.create(job_store, path)
    finally:
        resource._load = before


def fetching(command: str, script: Resource) -> str:
    """Return a command that runs a worker's command where the user's code is, or is about to be, unpacked.

    It is one program with its arguments, since Toil puts ``exec`` before it.

    Toil's own way for batch systems without files starts a second Python for each job, which downloads and unpacks all
    anew and removes it again.
    """
    directory = f'"${{TOIL_WORKDIR:-/var/tmp}}/{KEPT}"'
    name = script.resourceEnvNamePrefix + script.pathHash
    return shlex.join([
        "sh", "-c",
        f"export {script.rootDirPathEnvName}={directory} {name}={shlex.quote(script.pickle())}; "
        f'mkdir -p -m 700 "${script.rootDirPathEnvName}" && exec {command}',
    ])  # fmt: skip
