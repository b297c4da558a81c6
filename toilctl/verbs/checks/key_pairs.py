"""Which private key opens a cluster's nodes: found, and compared with EC2's key pair before anything is launched."""

from __future__ import annotations

import hashlib
import shlex
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toilctl.system import aws, ssh
from toilctl.system.ssh import agent, key_files, user_keys
from toilctl.values.cluster import Cluster
from toilctl.values.errors import NotFoundError, UsageError
from toilctl.values.tags import KEY_PAIR_NAME

_FIRST_USUAL: Final = ("id_ed25519", "id_rsa")


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

    path: Path
    """What ssh is told: its file, or one with the public key of a private one that the agent has."""
    in_agent: bool = False

    def __str__(self) -> str:
        return "in the ssh agent" if self.in_agent else str(self.path)


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

    :raises UsageError: when the file is not the key pair's, or ssh cannot use it without asking.
    :raises NotFoundError: when there is none.
    """
    ssh.require_program("ssh-keygen", "openssh-client")
    held = next((public for public in agent.public_keys() if _is_of(pair, public)), None)
    in_agent = PrivateKey(agent.key_file(held), in_agent=True) if held else None
    if ssh_key is not None:
        return _named(pair, ssh_key.expanduser(), in_agent)
    return in_agent or _usual(pair)


def of_cluster(cluster: Cluster, ssh_key: Path | None = None) -> PrivateKey:
    """Find the private key of a cluster's nodes.

    :raises NotFoundError: when it, or its key pair, is not there.
    """
    return find(key_pair(cluster.region, cluster.settings.get(KEY_PAIR_NAME, "")), ssh_key)


def _named(pair: KeyPair, path: Path, in_agent: PrivateKey | None) -> PrivateKey:
    found = key_files.look(path)
    if found.public and not _opens(pair, found):
        raise UsageError(
            f"{path} is not the private key of key pair {pair.name!r}.",
            "Name the right file with --ssh-key, or another key pair with --key-pair-name.",
            ssh_key=path, key_pair_name=pair.name,
        )  # fmt: skip
    if found.trouble is None:
        return PrivateKey(path)
    if in_agent and (found.public or found.trouble.facts.get("reason") == key_files.PASSPHRASE):
        return in_agent
    raise found.trouble


def _usual(pair: KeyPair) -> PrivateKey:
    trouble = None
    for path in _usual_files(pair.name):
        found = key_files.look(path)
        if found.trouble is None and _opens(pair, found):
            return PrivateKey(path)
        # A file of the key pair's name is meant to be its key, whatever is wrong with it.
        if found.trouble and (_opens(pair, found) if found.public else path.name in _named_after(pair.name)):
            trouble = trouble or found.trouble
    raise trouble or NotFoundError(
        f"The private key of key pair {pair.name!r} is neither in the ssh agent nor in ~/.ssh.",
        "Name its file with --ssh-key FILE, or add it to the agent with 'ssh-add FILE'.",
        key_pair_name=pair.name,
    )


def _opens(pair: KeyPair, found: key_files.KeyFile) -> bool:
    return found.public is not None and _is_of(pair, found.public, None if found.trouble else found.path)


def _named_after(name: str) -> tuple[str, str]:
    return name, f"{name}.pem"


def _usual_files(name: str) -> Iterator[Path]:
    directory = Path.home() / ".ssh"
    first = [directory / usual for usual in (*_named_after(name), *_FIRST_USUAL)]
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
