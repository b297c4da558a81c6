"""Files with private keys: whether ssh can use one without asking, and else what mends it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toilctl.system.ssh import agent
from toilctl.values.errors import UsageError

PASSPHRASE: Final = "passphrase"  # noqa: S105 - a word, not one
"""The ``reason`` of the trouble that ssh's own question could mend."""
_LONGEST: Final = 64 * 1024
_BODY: Final = re.compile(r"^[A-Za-z0-9+/=]+$", re.MULTILINE)


@dataclass(frozen=True)
class KeyFile:
    """A file that should have a private key."""

    path: Path
    public: str | None
    """Its public key, where it can be told without a passphrase."""
    trouble: UsageError | None = None
    """Why ssh cannot use it without asking."""


def look(path: Path) -> KeyFile:
    """Read a file with a private key; a trouble is returned, not raised."""
    if not path.is_file():
        hint = "Name the key pair's private key with --ssh-key FILE."
        return KeyFile(path, None, UsageError(f"There is no private key {path}.", hint, ssh_key=path))
    read = _keygen("-y", path)
    if read.returncode == 0:
        return KeyFile(path, read.stdout.strip())
    public = _told_public(path)
    return KeyFile(path, public, _trouble(path, public, read.stderr))


def usable(path: Path) -> Path:
    """Return what names a key to ssh: the file, or a file with its public key where the agent has the private one.

    :raises UsageError: when ssh cannot use it without asking.
    """
    found = look(path)
    if not found.trouble:
        return path
    if found.public:
        held = next((one for one in agent.public_keys() if one.split()[:2] == found.public.split()[:2]), None)
        if held:
            return agent.key_file(held)
    raise found.trouble


def _keygen(action: str, path: Path) -> subprocess.CompletedProcess[str]:
    # An empty passphrase, so that it asks for none.
    argv = ["ssh-keygen", action, "-P", "", "-f", str(path)]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)


def _told_public(path: Path) -> str | None:
    """Return the public key of a file that ssh-keygen does not open: of the file itself, or of the one beside it."""
    for told in (path, path.with_name(path.name + ".pub")):
        try:
            words = told.read_bytes()[:_LONGEST].decode(errors="replace").split()
        except OSError:
            continue
        if len(words) > 1 and re.match(r"(sk-)?(ssh|ecdsa)-", words[0]):
            return " ".join(words[:2])
    exported = _keygen("-e", path)
    if exported.returncode:
        return None
    # RFC 4716: after the headers, the key alone; it begins with the length of its kind, and the kind.
    blob = "".join(_BODY.findall(exported.stdout.partition("Comment:")[2].partition("\n")[2]))
    raw = b64decode(blob)
    return f"{raw[4 : 4 + int.from_bytes(raw[:4])].decode()} {blob}"


def _trouble(path: Path, public: str | None, said: str) -> UsageError:
    """Say in one sentence why ssh does not take a file, and what mends it."""
    file = shlex.quote(str(path))
    try:
        status = path.stat()
        text = path.read_bytes()[:_LONGEST]
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return UsageError(f"{path} cannot be read: {why}.", "Make it readable for you.", ssh_key=path)
    for matches, what, mend in _FORMATS:
        if matches(text):
            return UsageError(f"{path} {what}.", mend.format(file=file), ssh_key=path)
    # As ssh has it: what belongs to somebody else is theirs to protect.
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        others = f"others may read it (mode {status.st_mode & 0o777:04o})"
        return UsageError(f"ssh does not use {path}, since {others}.", f"Mend it: chmod 600 {file}", ssh_key=path)
    if "passphrase" in said:
        start = "" if agent.socket() else 'eval "$(ssh-agent)"; '
        # Which key it is, is not known without the passphrase.
        lacks = "the ssh agent does not have this key" if public else "there is no .pub beside it"
        then = "" if public else ", and leave out --ssh-key."
        return UsageError(
            f"{path} has a passphrase, and {lacks}.",
            f"Add it to the agent: {start}ssh-add {file}{then}", ssh_key=path, reason=PASSPHRASE,
        )  # fmt: skip
    last = (said.strip().splitlines() or ["no reason given"])[-1]
    return UsageError(
        f"ssh cannot read {path} as a private key: {last.rpartition(': ')[2]}.",
        f"Name another file with --ssh-key, or write this one anew: ssh-keygen -p -f {file}", ssh_key=path,
    )  # fmt: skip


def _begins(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda text: text.lstrip().startswith(starts)


# In this order: what a text file has been through comes before what the text is. ssh has refused the file already.
_FORMATS: Final[tuple[tuple[Callable[[bytes], bool], str, str], ...]] = (
    (lambda text: not text.strip(), "is empty", "Copy the private key there again, or name another with --ssh-key."),
    (
        lambda text: text.startswith((b"\xff\xfe", b"\xfe\xff")),
        "is written in UTF-16, as PowerShell's > does",
        "Write it anew: iconv -f UTF-16 -t UTF-8 {file} > key.pem; chmod 600 key.pem; then name that with --ssh-key.",
    ),
    (
        lambda text: text.startswith(b"\xef\xbb\xbf"),
        "begins with a byte order mark, as editors on Windows write it",
        r"Mend it: perl -pi -e 's/^\xEF\xBB\xBF//' {file}",
    ),
    (
        _begins(b"PuTTY-User-Key-File"),
        "is in PuTTY's format",
        "Convert it: puttygen {file} -O private-openssh -o {file}.pem; then name the .pem with --ssh-key.",
    ),
    (
        _begins(b"ssh-", b"ecdsa-", b"sk-", b"-----BEGIN PUBLIC KEY", b"---- BEGIN SSH2 PUBLIC KEY"),
        "is a public key, and the ssh agent does not have its private one",
        "Name the private key with --ssh-key: most often the same name without .pub.",
    ),
    (lambda text: b"\r" in text, "has the line ends of Windows (CRLF)", r"Mend it: perl -pi -e 's/\r//' {file}"),
    (
        lambda text: b"-----BEGIN" not in text,
        "is not a private key: nothing in it says -----BEGIN",
        "Name the key pair's private key with --ssh-key FILE.",
    ),
    (
        lambda text: re.search(rb"^[ \t]|\A\s", text, re.MULTILINE) is not None,
        "has blanks in front of its lines",
        r"Mend it: perl -0pi -e 's/\A\s+//; s/^[ \t]+//mg' {file}",
    ),
    (lambda text: not text.endswith(b"\n"), "has no end of line after its last one", "Mend it: echo >> {file}"),
)
