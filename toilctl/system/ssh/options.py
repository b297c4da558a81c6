"""How ssh is started, whatever ~/.ssh/config says: one list for toilctl's ssh, its rsync, and Ansible's."""

from __future__ import annotations

import sys
from pathlib import Path

from toilctl.system import paths, variables
from toilctl.values.cluster import Cluster, Node


def known_hosts(cluster: Cluster) -> Path:
    """Return where this machine keeps the host keys of a cluster's nodes."""
    return paths.cluster_dir(cluster.region, cluster.name) / "known_hosts"


def shared(cluster: Cluster, node: Node, key: Path | None = None) -> dict[str, str]:
    """Return what Ansible has, too: inventory/group_vars has it, and a contract test compares.

    Host keys are recorded under the instance id: addresses are given to other machines later, ids never. A first
    contact records the key, and another key for the same id is refused from then on.
    """
    chosen = {
        **variables.defaults()["ssh_options"],
        "HostKeyAlias": node.instance_id,
        "UserKnownHostsFile": _as_ssh_path(known_hosts(cluster)),
    }
    return chosen | ({"IdentityFile": _as_ssh_path(key), "IdentitiesOnly": "yes"} if key else {})


def arguments(
    cluster: Cluster, node: Node, key: Path | None = None, *, forwards: bool = False, agent: bool = False
) -> tuple[str, ...]:
    """Return ssh's options for a node, as arguments.

    :param forwards: whether ports are forwarded, which must not fail in silence.
    :param agent: whether the node may use the keys of this machine's ssh agent.
    """
    chosen = shared(cluster, node, key) | {
        **variables.defaults()["ssh_session_options"],
        "ConnectTimeout": "15",
        # A shared connection of the user's own config is found by address, which may have been another node's.
        "ControlMaster": "no",
        "ControlPath": "none",
    }
    if forwards:
        chosen |= {"ClearAllForwardings": "no", "ExitOnForwardFailure": "yes"}
    if agent:
        chosen |= {"ForwardAgent": "yes"}
    if may_ask():
        chosen |= {"BatchMode": "no"}
    return tuple(word for name, value in chosen.items() for word in ("-o", f"{name}={value}"))


def may_ask() -> bool:
    """Whether ssh may ask for a passphrase: it does so on /dev/tty, where somebody must be looking."""
    return bool(sys.stdin and sys.stdin.isatty())


def _as_ssh_path(path: Path) -> str:
    """Write a path as ssh's configuration reads it: percent signs are tokens, and spaces separate files."""
    text = str(path).replace("%", "%%")
    if not set(text) & set(" '\"\\"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
