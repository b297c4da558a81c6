#!/usr/bin/env python3
"""Print the version of every distribution that toilctl's extras need, as this environment has it.

``.ci/setup lock`` calls it in a virtualenv with the newest of all that pyproject.toml allows, once on each Python.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEADER = """\
# The versions that toilctl is tested with. `make lock` writes this file; pyproject.toml says what is allowed.
#   pip install -c {name} -e '.[dev]'
"""


def closure(root: str, extras: frozenset[str]) -> dict[str, str]:
    """Return name and version of all that ``root[extras]`` needs in this environment."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(root, extras)]
    versions: dict[str, str] = {}
    while waiting:
        name, wanted = waiting.pop()
        if (canonicalize_name(name), wanted) in seen:
            continue
        seen.add((canonicalize_name(name), wanted))
        found = installed(name)
        versions[canonicalize_name(name)] = found.version
        waiting.extend(needs(found, wanted))
    # pip is what reads the lock.
    for name in (canonicalize_name(root), "pip"):
        versions.pop(name, None)
    return versions


def installed(name: str) -> Distribution:
    """Return an installed distribution; a missing one means that the environment is not complete."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise SystemExit(f"{name} is not installed here: run pip install -e '.[dev]' first.") from None


def needs(found: Distribution, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """Return the direct requirements whose markers hold here."""
    wanted = []
    for requirement in map(Requirement, found.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            wanted.append((requirement.name, frozenset(requirement.extras)))
    return wanted


def main() -> None:
    """Write the constraints to the file that the command line names, beside pyproject.toml."""
    versions = closure("toilctl", frozenset({"", "local", "dev"}))
    lines = [f"{name}=={version}\n" for name, version in sorted(versions.items())]
    path = Path(__file__).resolve().parent.parent / sys.argv[1]
    path.write_text(HEADER.format(name=path.name) + "".join(lines))
    print(f"{len(lines)} versions in {path.name}")


if __name__ == "__main__":
    main()
