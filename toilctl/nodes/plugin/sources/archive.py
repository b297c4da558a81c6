"""Packs a workflow's code for Toil, which unpacks it on workers, and says what goes along and what stays."""

from __future__ import annotations

import io
import logging
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from . import roots, selection
from .selection import Selection

logger = logging.getLogger(f"toil.{__name__}")

LIMIT_VARIABLE = "TOILCTL_MAX_PROJECT_MIB"
LIMIT_MIB = 100
ORIGIN = ".toilctl-origin"
"""A file with the project's directory: Toil remembers one for each content, and two projects may have the same."""
_SHOWN = 5
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Zip's first date. The same files make the same archive, which workers then have already."""


def pack(directory: Path, module: str, *, from_environment: bool) -> io.BytesIO:
    """Return a zip archive of all that a module may import which workers lack.

    :param directory: what Python imports the module from.
    :param module: its name, such as ``workflow.main``.
    :param from_environment: whether the directory is a virtualenv's.
    """
    plugin = Path(__file__).resolve().parents[2]
    files: dict[str, Path] = {}
    environment = directory if from_environment else roots.environment()
    if environment is not None:
        files.update(selection.of_environment(environment).files)
    for root in roots.of_python_path(plugin):
        files.update(selection.of_project(root).files)
    if not from_environment:
        project = _project(directory, module)
        _tell(directory, project)
        files.update(project.files)
    return _zipped(files, directory)


def _project(directory: Path, module: str) -> Selection:
    if not roots.is_project(directory):
        package = module.partition(".")[0] if "." in module else ""
        logger.warning(
            "Of %s, only %s goes to workers: give the project a directory of its own.",
            directory, f"the package {package}" if package else "the modules beside the script",
        )  # fmt: skip
        return selection.of_modules(directory, package)
    found = selection.of_project(directory)
    _check(directory, found.size())
    return found


def _check(directory: Path, size: int) -> None:
    limit_mib = _limit_mib()
    if size <= limit_mib * 2**20:
        return
    needed = -(-size // 2**20)
    logger.critical(
        "The Python modules and package data in %s have %d MiB, and %d go to workers. Move data elsewhere, or list it "
        "in .gitignore, or send it all: export %s=%d.", directory, needed, limit_mib, LIMIT_VARIABLE, needed,
    )  # fmt: skip
    sys.exit(1)


def _limit_mib() -> int:
    text = os.environ.get(LIMIT_VARIABLE, "")
    return int(text) if text.isascii() and text.isdigit() else LIMIT_MIB


def _tell(directory: Path, found: Selection) -> None:
    left_out = list(found.left_out)
    more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
    stays = f"; left out: {', '.join(map(repr, left_out[:_SHOWN]))}{more}" if left_out else ""
    count = len(found.files)
    files = f"{count} file{'' if count == 1 else 's'} ({-(-found.size() // 1024)} KiB)"
    logger.info("Workers get %s of %s%s.", files, directory, stays)


def _zipped(files: Mapping[str, Path], directory: Path) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(_entry(name), files[name].read_bytes())
        archive.writestr(_entry(ORIGIN), f"{directory}\n")
    packed.seek(0)
    return packed


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
