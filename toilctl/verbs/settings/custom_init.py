"""Commands of the user's that nodes run before their services: Toil's variables, which role custom_init takes along."""

from __future__ import annotations

import os
import re
from typing import Final

from toilctl.system import progress
from toilctl.values import tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import UsageError

VARIABLES: Final = ("TOIL_CUSTOM_INIT_COMMAND", "TOIL_CUSTOM_DOCKER_INIT_COMMAND")
NOTE: Final = (
    f"{VARIABLES[0]} failed on a node, which goes on without, as in Toil; what it said is there in "
    "/var/lib/toilctl/custom-init.log."
)
_REFUSED: Final = re.compile(r"[\n\r\t]")


def check() -> None:
    """Refuse what Toil refuses; the commands themselves may be secrets, and are not shown.

    :raises UsageError: when a command has more than one line, or a tab.
    """
    for name in VARIABLES:
        if _REFUSED.search(os.environ.get(name, "")):
            raise UsageError(f"{name} has a newline or a tab.", "Write it on one line, with && between commands.")


def is_too_late(existing: Cluster | None) -> bool:
    """Tell whether nodes run already without such commands: to begin with them, containers would be made anew."""
    if existing is None or existing.settings.get(tags.CUSTOM_INIT) == "yes":
        return False
    given = [name for name in VARIABLES if os.environ.get(name)]
    late = bool(given) and any(node.live for node in existing.nodes)
    if late:
        progress.note(f"{' and '.join(given)} left out: the cluster's nodes run already, without.")
    return late
