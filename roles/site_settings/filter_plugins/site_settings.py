"""Which variables a site may have given for its nodes, and what of them a leader keeps."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError

MAX_CHARACTERS = 1 << 18
SHARED = "inventory/group_vars"
FOR_NOW = "_waits"
"""How variables end that say how a node is at the moment."""


def names(roles_directory: str, roles: Collection[str]) -> list[str]:
    """Return the names of roles' own variables, by their argument specs; without secrets."""
    shared = _shared(roles_directory)
    found = {
        name
        for role in roles
        for name, option in _options(Path(roles_directory) / role).items()
        if name.startswith(f"{role}_") and not option.get("no_log") and not name.endswith(FOR_NOW)
    }
    return sorted(found - shared.keys())


def given(variables: Mapping[str, Any], roles_directory: str) -> dict[str, Any]:
    """Return the variables that are not as group_vars has them."""
    shared = _shared(roles_directory)
    return {name: value for name, value in variables.items() if name not in shared or value != shared[name]}


def kept(text: str, allowed: Collection[str]) -> dict[str, Any]:
    """Return what a leader's file has of the variables that may be in it; nothing of an empty one."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text) if len(text) <= MAX_CHARACTERS else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AnsibleFilterError(
            "The leader's file with the site's settings is damaged: remove /etc/toilctl/site.json there, and run "
            "configure.yml with the site's variables."
        )
    return {name: value for name, value in found.items() if name in allowed}


def _options(role: Path) -> dict[str, Any]:
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    return {name: option for spec in specs.values() for name, option in (spec.get("options") or {}).items()}


def _shared(roles_directory: str) -> dict[str, Any]:
    """Return what group_vars has, as written; nothing where roles are used without it."""
    files = sorted((Path(roles_directory).parent / SHARED).glob("*.yml"))
    return {name: value for file in files for name, value in (yaml.safe_load(file.read_text()) or {}).items()}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, object]:
        """Return the filters by name."""
        return {"toilctl_site_names": names, "toilctl_site_given": given, "toilctl_site_kept": kept}
