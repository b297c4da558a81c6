"""The variables that command line, playbooks and inventory share: inventory/group_vars/all.yml has their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from toilctl.system import paths
from toilctl.values.node_types import NodeType, NodeTypes


@cache
def defaults() -> Mapping[str, Any]:
    """Return the shared variables as written; those computed by a template are templates."""
    import yaml

    text = (paths.ansible_dir() / "inventory" / "group_vars" / "all.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def settled(name: str, *said: Any) -> Any:
    """Return the first of what was said of a shared variable that is not None; else its default."""
    return next((one for one in said if one is not None), defaults()[name])


def shown_defaults() -> Mapping[str, str]:
    """Return the defaults that a person wants to read: neither empty nor computed."""
    return {
        name: str(value)
        for name, value in defaults().items()
        if isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and value != ""
        and "{{" not in str(value)
    }


def extra_vars(**values: Any) -> dict[str, Any]:
    """Return extra variables for a playbook: what is None is left out, so that group_vars decides."""
    return {name: _plain(value) for name, value in values.items() if value is not None}


def as_data(value: Any) -> Any:
    """Mark each string of extra variables as one that Ansible must not take for a template.

    It trusts extra variables as it does a playbook, and a tag of a cluster may say ``{{ lookup('pipe', …) }}``. The
    form is that of Ansible's own JSON (ansible/_internal/_json/_profiles/_legacy.py).
    """
    if isinstance(value, str):
        return {"__ansible_unsafe": str(value)}
    if isinstance(value, Mapping):
        return {key: as_data(item) for key, item in value.items()}
    return [as_data(item) for item in value] if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if isinstance(value, NodeTypes):
        return [str(node_type) for node_type in value]
    if isinstance(value, NodeType):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    # Ansible's loader knows plain strings only, not their subclasses.
    return str(value) if isinstance(value, str) else value
