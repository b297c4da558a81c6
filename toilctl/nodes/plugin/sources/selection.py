"""Which files of a directory go to workers: Python modules and package data, and small files beside a script."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from .ignored import Ignored

MODULES = (".py", ".pyi", ".so")
SMALL_BYTES = 2**20
"""A file beside a script that is no module goes along up to this size: settings do, data does not."""
KEYS = ("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "*.kdbx")
"""Names of private keys, which never go anywhere."""
_BUILT = ("build", "dist")
"""What building leaves in a project's directory."""
_USUAL = ("__pycache__", "node_modules")
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
_COMPILED = (".pyc", ".pyo")


@dataclass
class Selection:
    """Files by their paths in the archive, and what stays where it is."""

    files: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)
    """What a person may miss, relative to the root; directories end with a slash."""

    def size(self) -> int:
        """Return how many bytes the files have."""
        return sum(path.stat().st_size for path in self.files.values())


def of_project(root: Path) -> Selection:
    """Select what goes along of a project, whose packages and modules lie in its root."""
    found = Selection()
    for directory, names, in_package in _walk(root, found):
        for name in names:
            path = directory / name
            relative = path.relative_to(root).as_posix()
            if _is_key(name) or not name.isprintable() or not path.is_file():
                continue
            if name.endswith(MODULES) or in_package or (directory == root and path.stat().st_size <= SMALL_BYTES):
                found.files[relative] = path
            elif not name.endswith(_COMPILED):
                found.left_out[relative if directory == root else f"{Path(relative).parent}/"] = None
    return found


def of_modules(root: Path, package: str) -> Selection:
    """Select the modules beside a script, or one package, of a directory that has much else in it, such as a home."""
    if package and (root / package).is_dir():
        inner = of_project(root / package)
        return Selection({f"{package}/{name}": path for name, path in inner.files.items()}, inner.left_out)
    beside = sorted(path for path in root.glob("*.py") if path.is_file())
    return Selection({path.name: path for path in beside})


def of_environment(site_packages: Path) -> Selection:
    """Select the packages of a virtualenv; programs that install others, which every appliance has, stay."""
    found = Selection()
    installers = ("pip", "pip-*", "wheel", "wheel-*", "_distutils_hack", "__pycache__", "_virtualenv.*", "*.pth")
    for directory, inner, names in os.walk(site_packages):
        unwanted = installers if Path(directory) == site_packages else ()
        inner[:] = sorted(name for name in inner if name not in _USUAL and not _matches(name, unwanted))
        for name in names:
            path = Path(directory, name)
            if not _matches(name, unwanted) and not name.endswith(_COMPILED) and name.isprintable() and path.is_file():
                found.files[path.relative_to(site_packages).as_posix()] = path
    return found


def _walk(root: Path, found: Selection) -> Iterator[tuple[Path, list[str], bool]]:
    """Give each directory below a root with its files, and whether it lies in a package."""
    pending = [(root, Ignored(), False)]
    seen = set()
    while pending:
        directory, above, outer = pending.pop(0)
        real = directory.resolve()
        # A link to a directory above would go round and round.
        if real in seen:
            continue
        seen.add(real)
        relative = "" if directory == root else directory.relative_to(root).as_posix()
        ignored = above.below(directory, relative)
        in_package = outer or (directory != root and (directory / "__init__.py").is_file())
        names = []
        for entry in _entries(directory):
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.name.startswith(".") or entry.name in _USUAL:
                continue
            if ignored.has(path, is_directory=entry.is_dir()) or _is_other(root, entry):
                found.left_out[f"{path}/" if entry.is_dir() else path] = None
            elif entry.is_dir():
                pending.append((entry, ignored, in_package))
            else:
                names.append(entry.name)
        yield directory, names, in_package


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _is_other(root: Path, entry: Path) -> bool:
    """Tell whether a directory is a virtualenv, or what building leaves."""
    if not entry.is_dir():
        return False
    built = entry.parent == root and entry.name in _BUILT and not (entry / "__init__.py").is_file()
    return built or any((entry / name).exists() for name in _ENVIRONMENTS)


def _is_key(name: str) -> bool:
    return _matches(name, KEYS) and not name.endswith(MODULES)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
