"""Which private key opens a cluster's nodes: found, and compared with EC2's key pair before anything is launched."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toilctl.system import aws, user_keys
from toilctl.values.cluster import Cluster
from toilctl.values.errors import NotFoundError, UsageError
from toilctl.values.tags import KEY_PAIR_NAME

_FIRST_USUAL: Final = ("id_ed25519", "id_rsa")
_ANY_HOST: Final = "node.invalid"
"""A name that no host has (RFC 2606): what ssh's configuration says of it, it says of every node."""


@dataclass(frozen=True)
class KeyPair:
    """An EC2 key pair."""

    name: str
    public_key: str | None
    """OpenSSH's form, where EC2 tells it."""
    fingerprint: str


@dataclass(frozen=True)
class PrivateKey:
    """Where the private key is."""

    path: Path | None
    """None: in the ssh agent."""

    def __str__(self) -> str:
        return str(self.path) if self.path else "in the ssh agent"


def key_pair(region: str, name: str, *, rehearsal: bool = False) -> KeyPair:
    """Look a key pair up.

    :param rehearsal: whether it is the rehearsal cloud's, which toilctl itself brings keys to.
    :raises NotFoundError: naming those that EC2 knows.
    """
    answer = aws.client("ec2", region).describe_key_pairs(IncludePublicKey=True)
    pairs = {pair["KeyName"]: pair for pair in answer["KeyPairs"]}
    if name not in pairs:
        known = ", ".join(sorted(pairs)) or "none"
        raise NotFoundError(
            f"EC2 knows no key pair {name!r} in {region}; it knows: {known}.",
            f"{'Name one of those, or b' if pairs else 'B'}ring yours: {_import(region, name, rehearsal=rehearsal)}",
            key_pair_name=name, known=sorted(pairs),
        )  # fmt: skip
    described = pairs[name]
    return KeyPair(described["KeyName"], described.get("PublicKey"), described.get("KeyFingerprint", ""))


def _import(region: str, name: str, *, rehearsal: bool) -> str:
    """Return what brings a key of this machine to EC2 by the name of a key pair."""
    file = next(user_keys.candidates(name), None)
    make = "" if file else f"ssh-keygen -t ed25519 -f ~/.ssh/{name}, then "
    if rehearsal:
        return f"{make}toilctl local key {shlex.quote(name)}"
    path = shlex.quote(f"fileb://{file}") if file else f"fileb://$HOME/.ssh/{name}.pub"
    return (
        f"{make}aws ec2 import-key-pair --region {region} --key-name {shlex.quote(name)} --public-key-material {path}"
    )


def find(pair: KeyPair, ssh_key: Path | None = None) -> PrivateKey:
    """Find the private key: the file that was named, else the agent's, else one in ~/.ssh that matches.

    :raises UsageError: when the named file is not the key pair's.
    :raises NotFoundError: when there is none.
    """
    if ssh_key is not None:
        return _named(pair, ssh_key.expanduser())
    if any(_is_of(pair, public) for public in _agent_keys()):
        return PrivateKey(None)
    for path in _usual_files(pair.name):
        public = public_key(path)
        if public and _is_of(pair, public, path):
            return PrivateKey(path)
    raise NotFoundError(
        f"The private key of key pair {pair.name!r} is neither in the ssh agent nor in ~/.ssh.",
        "Name its file with --ssh-key FILE, or add it to the agent with 'ssh-add FILE'.",
        key_pair_name=pair.name,
    )


def of_cluster(cluster: Cluster, ssh_key: Path | None = None) -> PrivateKey:
    """Find the private key of a cluster's nodes.

    :raises NotFoundError: when it, or its key pair, is not there.
    """
    return find(key_pair(cluster.region, cluster.settings.get(KEY_PAIR_NAME, "")), ssh_key)


def public_key(private: Path) -> str | None:
    """Return the public key of a private one, without asking for a passphrase; None when it cannot be told."""
    read = subprocess.run(
        ["ssh-keygen", "-y", "-P", "", "-f", str(private)], capture_output=True, text=True, check=False
    )
    if read.returncode == 0:
        return read.stdout.strip()
    beside = private.with_name(private.name + ".pub")
    return beside.read_text().strip() if beside.is_file() else None


def _named(pair: KeyPair, path: Path) -> PrivateKey:
    if not path.is_file():
        raise UsageError(f"There is no private key {path}.", "Name a file with --ssh-key.", ssh_key=path)
    public = public_key(path)
    if public is None:
        raise UsageError(
            f"{path} cannot be read as a private key without a passphrase.",
            f"Check the file; one with a passphrase goes into the agent: 'ssh-add {path}'.", ssh_key=path,
        )  # fmt: skip
    if not _is_of(pair, public, path):
        raise UsageError(
            f"{path} is not the private key of key pair {pair.name!r}.",
            "Name the right file with --ssh-key, or another key pair with --key-pair-name.",
            ssh_key=path, key_pair_name=pair.name,
        )  # fmt: skip
    return PrivateKey(path)


def _agent_keys() -> Iterator[str]:
    agent = _agent()
    if not agent:
        return
    environment = os.environ | {"SSH_AUTH_SOCK": agent}
    listed = subprocess.run(["ssh-add", "-L"], env=environment, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        yield from listed.stdout.splitlines()


def _agent() -> str:
    """Return the socket of the agent that ssh asks: its configuration may name another one than the environment does.

    As ssh_config(5) has it for IdentityAgent, which password managers on macOS set for all hosts.
    """
    told = subprocess.run(["ssh", "-G", _ANY_HOST], capture_output=True, text=True, check=False)
    named = next((line for line in told.stdout.splitlines() if line.startswith("identityagent ")), "")
    agent = named.partition(" ")[2].strip().strip('"') or "SSH_AUTH_SOCK"
    if agent.lower() == "none":
        return ""
    if agent == "SSH_AUTH_SOCK" or agent.startswith("$"):
        return os.environ.get(agent.strip("${}"), "")
    return agent


def _usual_files(name: str) -> Iterator[Path]:
    directory = Path.home() / ".ssh"
    first = [directory / name, directory / f"{name}.pem", *(directory / usual for usual in _FIRST_USUAL)]
    others = sorted(path for path in directory.glob("id_*") if path.suffix != ".pub")
    yield from (path for path in dict.fromkeys([*first, *others]) if path.is_file())


def _is_of(pair: KeyPair, public: str, private: Path | None = None) -> bool:
    if pair.public_key:
        return public.split()[:2] == pair.public_key.split()[:2]
    return pair.fingerprint.rstrip("=") in _fingerprints(public, private)


def _fingerprints(public: str, private: Path | None) -> Iterator[str]:
    """Yield what EC2 may call this key: its fingerprints differ by the key's type and by who made it."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
        load_ssh_public_key,
    )  # fmt: skip

    kind, blob = public.split()[:2]
    if kind == "ssh-ed25519":
        yield b64encode(hashlib.sha256(b64decode(blob)).digest()).decode().rstrip("=")
        return
    der = load_ssh_public_key(f"{kind} {blob}".encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield _colons(hashlib.md5(der, usedforsecurity=False).hexdigest())
    if private is not None and b"BEGIN RSA" in private.read_bytes():
        loaded = load_pem_private_key(private.read_bytes(), None)
        pkcs8 = loaded.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        yield _colons(hashlib.sha1(pkcs8, usedforsecurity=False).hexdigest())


def _colons(hexadecimal: str) -> str:
    return ":".join(hexadecimal[at : at + 2] for at in range(0, len(hexadecimal), 2))
