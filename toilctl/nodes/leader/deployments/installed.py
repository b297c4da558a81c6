"""What came into a virtualenv: packages, programs, and whether workers need it as well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from . import virtualenvs

SHIPPED_KINDS = frozenset({"project", "wheel", "sdist", "package"})
"""Their workflow is in the virtualenv, so that Toil sends the virtualenv's packages along with each job."""
RUNNERS = {"cwl": "toil-cwl-runner", "wdl": "toil-wdl-runner"}
"""Toil's programs for workflows in other languages, by the extra that they need."""
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^\]]*)\])?")
_TOOLS = frozenset({"pip", "setuptools", "wheel"})


@dataclass(frozen=True)
class Installed:
    """What a virtualenv has beyond the appliance."""

    packages: dict[str, str]
    """Versions by name."""
    native: bool
    on_workers: bool
    """Whether jobs would miss something that Toil does not send."""
    programs: tuple[str, ...]
    """Those of what was asked for, not of what that needs."""


def look(venv: Path, kind: str, requirements: Iterable[str]) -> Installed:
    """Look into a virtualenv.

    :param kind: what the deployment is, as ``toilctl deploy`` tells.
    """
    found = virtualenvs.distributions(venv)
    packages = {one.metadata["Name"]: one.version for one in found}
    asked = {_name(match["name"]): match["extras"] or "" for match in map(_REQUIREMENT.match, requirements) if match}
    native = virtualenvs.is_native(venv)
    needed = {_name(name) for name in packages} - (_TOOLS - set(asked))
    missed = bool(needed) and (native or kind not in SHIPPED_KINDS or bool(needed & _of_toil()))
    return Installed(packages, native, missed, (*_runners(asked), *_programs(found, set(asked))))


def _of_toil() -> set[str]:
    """Return what Toil needs, with any of its extras: its own modules are never sent, nor what they import."""
    lines = metadata.requires("toil") or []
    return {_name(match["name"]) for match in map(_REQUIREMENT.match, lines) if match}


def _programs(found: Iterable[metadata.Distribution], asked: set[str]) -> list[str]:
    """Return the programs of what was asked for by name or as a path, the one called like its package first."""
    named = [
        (_name(point.name) != _name(one.metadata["Name"]), point.name)
        for one in found
        if _name(one.metadata["Name"]) in asked or '"url": "file:' in (one.read_text("direct_url.json") or "")
        for point in one.entry_points
        if point.group == "console_scripts"
    ]
    return [program for _, program in sorted(named)]


def _runners(asked: dict[str, str]) -> list[str]:
    extras = {extra.strip().lower() for extra in asked.get("toil", "").split(",")}
    return [program for extra, program in RUNNERS.items() if extras & {extra, "all"}]


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()
