"""Which distributions the leader's toilctl needs, as they are installed here."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from toilctl.bundle import older
from toilctl.system import variables
from toilctl.values.errors import HostError

LEADER_PYTHON: Final = "3.11.2"
"""Debian 12's; leaders with a newer one run the same files."""
FROM_DEBIAN: Final = {"pyyaml": "yaml", "markupsafe": "markupsafe"}
"""Compiled, so not to be copied to another machine: the leader's own packages have these modules."""
NOT_NEEDED: Final = frozenset({"cryptography", "pip"})
"""Only Ansible's vault imports the one, and none of our playbooks has a vault; the other only fetches, here."""
COLLECTIONS: Final = "ansible"
"""Ansible's distribution of all collections; ``collections.py`` takes from it what we use."""

_LEADER: Final = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": LEADER_PYTHON,
    "python_version": LEADER_PYTHON.rpartition(".")[0],
    "sys_platform": "linux",
}


def needed() -> list[Distribution]:
    """Return toilctl and its pure-Python requirements on a leader, sorted by name.

    :raises HostError: when one is missing here, is compiled, or cannot be had for the leader's Python.
    """
    found: dict[str, Distribution] = {}
    waiting = [("you", Requirement("toilctl"))]
    while waiting:
        needed_by, requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or name in FROM_DEBIAN or name in NOT_NEEDED:
            continue
        found[name] = _for_leader(requirement)
        # Its list has tens of thousands of files, and of them all that is taken is taken by name.
        if name != COLLECTIONS:
            _check_pure(found[name], needed_by)
        asked = map(Requirement, found[name].requires or ())
        waiting += [(found[name].name, one) for one in asked if _applies(one, requirement.extras)]
    found.pop(COLLECTIONS, None)
    return [found[name] for name in sorted(found)]


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**_LEADER, "extra": extra}) for extra in extras or {""})


def _for_leader(requirement: Requirement) -> Distribution:
    try:
        found = distribution(requirement.name)
    except PackageNotFoundError:
        return older.fetch(requirement.name, str(requirement), LEADER_PYTHON)
    if canonicalize_name(found.name) == COLLECTIONS or runs_on(found, LEADER_PYTHON):
        return found
    # What its own Python allows: the range here may have nothing for the leader's.
    return older.fetch(requirement.name, f"{requirement.name}{_supported(requirement.name)}", LEADER_PYTHON)


def _supported(name: str) -> str:
    """Return the range in which a distribution may differ from the one here."""
    if canonicalize_name(name) != "ansible-core":
        return ""
    core = variables.defaults()["supported_core"]
    return f">={core['since']},<{core['before']}"


def runs_on(found: Distribution, python: str) -> bool:
    """Tell whether a distribution says that it runs on a version of Python."""
    asked = found.metadata.get_all("Requires-Python") or []
    return all(SpecifierSet(one).contains(python) for one in asked)


def _check_pure(found: Distribution, needed_by: str) -> None:
    files = found.files
    compiled = [file for file in files or () if file.suffix in {".so", ".pyd", ".dylib"}]
    if compiled or not files:
        why = f"has compiled parts ({compiled[0].name})" if compiled else "does not list its files"
        raise HostError(
            f"{found.name} {found.version}, which {needed_by} needs, cannot be copied to the leader: it {why}.",
            "Install toilctl with pip or pipx in a virtualenv of its own, which takes versions that can; try again.",
            distribution=found.name,
        )
