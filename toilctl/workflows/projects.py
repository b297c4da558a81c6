"""What a Python project says of itself without being built: its name, and which Toil it asks for."""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from toilctl.values.errors import UsageError
from toilctl.workflows import trees

_ASKS_GIT: Final = re.compile(r"\bgit\b|scm\b|\bvcs\b|hatch-vcs|versioneer|\bpbr\b")
_BUILD_FILES: Final = ("setup.py", "setup.cfg", "pyproject.toml")
_TOIL_FILES: Final = ("toil-requirement.txt", "toil-requirements.txt")
"""Where Cactus says which Toil it is made for; its setup.py does not."""


@dataclass(frozen=True)
class ToilWish:
    """A requirement of Toil, and the file that has it."""

    requirement: str
    said_by: str


@dataclass(frozen=True)
class Project:
    """A directory that pip can install."""

    name: str | None
    """None when only a build would tell."""
    toil: tuple[ToilWish, ...] = ()
    asks_git: bool = False
    """Whether its build may look for a commit or a version in git."""


def is_project(directory: Path) -> bool:
    """Tell whether pip can install a directory; a pyproject.toml with settings of tools alone does not count.

    :raises UsageError: when its pyproject.toml is broken.
    """
    if (directory / "setup.py").is_file():
        return True
    return bool({"project", "build-system"} & set(_pyproject(directory)))


def read(directory: Path) -> Project:
    """Read a project's files.

    :raises UsageError: when one of them is broken.
    """
    declared = _pyproject(directory)
    setup = _setup_arguments(directory)
    config = _setup_cfg(directory)
    own = declared.get("project", {})
    poetry = declared.get("tool", {}).get("poetry", {})
    name = own.get("name") or poetry.get("name") or config.get("name") or setup.get("name")
    lines = [("pyproject.toml", line) for line in own.get("dependencies", ())]
    lines += [("setup.cfg", line) for line in config.get("install_requires", "").splitlines()]
    lines += [("setup.py", line) for line in setup.get("install_requires", ())]
    lines += list(_toil_files(directory))
    texts = [path.read_text(errors="replace") for path in map(directory.joinpath, _BUILD_FILES) if path.is_file()]
    asks_git = any(map(_ASKS_GIT.search, texts))
    return Project(str(name) if name else None, tuple(_wishes(lines)), asks_git)


def wishes(lines: tuple[str, ...], said_by: str) -> tuple[ToilWish, ...]:
    """Return those of some requirements that are for Toil."""
    return tuple(_wishes([(said_by, line) for line in lines]))


def _wishes(lines: list[tuple[str, str]]) -> Iterator[ToilWish]:
    for said_by, line in lines:
        try:
            requirement = Requirement(line.partition("#")[0].strip())
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == "toil":
            yield ToilWish(str(requirement), said_by)


def _pyproject(directory: Path) -> dict[str, Any]:
    path = directory / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Correct it.", path=path) from None


def _setup_cfg(directory: Path) -> Mapping[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(directory / "setup.cfg", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        # Whoever builds it says more.
        return {}
    found = {"name": parser.get("metadata", "name", fallback="")}
    return found | {"install_requires": parser.get("options", "install_requires", fallback="")}


def _setup_arguments(directory: Path) -> dict[str, Any]:
    """Return those arguments of ``setup()`` in setup.py that are written out."""
    path = directory / "setup.py"
    try:
        tree = trees.parsed(path)
    except (FileNotFoundError, SyntaxError):
        return {}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "setup"]
    return {
        keyword.arg: value
        for call in named
        for keyword in call.keywords
        if keyword.arg and (value := _written_out(keyword.value)) is not None
    }


def _written_out(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [item.value for item in node.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return None


def _toil_files(directory: Path) -> Iterator[tuple[str, str]]:
    for name in _TOIL_FILES:
        path = directory / name
        if path.is_file():
            yield from ((name, line) for line in path.read_text(errors="replace").splitlines())
