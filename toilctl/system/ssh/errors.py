"""What ssh's own messages mean, and what to do about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toilctl.system.ssh import agent
from toilctl.values.errors import ConnectError, HostError, ToilctlError
from toilctl.values.outside import brief


@dataclass(frozen=True)
class SshAttempt:
    """Which connection failed: what the texts speak of."""

    cluster: str
    instance_id: str
    login: str
    known_hosts: Path
    key_pair: str
    key: Path | None


@dataclass(frozen=True)
class _Meaning:
    """What a message of ssh means; ``{said}`` in the texts is the part that the pattern found."""

    pattern: str
    reason: str
    message: str
    next_step: str
    error: type[ToilctlError] = ConnectError


# Said at the end of sessions that went well, and at a first contact.
_HARMLESS: Final = re.compile(
    r"Warning: Permanently added|(Shared )?[Cc]onnection to \S+ closed\.$|X11 forwarding request failed"
)

# In this order: ssh says the general thing last.
_MEANINGS: Final = (
    _Meaning(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed",
        "host-key",
        "The host key of {instance_id} at {login} is not the one recorded at the first contact: "
        "somebody else may be answering.",
        "If you know why it changed, forget the old one: ssh-keygen -R {instance_id} -f '{known_hosts}'.",
    ),
    _Meaning(
        r"UNPROTECTED PRIVATE KEY FILE|Load key .*[^.\n]",
        "key-file",
        "ssh does not use the private key: {said}.",
        "It must be a private key, its passphrase right, and readable by you alone: chmod 600 FILE.",
    ),
    _Meaning(
        r"agent refused operation",
        "agent",
        "The ssh agent does not answer for its key: it may be locked, or wait for you to confirm.",
        "Unlock it, or name the key pair's private key with --ssh-key FILE.",
    ),
    _Meaning(
        r"Permission denied \(|Too many authentication failures",
        "permission",
        "{login} does not accept {offered}.",
        "Give the private key of {wanted} with --ssh-key FILE, or add it to the agent with 'ssh-add FILE'.",
    ),
    _Meaning(
        r"(Connection|Operation) timed out|timed out during banner exchange",
        "timeout",
        "{login} does not answer on port 22.",
        "Either the node is still booting, or the cluster's security group does not allow this machine's address: "
        "'toilctl describe-cluster {cluster}' shows the node's state.",
    ),
    _Meaning(
        r"Connection refused",
        "refused",
        "{login} is up, but its ssh server does not answer yet.",
        "Try again in a minute.",
    ),
    _Meaning(
        r"No route to host|Network is unreachable|Could not resolve hostname [^\n:]*",
        "no-route",
        "There is no way from this machine to {login}: {said}.",
        "Check this machine's network; from inside the VPC set TOILCTL_CONNECT_ADDRESS=private.",
    ),
    _Meaning(
        r"cannot listen to port: \d+|Address already in use|Could not request local forwarding",
        "forward",
        "-L cannot listen on this machine: {said}.",
        "Choose another local port.",
        HostError,
    ),
    _Meaning(
        r"closed by remote host|reset by peer|Broken pipe|not responding",
        "lost",
        "The connection to {login} was lost.",
        "Connect again; what ran under tmux or screen goes on.",
    ),
    _Meaning(
        r"\S.*[^.\s]",
        "ssh",
        "ssh to {login} failed: {said}.",
        "'toilctl describe-cluster {cluster}' shows the node's state.",
    ),
)


def explain(log: str, attempt: SshAttempt) -> ToilctlError | None:
    """Return the error that ssh's messages tell of; None when they tell of none and so the command itself failed."""
    told = "\n".join(line for line in log.splitlines() if not _HARMLESS.match(line.strip()))
    for meaning in _MEANINGS:
        found = re.search(meaning.pattern, told)
        if found:
            return _error(meaning, attempt, found.group(0))
    return None


def _error(meaning: _Meaning, attempt: SshAttempt, said: str) -> ToilctlError:
    texts = {
        **vars(attempt),
        "said": brief(said),
        "offered": _offered(attempt.key),
        "wanted": f"key pair {attempt.key_pair!r}" if attempt.key_pair else "the cluster's key pair",
    }
    return meaning.error(
        meaning.message.format(**texts),
        meaning.next_step.format(**texts),
        reason=meaning.reason,
        cluster=attempt.cluster,
        instance_id=attempt.instance_id,
        login=attempt.login,
    )


def _offered(key: Path | None) -> str:
    if key is None:
        return "any key of your ssh agent or ~/.ssh"
    return "that key of your ssh agent" if agent.is_key_file(key) else f"the key {key}"
