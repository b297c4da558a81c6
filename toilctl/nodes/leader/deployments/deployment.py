"""Where a deployment is, and what is known of it.

=====================  ==============================================================================================
``source/``            its files, and what its runs leave there: only files that were sent are ever replaced or removed
``venv``               its virtualenv, the one path that programs know it by: a link to one of ``venvs/``
``venvs/KEY``          made for one set of requirements and one appliance; workers have it at the same path
``wheelhouse/``        distributions that pip installs from instead of a package index
``incoming/``          what is being sent
``deployment.json``    what is deployed, once it is
``install.log``        all that pip said, the last time it had something to do
=====================  ==============================================================================================

Beside all deployments, ``.on-workers`` lists those that workers need, too; role deployments reads it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import places
from ..records import files
from ..refused import RefusedError

ON_WORKERS = ".on-workers"


@dataclass(frozen=True)
class Place:
    """A deployment's name, and where its parts are."""

    name: str

    @property
    def directory(self) -> Path:
        """All of it."""
        return places.deployed() / self.name

    @property
    def source(self) -> Path:
        """The files."""
        return self.directory / "source"

    @property
    def wheelhouse(self) -> Path:
        """The distributions."""
        return self.directory / "wheelhouse"

    @property
    def incoming(self) -> Path:
        """What is being sent."""
        return self.directory / "incoming"

    @property
    def building(self) -> Path:
        """A copy of the files, in which pip and what it runs may write."""
        return self.directory / "building"

    @property
    def venv(self) -> Path:
        """The link."""
        return self.directory / "venv"

    @property
    def venvs(self) -> Path:
        """What it may lead to."""
        return self.directory / "venvs"

    @property
    def log(self) -> Path:
        """What pip said."""
        return self.directory / "install.log"

    def current(self) -> str:
        """Return the key of the virtualenv that is in use; empty when there is none."""
        if not (self.venv / "bin/python").exists():
            return ""
        return self.venv.readlink().name

    def use(self, key: str) -> None:
        """Let the link lead to another virtualenv, at once, and remove all others."""
        new = self.directory / f".venv.{os.getpid()}"
        new.symlink_to(Path(self.venvs.name, key))
        new.replace(self.venv)
        for other in self.venvs.iterdir():
            if other.name != key:
                shutil.rmtree(other, ignore_errors=True)

    def document(self) -> dict[str, Any]:
        """Return what is known of the deployment; nothing before it is complete."""
        found = files.read(self.directory / "deployment.json")
        return found if isinstance(found, dict) else {}

    def write(self, document: dict[str, Any]) -> None:
        """Remember what is deployed, and whether workers need it."""
        files.write(self.directory / "deployment.json", document)
        names = sorted(one["name"] for one in documents() if one.get("on_workers"))
        part = places.deployed() / f"{ON_WORKERS}.{os.getpid()}"
        part.write_text("".join(f"{name}\n" for name in names))
        part.replace(places.deployed() / ON_WORKERS)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else change the deployment meanwhile.

        :raises RefusedError: when somebody does.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RefusedError(
                    "conflict", f"{self.name!r} is being deployed right now.",
                    f"Wait for it; it writes {self.log} on the leader.", name=self.name,
                ) from None  # fmt: skip
            yield


def documents() -> list[dict[str, Any]]:
    """Return what is known of each deployment, the one deployed last first."""
    try:
        names = [entry.name for entry in places.deployed().iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []
    found = [document for document in (Place(name).document() for name in names) if document]
    return sorted(found, key=lambda one: str(one.get("deployed_at")), reverse=True)
