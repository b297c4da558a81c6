"""Where things are on a leader, at the same paths on its host and in its container."""

from __future__ import annotations

import os
from pathlib import Path

from toilctl_plugin import cluster_settings

WORKFLOWS = "/var/lib/toilctl/workflows"
VARIABLE = "TOILCTL_WORKFLOWS_DIR"


def workflows() -> Path:
    """Return the directory of everything here; it is the host's, and outlives containers and reboots."""
    return Path(os.environ.get(VARIABLE, WORKFLOWS))


def runs() -> Path:
    """Return the directory of all runs, each in one of its name."""
    return workflows() / "runs"


def deployed() -> Path:
    """Return the directory of all deployments, each in one of its name."""
    return workflows() / "deployed"


def cluster() -> str:
    """Return the cluster's name, as its user types it; ``NAME`` where it is not to be known."""
    here = cluster_settings.find()
    return (here and here.cluster) or "NAME"
