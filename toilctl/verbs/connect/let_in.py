"""A cluster admits the address it was launched from; from elsewhere, ssh's first silence is answered by asking EC2."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from toilctl.system import playbooks, progress
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConnectError, ToilctlError

T = TypeVar("T")


def with_admission(cluster: Cluster, attempt: Callable[[], T]) -> T:
    """Make an attempt to connect; when nothing answers and this machine was not let in, let it in and try once more.

    :raises ConnectError: when it was let in already, or cannot be.
    """
    try:
        return attempt()
    except ConnectError as error:
        if error.facts.get("reason") != "timeout" or not _let_in(cluster):
            raise
    return attempt()


def _let_in(cluster: Cluster) -> bool:
    """Open port 22 to this machine's address; return whether that changed anything."""
    if os.environ.get("TOILCTL_CONNECT_ADDRESS") == "private":
        return False
    variables = {"cluster_name": cluster.name, "region": cluster.region}
    try:
        result = playbooks.run("open_ssh.yml", playbooks.PlaybookTarget(cluster.region, cluster.name), variables)
        playbooks.raise_failure(result)
    except ToilctlError as error:
        progress.note(f"This machine's address could not be let in: {error}")
        return False
    opened = [str(cidr) for cidr in result.data.get("opened", ())]
    if opened:
        progress.note(f"Port 22 of cluster {cluster.name} is now open to {', '.join(opened)}, too.")
    return bool(opened)
