"""Which files of a distribution go to the leader: what runs there, without tests, documents and other clouds' data."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath
from typing import Any, Final

import toilctl

AWS_SERVICES: Final = ("ec2", "efs", "iam", "pricing", "s3", "service-quotas", "ssm", "sts")
"""Of which botocore's data are kept: those that toilctl and its roles ask."""
SCRIPTS_OF: Final = ("toilctl", "ansible-core")

_UNWANTED_PARTS: Final = frozenset({"__pycache__", "tests", "molecule"})
_UNWANTED: Final = {
    "ansible-core": re.compile(r"ansible_test/|ansible/galaxy/data/"),
    "boto3": re.compile(rf"boto3/examples/|boto3/data/(?!({'|'.join(AWS_SERVICES)})/)"),
    "botocore": re.compile(rf"botocore/data/(?!({'|'.join(AWS_SERVICES)})/)[^/]+/"),
}
_OF_INSTALLATION: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json"})
_TEST_COMMAND: Final = "ansible-test"


@dataclass(frozen=True)
class Part:
    """A distribution as it goes to the leader."""

    name: str
    version: str
    files: Mapping[str, Path]
    """Where each file is, by its path below site-packages."""
    texts: Mapping[str, str]
    """The files of its metadata, by their paths below site-packages."""
    scripts: Mapping[str, str]
    """``module:function`` of each command."""


def part(found: Distribution) -> Part:
    """Return what of a distribution goes to the leader."""
    name = found.name
    stem = f"{re.sub(r'[-_.]+', '_', name).lower()}-{found.version}.dist-info"
    files = own_files() if name == "toilctl" else dict(_installed_files(found))
    metadata = {f"{stem}/METADATA": found.read_text("METADATA") or ""}
    return Part(name, found.version, files, metadata, _scripts(found) if name in SCRIPTS_OF else {})


def _installed_files(found: Distribution) -> Iterator[tuple[str, Path]]:
    unwanted = _UNWANTED.get(found.name)
    for file in found.files or ():
        path = file.as_posix()
        elsewhere = file.is_absolute() or ".." in file.parts
        if elsewhere or _is_unwanted(file) or (unwanted and unwanted.match(path)):
            continue
        yield path, Path(str(file.locate()))


def _is_unwanted(file: PurePosixPath) -> bool:
    if file.parts[0].endswith((".dist-info", ".egg-info")):
        # Its licence must come along; METADATA is written from what was read.
        return file.name in _OF_INSTALLATION or file.name in {"METADATA", "entry_points.txt"}
    return bool(_UNWANTED_PARTS & set(file.parts)) or file.suffix in {".pyc", ".pth"}


def own_files() -> dict[str, Path]:
    """Return toilctl's files by their paths in the wheel, whether it is installed or runs from a checkout."""
    package = Path(toilctl.__file__).parent
    files = dict(_walk(package, "toilctl"))
    if not (package / "ansible").is_dir():
        for source, target in _pyproject(package)["tool"]["hatch"]["build"]["targets"]["wheel"][
            "force-include"
        ].items():
            files |= dict(_walk(package.parent / source, target))
    return files


def _walk(root: Path, target: str) -> Iterator[tuple[str, Path]]:
    if root.is_file():
        yield target, root
    # Of roles, links to what runs on nodes are followed, which rglob does not do.
    found = (Path(directory, name) for directory, _, names in os.walk(root, followlinks=True) for name in names)
    for path in sorted(found):
        relative = path.relative_to(root)
        hidden = any(name.startswith(".") for name in relative.parts)
        if not hidden and not _is_unwanted(PurePosixPath(target, relative)):
            yield f"{target}/{relative.as_posix()}", path


def _scripts(found: Distribution) -> dict[str, str]:
    package = Path(toilctl.__file__).parent
    if found.name == "toilctl" and not (package / "ansible").is_dir():
        # What an editable installation recorded may be older than the checkout.
        return dict(_pyproject(package)["project"]["scripts"])
    points = found.entry_points.select(group="console_scripts")
    return {point.name: point.value for point in points if point.name != _TEST_COMMAND}


def _pyproject(package: Path) -> dict[str, Any]:
    return tomllib.loads((package.parent / "pyproject.toml").read_text())
