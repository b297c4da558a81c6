"""The public ssh keys that a person has on this machine, by the names that key pairs have."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_USUAL: Final = ("id_ed25519.pub", "id_rsa.pub")
_KINDS: Final = ("ssh-ed25519 ", "ssh-rsa ")
"""Those that EC2 takes."""
_MOST_BYTES: Final = 16_384
_MOST: Final = 100


def all_of_them() -> dict[str, str]:
    """Return the public keys that EC2 would take, in OpenSSH's form, by their files' names: of ~/.ssh/k.pub it is k.

    Where AWS made a key pair there is a private key alone, such as ~/.ssh/k.pem: it counts as k, too.
    """
    found: dict[str, str] = {}
    there = [path for ending in ("pub", "pem") for path in sorted(_directory().glob(f"*.{ending}"))]
    for path in there[:_MOST]:
        public = read(path)
        if public:
            found.setdefault(path.stem, public)
    return found


def candidates(name: str) -> Iterator[Path]:
    """Yield the files that may have the key of a key pair, the likeliest first."""
    directory = _directory()
    usual = (directory / one for one in (f"{name}.pub", f"{name}.pem", *_USUAL))
    yield from (
        path for path in dict.fromkeys((*usual, *sorted(directory.glob("*.pub")))) if path.is_file() and read(path)
    )


def read(path: Path) -> str:
    """Return the public key of a file, which may be a private one without a passphrase; nothing when it has none."""
    try:
        with path.open("rb") as opened:
            text = opened.read(_MOST_BYTES).decode(errors="replace").strip()
        if "PRIVATE KEY" in text:
            words = ["ssh-keygen", "-y", "-P", "", "-f", str(path)]
            text = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
    return text if text.startswith(_KINDS) and "\n" not in text else ""


def _directory() -> Path:
    return Path.home() / ".ssh"
