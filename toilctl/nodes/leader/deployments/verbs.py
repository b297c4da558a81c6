"""Deployments: ``prepare`` says what is to be sent, ``install`` makes of it what can be run, ``list`` tells of all.

A deployment that is there stays usable until the next one is complete, whatever becomes of that.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import places
from ..records import attempts
from ..records import files as run_files
from ..refused import RefusedError
from . import deployment, installed, virtualenvs
from . import files as deployment_files
from .deployment import Place
from .pip import Pip, PipWanted
from .virtualenvs import InstalledToil

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Request:
    """What is to be deployed. Files are told by ``deployment_files.digest``."""

    name: str
    kind: str
    path: str
    """As its user typed it."""
    files: Mapping[str, str]
    wheels: Mapping[str, str] | None
    """None without a wheelhouse."""
    installed: str
    """Which of the files pip installs; ``.`` is all of them, and empty none."""
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    programs: tuple[str, ...]
    commit: str
    """What git says where its directory is not sent."""
    project: str
    """The name of what is built, which ``version`` is for."""
    version: str
    """The version that is reckoned from a tag of git's."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Request:
        """Read one.

        :raises RefusedError: when its name, or one of its files', leads elsewhere.
        """
        name, files, wheels = str(document["name"]), dict(document["files"]), document.get("wheels")
        if not NAME.fullmatch(name):
            raise RefusedError("usage", f"{name!r} cannot be a deployment's name.", "Give it another one with --name.")
        deployment_files.check_names({**files, **(wheels or {})})
        return cls(
            name=name, kind=str(document["kind"]), path=str(document["path"]), files=files, wheels=wheels,
            installed=str(document.get("installed") or ""), requirements=tuple(document.get("requirements") or ()),
            constraints=tuple(document.get("constraints") or ()), programs=tuple(document.get("programs") or ()),
            commit=str(document.get("commit") or ""), project=str(document.get("project") or ""),
            version=str(document.get("version") or ""),
        )  # fmt: skip

    @property
    def installs(self) -> bool:
        """Whether pip has something to do."""
        return bool(self.installed or self.requirements)

    def key(self, appliance: InstalledToil) -> str:
        """Return what is the same for the same virtualenv."""
        pip = (self.kind, self.requirements, self.constraints, self.wheels, self.installed, self.commit, self.version)
        needed = (*pip, self.files if self.installed else {}) if self.installs else ()
        return _hashed([asdict(appliance), needed])[:12]

    def fingerprint(self, appliance: InstalledToil) -> str:
        """Return what is the same for the same deployment."""
        return _hashed([self.key(appliance), self.kind, self.files, self.wheels, self.programs])


def prepare(document: dict[str, Any]) -> dict[str, Any]:
    """Say what of a deployment is not here, and where it is to be sent; what is complete already is the last one now.

    :raises RefusedError: when it cannot be one.
    """
    request, appliance = Request.of(document), InstalledToil.here()
    place = Place(request.name)
    before = place.document()
    lacking = deployment_files.lacking(request.files, place.source, place.incoming / "source")
    wheels = deployment_files.lacking(request.wheels or {}, place.wheelhouse, place.incoming / "wheelhouse")
    key = request.key(appliance)
    _check_unused(place, key)
    unchanged = (
        before.get("fingerprint") == request.fingerprint(appliance) and place.current() == key
        and not deployment_files.lacking(request.files, place.source)
    )  # fmt: skip
    if unchanged:
        place.write({**before, "deployed_at": _now(), "path": request.path})
    else:
        for part in ("source", "wheelhouse"):
            (place.incoming / part).mkdir(parents=True, exist_ok=True)
    return {
        **asdict(appliance), "incoming": str(place.incoming), "unchanged": unchanged, "before": before or None,
        "lacking": lacking, "lacking_wheels": wheels, "installs": request.installs and place.current() != key,
    }  # fmt: skip


def install(document: dict[str, Any]) -> dict[str, Any]:
    """Install what has come, and put it in place of what was there; return what is deployed now.

    :raises RefusedError: when it cannot be installed; then what was there is there still.
    """
    request, appliance = Request.of(document), InstalledToil.here()
    place = Place(request.name)
    with place.locked():
        before, incoming = place.document(), place.incoming
        _check_unused(place, request.key(appliance))
        deployment_files.check_arrived(request.files, incoming / "source", place.source)
        deployment_files.check_arrived(request.wheels or {}, incoming / "wheelhouse", place.wheelhouse)
        _check_syntax(request, place)
        deployment_files.take(
            request.wheels or {}, dict.fromkeys(_names(place.wheelhouse), ""), incoming / "wheelhouse", place.wheelhouse
        )
        key = request.key(appliance)
        built = place.current() != key
        if built:
            _build(request, place, key, appliance)
        removed = deployment_files.take(request.files, before.get("files") or {}, incoming / "source", place.source)
        shutil.rmtree(incoming, ignore_errors=True)
        found = _described(request, place, key, appliance)
        # Workers that had it once must not be left with what it was then.
        found["on_workers"] = found["on_workers"] or bool(before.get("on_workers"))
        if built:
            virtualenvs.finish(place.venvs / key, place.venv, on_workers=found["on_workers"])
            place.use(key)
        place.write(found)
    return {"deployment": found, "built": built, "removed": removed}


