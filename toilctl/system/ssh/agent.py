"""The keys of the ssh agent, and how ssh is told to offer one of them alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from toilctl.system import paths

_ANY_HOST: Final = "node.invalid"
"""A name that no host has (RFC 2606): what ssh's configuration says of it, it says of every node."""


def public_keys() -> Iterator[str]:
    """Yield the public keys that the agent has."""
    agent = socket()
    if not agent:
        return
    environment = os.environ | {"SSH_AUTH_SOCK": agent}
    listed = subprocess.run(
        ["ssh-add", "-L"], env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if listed.returncode == 0:
        yield from (line for line in listed.stdout.splitlines() if len(line.split()) > 1)


def socket() -> str:
    """Return the socket of the agent that ssh asks: its configuration may name another one than the environment does.

    As ssh_config(5) has it for IdentityAgent, which password managers on macOS set for all hosts.
    """
    # What this ssh does not know of its configuration must not keep the rest from being told.
    asked = ["ssh", "-o", "IgnoreUnknown=*", "-G", _ANY_HOST]
    told = subprocess.run(asked, capture_output=True, text=True, errors="replace", check=False)
    named = next((line for line in told.stdout.splitlines() if line.startswith("identityagent ")), "")
    agent = named.partition(" ")[2].strip().strip('"') or "SSH_AUTH_SOCK"
    if agent.lower() == "none":
        return ""
    if agent == "SSH_AUTH_SOCK" or agent.startswith("$"):
        return os.environ.get(agent.strip("${}"), "")
    return agent


def key_file(public: str) -> Path:
    """Return a file with a public key of the agent's; named as the key to use, it makes ssh offer that one alone.

    A node closes the connection after a few keys that it does not know, and ssh's configuration may name keys, too.
    """
    text = " ".join(public.split()[:2]) + "\n"
    directory = _directory()
    path = directory / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.pub"
    if not (path.is_file() and path.read_text() == text):
        paths.made(directory)
        part = path.with_suffix(f".{os.getpid()}")
        with paths.writing(part):
            part.write_text(text)
            # ssh looks at the mode as at a private key's, since the name does not tell.
            part.chmod(0o600)
            part.replace(path)
    return path


def is_key_file(path: Path) -> bool:
    """Whether ``key_file`` made it."""
    return path.parent == _directory()


def _directory() -> Path:
    return paths.state_dir() / "keys"
