"""What ``toilctl deploy NAME PATH`` is given, and what of it a leader needs. Nothing is run, nothing is sent.

=================  ====================================================================================================
script             a .py file: it, and the modules and packages beside it that it imports
hierarchy          a directory of packages, run with ``python -m``; a package itself stands for the directory above
project            a directory with setup.py, or a pyproject.toml that says how to build it
wheel, sdist       a .whl, or a .tar.gz of a project
requirements       a .txt file of requirements
package            no path at all: a requirement, such as ``toil-vg`` or ``toil[cwl]==9.6``
=================  ====================================================================================================
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from toilctl.values.errors import NotFoundError, UsageError
from toilctl.workflows import imports, projects, requirement_lines, told, trees
from toilctl.workflows.projects import ToilWish

_SDIST_ENDINGS: Final = (".tar.gz", ".zip")
_PATH_ENDINGS: Final = (".py", ".txt", ".whl", ".toml", ".cwl", ".wdl", ".sh", *_SDIST_ENDINGS)
_NAME_ONE: Final = "Name a script, a directory, a file of requirements, or a package such as toil[cwl]."
_RUNNERS: Final = {".cwl": "toil[cwl]", ".wdl": "toil[wdl]"}


class SourceKind(StrEnum):
    """What a deployment was made of."""

    SCRIPT = "script"
    HIERARCHY = "hierarchy"
    PROJECT = "project"
    WHEEL = "wheel"
    SDIST = "sdist"
    REQUIREMENTS = "requirements"
    PACKAGE = "package"


@dataclass(frozen=True)
class Deployment:
    """What a leader needs of a workflow."""

    name: str
    kind: SourceKind
    given: str
    """As it was typed."""
    root: Path | None = None
    files: tuple[str, ...] = ()
    """Relative to ``root``."""
    installed: str = ""
    """Which of the files pip installs: ``.`` is all of them, a project; empty is none."""
    requirements: tuple[str, ...] = ()
    """What pip installs beside that, a line each."""
    constraints: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Secrets, and what git ignores, which stay here; a directory ends with a slash."""
    programs: tuple[str, ...] = ()
    """How the files are run, where that is known without installing them: ``python -m texts.main``."""
    project: str = ""
    """The name of a project that asks git about itself when it is built."""
    toil: tuple[ToilWish, ...] = ()
    """Which Toil it asks for, as far as that is known without installing it."""


def plan(
    given: str, name: str | None = None, requirements: Path | None = None, include: Collection[str] = ()
) -> Deployment:
    """Say what a path or requirement is, and what of it is to be sent.

    :param requirements: a file of requirements beside a script or hierarchy.
    :param include: what of a directory is sent although it may be a secret, or git ignores it.
    :raises UsageError: when it cannot be deployed, or a file of it cannot be read.
    :raises NotFoundError: when there is nothing of that name, and it is no requirement.
    """
    path = Path(given).expanduser()
    try:
        found = _of_path(path, given, include) if path.exists() else _of_requirement(given)
    except OSError as error:
        where = error.filename or given
        raise UsageError(f"{where} cannot be read: {error.strerror}.", "Make it readable.", path=where) from error
    _check_included(found, include)
    return replace(_with_requirements(found, requirements), name=_name(name, found.name))


def _of_path(path: Path, given: str, include: Collection[str]) -> Deployment:
    if path.is_dir():
        return _of_directory(path.resolve(), given, include)
    if path.suffix == ".py":
        return _script(path, given, include)
    if path.suffix == ".whl" or path.name.endswith(_SDIST_ENDINGS):
        return _archive(path, given)
    if path.suffix == ".txt":
        read = requirement_lines.read(path)
        toil = projects.wishes(read.lines, path.name)
        return Deployment(
            path.stem, SourceKind.REQUIREMENTS, given, requirements=read.lines, constraints=read.constraints, toil=toil
        )
    if path.suffix in _RUNNERS:
        raise UsageError(
            f"{given} is not Python; Toil runs it with {_RUNNERS[path.suffix]}.",
            f"Deploy that: toilctl deploy NAME '{_RUNNERS[path.suffix]}'; and copy the file: "
            f"toilctl rsync-cluster NAME -av {given} :/root/",
            path=path,
        )  # fmt: skip
    raise UsageError(
        f"{given} is neither a Python script, nor a wheel, nor a file of requirements.",
        "A script's name must end in .py, so that Toil can send it to workers, and requirements' in .txt.", path=path,
    )  # fmt: skip


def _check_included(found: Deployment, include: Collection[str]) -> None:
    for one in include:
        name = one.removeprefix("./").rstrip("/")
        if not any(file == name or file.startswith(f"{name}/") for file in found.files):
            raise NotFoundError(
                f"--include {one}: {found.given} has no such file or directory.",
                "Write its path as 'left out' shows it.", path=one,
            )  # fmt: skip