def listing(_: dict[str, Any]) -> dict[str, Any]:
    """Return all deployments, the one deployed last first, each with whether its virtualenv fits this appliance."""
    here = asdict(InstalledToil.here())
    return {"deployments": [{**one, "stale": one.get("appliance") != here} for one in deployment.documents()]}


VERBS = {"prepare": prepare, "install": install, "list": listing}


def _check_unused(place: Place, key: str) -> None:
    """Refuse to take a virtualenv from under a run.

    :raises RefusedError: when one uses it.
    """
    if place.current() in ("", key):
        return
    for run in run_files.all_runs():
        attempt = attempts.last(run)
        if attempt.deployment == place.name and attempts.ending(run, attempt).goes_on:
            raise RefusedError(
                "conflict", f"Run {run.name!r} uses the virtualenv of {place.name!r}, which would be replaced.",
                f"Let it end, or stop it: toilctl stop {places.cluster()} {run.name}; or deploy with another --name.",
                name=place.name, run=run.name,
            )  # fmt: skip


def _build(request: Request, place: Place, key: str, appliance: InstalledToil) -> None:
    """Make the virtualenv of a key, and install into it; nothing is left of one that cannot be completed."""
    venv = place.venvs / key
    for leftover in (venv, place.building):
        shutil.rmtree(leftover, ignore_errors=True)
    place.log.write_bytes(b"")
    try:
        virtualenvs.make(venv, place.venv)
        if request.installs:
            place.building.mkdir()
            pip = Pip(venv, place.log, place.building, _versions(request))
            pip.install(_wanted(request, place), appliance.toil)
    except BaseException:
        shutil.rmtree(venv, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(place.building, ignore_errors=True)


def _wanted(request: Request, place: Place) -> PipWanted:
    """Copy what is to be built to where a build may write, and say what pip shall do."""
    path = None
    if request.installed:
        copied = place.building / "project"
        deployment_files.copy(request.files, copied, place.incoming / "source", place.source)
        path = copied if request.installed == "." else copied / request.installed
        if request.commit:
            _say_commit(copied, request.commit)
    wheelhouse = None if request.wheels is None else place.wheelhouse
    return PipWanted(request.requirements, request.constraints, path, wheelhouse)


def _say_commit(project: Path, commit: str) -> None:
    """Let ``git rev-parse HEAD`` say the commit of files whose history stayed where they came from."""
    for part in ("objects", "refs"):
        (project / ".git" / part).mkdir(parents=True)
    (project / ".git/HEAD").write_text(f"{commit}\n")


def _versions(request: Request) -> dict[str, str]:
    """Return what tells builds the version that they would ask git's tags for."""
    if not request.version:
        return {}
    project = re.sub(r"[-_.]+", "_", request.project).upper()
    return {f"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{project}": request.version}


def _check_syntax(request: Request, place: Place) -> None:
    """Make sure that the appliance's Python reads a script and what lies beside it.

    :raises RefusedError: when one of them is of another Python.
    """
    for name in request.files if request.kind == "script" else ():
        if "/" in name or not name.endswith(".py"):
            continue
        new = place.incoming / "source" / name
        try:
            ast.parse((new if new.is_file() else place.source / name).read_bytes(), name)
        except SyntaxError as error:
            python = InstalledToil.here().python
            raise RefusedError(
                "usage", f"{name}, line {error.lineno or 1}, is not Python {python}, the appliance's: {error.msg}.",
                "Write it in that Python, or launch a cluster with an appliance of a newer one.", file=name,
            ) from None  # fmt: skip


def _described(request: Request, place: Place, key: str, appliance: InstalledToil) -> dict[str, Any]:
    found = installed.look(place.venvs / key, request.kind, request.requirements)
    return {
        "name": request.name, "kind": request.kind, "path": request.path, "deployed_at": _now(),
        "fingerprint": request.fingerprint(appliance), "native": found.native, "on_workers": found.on_workers,
        "packages": found.packages, "commands": [*request.programs, *found.programs],
        "toil": appliance.toil, "python": appliance.python, "appliance": asdict(appliance),
        "files": dict(request.files), "requirements": list(request.requirements),
    }  # fmt: skip


def _names(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir()] if directory.is_dir() else []


def _hashed(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")  # noqa: UP017 - Python 3.9
