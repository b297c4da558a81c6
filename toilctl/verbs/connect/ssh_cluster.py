"""ssh-cluster: a shell, or a command, in the appliance's container or on its host."""

from __future__ import annotations

import re
import shlex
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toilctl.engines.mesos import PORT
from toilctl.system import progress, ssh, variables
from toilctl.system.ssh import key_files, options
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Engine, Node, Role
from toilctl.values.errors import ConnectError, NotFoundError, UsageError
from toilctl.verbs.checks import key_pairs
from toilctl.verbs.connect.let_in import with_admission

_PORT: Final = re.compile(r"\d{1,5}")
_FORWARD: Final = re.compile(r"(?:(?:\[[^\]]*\]|[^:\s\[\]]*):)?(\d{1,5}):(?:\[[^\]]+\]|[^:\s\[\]]+):(\d{1,5})")
_MAX_PORT: Final = 65535


@dataclass(frozen=True)
class Session:
    """What to run where."""

    words: tuple[str, ...] = ()
    """The command; none asks for a shell."""
    node_id: str | None = None
    """A worker (or the leader) by instance id; None is the leader."""
    on_host: bool = False
    forwards: tuple[str, ...] = ()
    agent: bool = False
    """Whether the node may use the keys of this machine's ssh agent."""


def parse_forward(text: str) -> str:
    """Read ``[BIND:]PORT:HOST:HOSTPORT`` as ssh's -L has it, or a bare port of the node's own.

    :raises UsageError: when it is neither, or a port is out of range.
    """
    if _PORT.fullmatch(text):
        text = f"{text}:localhost:{text}"
    form = _FORWARD.fullmatch(text)
    if form is None or any(not 0 < int(port) <= _MAX_PORT for port in form.groups()):
        raise UsageError(f"{text!r} is not a port forward.", "Write PORT, or PORT:HOST:HOSTPORT as ssh's -L has it.")
    return text


def connect(cluster: Cluster, session: Session, key: Path | None = None) -> int:
    """Run a session on this terminal and return the remote exit code.

    :raises ConnectError: when the node, or the container on it, cannot be reached.
    """
    target = choose(cluster, session.node_id, key)
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    command = remote_command(target.container, session, tty=tty)
    forwards = tuple(_to_server(forward, target) for forward in session.forwards)
    if tty and not session.words:
        forwards += _masters_page(target, forwards)
    return with_admission(cluster, lambda: ssh.run(target, command, tty=tty, forwards=forwards, agent=session.agent))


def _to_server(forward: str, target: ssh.SshTarget) -> str:
    """Lead a forward of Mesos' port, or the metrics', to where the leader serves it: at its private address alone."""
    ports = [str(PORT)] if _has_master(target) else []
    if target.node.role is Role.LEADER:
        ports.append(str(variables.defaults()["metrics_port"]))
    here, _, port = forward.rpartition(":localhost:")
    return f"{here}:{target.node.private_address}:{port}" if here and port in ports else forward


def _masters_page(target: ssh.SshTarget, forwards: Sequence[str]) -> tuple[str, ...]:
    """Forward Mesos' page to a shell on the leader, as Toil does, unless this machine's port is in use."""
    if not _has_master(target) or any(forward.endswith(f":{PORT}") for forward in forwards) or _in_use(PORT):
        return ()
    progress.note(f"Mesos' page is http://localhost:{PORT} while this shell is open.")
    return (f"{PORT}:{target.node.private_address}:{PORT}",)


def _has_master(target: ssh.SshTarget) -> bool:
    engine = target.cluster.settings.get(tags.ENGINE, Engine.MESOS)
    return target.node.role is Role.LEADER and engine == Engine.MESOS


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        # As ssh itself does: a port that an ended shell had is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def session_key(cluster: Cluster, named: Path | None) -> Path | None:
    """Return the private key to connect with: the one that is named, else the one that opens the cluster's nodes.

    None leaves it to ssh: it may have a key that EC2 does not know, and says itself when it has none.

    :raises UsageError: when ssh cannot use the file, and nobody is there whom it could ask.
    """
    try:
        return key_files.usable(named.expanduser()) if named is not None else key_pairs.of_cluster(cluster).path
    except UsageError as error:
        if error.facts.get("reason") != key_files.PASSPHRASE or not options.may_ask():
            raise
        return Path(error.facts["ssh_key"])
    except Exception as error:
        progress.debug(f"The key pair tells no private key: {error}")
        return None


def choose(cluster: Cluster, node_id: str | None, key: Path | None) -> ssh.SshTarget:
    """Return the leader, or the node that is named.

    :raises NotFoundError: when the cluster has no such node.
    :raises ConnectError: when it is not running.
    """
    target = ssh.leader_of(cluster, key) if node_id is None else ssh.SshTarget(cluster, _find(cluster, node_id), key)
    if target.node.state != "running":
        raise ConnectError(
            f"{target.node.role.capitalize()} {target.node.instance_id} is {target.node.state}.",
            "Try again in a minute." if target.node.state == "pending" else "Only a running node can be reached.",
            instance_id=target.node.instance_id, state=target.node.state, reason="state",
        )  # fmt: skip
    return target


def remote_command(container: str, session: Session, *, tty: bool) -> str:
    """Return the command for the node's shell; an empty one is its login shell.

    Words are passed on exactly. A single one with white space in it is a command line, as it is for ssh.
    """
    words = session.words
    is_line = len(words) == 1 and len(words[0].split()) > 1
    if session.on_host:
        return words[0] if is_line else shlex.join(words)
    command = ("bash", "-c", words[0]) if is_line else words or ("bash",)
    return ssh.in_container(container, command, tty=tty, tethered=True)


def command_words(words: Sequence[str]) -> tuple[str, ...]:
    """Return the remote command among the words after the cluster's name.

    :raises UsageError: when it starts with an option, which was meant for ssh-cluster.
    """
    command = tuple(words[1:] if words and words[0] == "--" else words)
    if words and words[0] != "--" and words[0].startswith("-"):
        raise UsageError(
            f"{words[0]} stands after the cluster's name, where the remote command begins.",
            "Write ssh-cluster's own options before the name.",
        )
    return command


def _find(cluster: Cluster, node_id: str) -> Node:
    for node in cluster.nodes:
        if node.live and node_id in (node.instance_id, node.private_address, node.public_address):
            return node
    known = ", ".join(node.instance_id for node in cluster.workers) or "none"
    raise NotFoundError(
        f"Cluster {cluster.name!r} has no node {node_id}.", f"Its workers are: {known}.",
        cluster=cluster.name, instance_id=node_id,
    )  # fmt: skip