def _of_directory(directory: Path, given: str, include: Collection[str]) -> Deployment:
    if projects.is_project(directory):
        project, tree = projects.read(directory), trees.look(directory, include)
        name = project.name or directory.name
        asking = name if project.asks_git else ""
        return Deployment(
            name, SourceKind.PROJECT, given, directory, tree.files, installed=".", left_out=tree.left_out,
            project=asking, toil=project.toil,
        )  # fmt: skip
    if (directory / "__init__.py").is_file():
        # Toil and Python want the directory that has the package.
        root = directory.parent
        tree = imports.needed(root, directory, include)
    else:
        root, tree = directory, trees.look(directory, include)
    files = tree.files
    if not any(name.endswith(".py") for name in files):
        what = "is empty" if not files else "has no Python file in it"
        raise UsageError(f"The directory {given} {what}.", "Name a script, a directory of packages, or a project.",
                         path=directory)  # fmt: skip
    return Deployment(
        directory.name, SourceKind.HIERARCHY, given, root, files, left_out=tree.left_out,
        programs=trees.runnable(root, files),
    )  # fmt: skip


def _script(path: Path, given: str, include: Collection[str]) -> Deployment:
    if path.stem in sys.stdlib_module_names | {"toil"}:
        raise UsageError(
            f"A script cannot be called {path.name}: it would be imported instead of the module {path.stem}.",
            "Give it another name; Toil refuses it, too.", path=path,
        )  # fmt: skip
    imports.check_script(path)
    root = path.parent.resolve()
    tree = imports.needed(root, root / path.name, include)
    return Deployment(
        path.stem, SourceKind.SCRIPT, given, root, tree.files, left_out=tree.left_out,
        programs=(f"python {path.name}",),
    )  # fmt: skip


def _archive(path: Path, given: str) -> Deployment:
    try:
        if path.suffix == ".whl":
            name, kind = str(parse_wheel_filename(path.name)[0]), SourceKind.WHEEL
        else:
            name, kind = str(parse_sdist_filename(path.name)[0]), SourceKind.SDIST
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise UsageError(
            f"{given} has not the name of a wheel or source distribution: {error}.",
            "Leave it called as its build named it, such as tallies-1.0-py3-none-any.whl.", path=path,
        ) from None  # fmt: skip
    with path.open("rb") as opened:
        opened.read(1)
    return Deployment(name, kind, given, path.parent.resolve(), (path.name,), installed=path.name)


def _of_requirement(given: str) -> Deployment:
    if given.startswith(("-e ", "--editable")):
        raise UsageError("Nothing can be deployed editable: Toil could not send it to workers.", "Leave out -e.")
    is_remote = "://" in given or "@" in given
    if not is_remote and (given.endswith(_PATH_ENDINGS) or "/" in given):
        raise NotFoundError(f"There is no file or directory {given!r}.", _NAME_ONE, path=given)
    try:
        requirement = Requirement(given)
    except InvalidRequirement:
        if is_remote:
            requirement_lines.check(given)
            raise UsageError("A URL does not tell the package's name.", f"Write: 'NAME @ {given}'.") from None
        also = "and it is no package's name either"
        raise NotFoundError(f"There is no file or directory {given!r}, {also}.", _NAME_ONE, path=given) from None
    requirement_lines.check(given)
    lines = (str(requirement),)
    return Deployment(
        requirement.name, SourceKind.PACKAGE, given, requirements=lines, toil=projects.wishes(lines, "what you typed")
    )


def _with_requirements(found: Deployment, path: Path | None) -> Deployment:
    if path is None:
        return found
    if found.kind not in (SourceKind.SCRIPT, SourceKind.HIERARCHY):
        raise UsageError(
            f"--requirements goes with a script or a directory of packages; {found.given} is a {found.kind}.",
            "Leave it out: what a project needs is in its own pyproject.toml or setup.py."
            if found.kind is SourceKind.PROJECT else "Leave it out.",
        )  # fmt: skip
    read = requirement_lines.read(path.expanduser())
    toil = (*found.toil, *projects.wishes(read.lines, path.name))
    return replace(found, requirements=read.lines, constraints=read.constraints, toil=toil)


def _name(named: str | None, default: str) -> str:
    if named is None:
        return re.sub(r"[^A-Za-z0-9._-]+", "-", default).strip("-._")[:63] or "workflow"
    if not told.NAME.fullmatch(named):
        raise UsageError(
            f"{named!r} cannot be a deployment's name.",
            "Use letters, digits, dots, hyphens and underscores, at most 63, and begin with a letter or digit.",
            name=named,
        )
    return named


def wheels(directory: Path) -> tuple[str, ...]:
    """Return the distributions in a wheelhouse.

    :raises NotFoundError: when there is no such directory.
    :raises UsageError: when there is none in it.
    """
    if not directory.is_dir():
        raise NotFoundError(f"There is no directory {directory}.", "Name one with wheels in it.", path=directory)
    there = sorted(entry.name for entry in directory.iterdir() if entry.is_file())
    names = tuple(name for name in there if name.endswith((".whl", *_SDIST_ENDINGS)))
    if not names:
        raise UsageError(
            f"The directory {directory} has no wheels in it.",
            f"Fill it with: pip download --dest {directory} REQUIREMENT", path=directory,
        )  # fmt: skip
    return names
