"""The user's public keys as key pairs of the rehearsal cloud, as they have been uploaded to AWS long before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toilctl.local.process import client
from toilctl.system.ssh import user_keys
from toilctl.values.errors import NotFoundError, UsageError


@dataclass(frozen=True)
class Brought:
    """A key pair that the rehearsal cloud has."""

    name: str
    path: str
    """The file that it is of."""
    already: bool
    """Whether it was there before."""


def bring_all() -> tuple[str, ...]:
    """Bring all of ~/.ssh that EC2 would take; return their names. A key pair that is there stays as it is."""
    found = []
    for name, public in user_keys.all_of_them().items():
        try:
            client.bring_key(name, public)
        except UsageError:
            # Another key of that name is there, or EC2 would refuse it.
            continue
        found.append(name)
    return tuple(found)


def bring(name: str, file: Path | None) -> Brought:
    """Bring a key by the name of a key pair: of a file, else the likeliest one in ~/.ssh.

    :raises NotFoundError: when there is none.
    :raises UsageError: when the file has none that EC2 takes, or the key pair is there with another key.
    """
    path = file or next(user_keys.candidates(name), None)
    if path is None:
        raise NotFoundError(
            "There is no public key in ~/.ssh that EC2 takes.",
            f"Make one: ssh-keygen -t ed25519 -f ~/.ssh/{name}; then type this again.",
        )
    public = user_keys.read(path)
    if not public:
        raise UsageError(
            f"{path} has no public key that EC2 takes.", "Name an Ed25519 or RSA key's .pub file.", file=path
        )
    return Brought(name, str(path), already=not client.bring_key(name, public))
