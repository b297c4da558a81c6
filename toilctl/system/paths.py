"""Where things are: the playbooks that toilctl carries, and its files below the XDG directories."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def ansible_dir() -> Path:
    """Return the directory with playbooks/, roles/, inventory/ and ansible.cfg: the wheel's data, else the checkout."""
    packaged = _PACKAGE / "ansible"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def state_dir() -> Path:
    """Return ``$XDG_STATE_HOME/toilctl`` (``~/.local/state/toilctl``)."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/toilctl`` (``~/.cache/toilctl``): what can be made again."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def cluster_dir(region: str, name: str) -> Path:
    """Return where this machine keeps a cluster's known hosts and logs; never what only it would know."""
    return state_dir() / "clusters" / region / name


def seen_clusters() -> list[tuple[str, str]]:
    """Return region and name of the clusters that this machine has connected to and not destroyed."""
    found = (state_dir() / "clusters").glob("*/*/known_hosts")
    return sorted((path.parents[1].name, path.parent.name) for path in found)


def journals_dir() -> Path:
    """Return where this machine keeps the autoscalers' journals of clusters that are gone: REGION/NAME/*.jsonl.gz."""
    return state_dir() / "journals"


def _xdg(variable: str, default: str) -> Path:
    # The XDG specification: a relative path is invalid and counts as unset.
    configured = Path(os.environ.get(variable, ""))
    base = configured if configured.is_absolute() else Path.home() / default
    return base / "toilctl"
