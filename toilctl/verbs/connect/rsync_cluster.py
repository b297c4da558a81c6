"""rsync-cluster: rsync's own command line, ``:path`` being the leader's container."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toilctl.system import ssh
from toilctl.system.ssh import terminal
from toilctl.values.cluster import Cluster
from toilctl.values.errors import HostError, UsageError
from toilctl.verbs.connect.let_in import with_admission
from toilctl.verbs.connect.ssh_cluster import choose

# Options whose value may be the next word, so that a filter rule such as ": .rules" is not taken for a remote path.
_SHORT_WITH_VALUE: Final = frozenset("BTMef@")
_LONG_WITH_VALUE: Final = frozenset(
    """
    address backup-dir block-size bwlimit cc checksum-choice checksum-seed chmod chown compare-dest compress-choice
    compress-level compress-threads contimeout copy-as copy-dest debug early-input exclude exclude-from files-from
    filter groupmap iconv include include-from info link-dest log-file log-file-format max-alloc max-delete max-size
    min-size modify-window only-write-batch out-format outbuf partial-dir password-file port protocol read-batch
    remote-option rsh rsync-path skip-compress sockopts stderr stop-after stop-at suffix temp-dir time-limit timeout
    usermap write-batch zc zl
    """.split()  # noqa: SIM905 - words read best as words
)
_OURS: Final = frozenset({"e", "rsh", "rsync-path"})
_REMOTE: Final = re.compile(r":[^:]|:$")
_HOME: Final = re.compile(r"^:~(/|$)")
"""No shell in the container expands it; the user there is root."""
_PLAIN: Final = re.compile(r"[\w@%+=:,./-]+")
_PROTECTS_ARGUMENTS: Final = re.compile(r"rsync\s+version v?([3-9]|\d\d)")
_OTHER_HOST: Final = re.compile(r"[^/:]+:|rsync://|::")
NOTHING_ANSWERS: Final = frozenset({1, 12, 14, 127, ssh.SSH_FAILED})
"""What rsync ends with where none is at the other end: a protocol error (openrsync: 1, 14), or the shell's own code."""


@dataclass(frozen=True)
class Transfer:
    """A checked command line: rsync's words, and which of them name the cluster."""

    words: tuple[str, ...]
    remote: frozenset[int]
    """The places of the words that begin with a colon."""

    def path(self, at: int) -> str:
        """Return a path of the cluster's as its rsync gets it."""
        return _HOME.sub(r":/root\1", self.words[at])[1:]

    def argv(self, shell: str, host: str, container: str) -> tuple[str, ...]:
        """Return rsync's complete command line."""
        words = (f"{host}:{self.path(at)}" if at in self.remote else word for at, word in enumerate(self.words))
        return ("rsync", f"--rsh={shell}", f"--rsync-path=sudo -n docker exec -i {container} rsync", *words)


def parse(words: Sequence[str]) -> Transfer:
    """Check rsync's words: exactly one side is the cluster.

    :raises UsageError: when none or both are, or an option is given that toilctl sets.
    """
    operands = list(_operands(words))
    remote = frozenset(at for at, word in operands if _REMOTE.match(word))
    for at, word in operands:
        if at not in remote and _OTHER_HOST.match(word):
            raise UsageError(
                f"rsync would take {word!r} for a path on another host.",
                f"A file of this machine is ./{word}; the cluster's are written :PATH.",
                path=word,
            )
    _check_sides([at in remote for at, _ in operands])
    return Transfer(tuple(words), remote)


def run(cluster: Cluster, transfer: Transfer, key: Path | None = None) -> int:
    """Run rsync between this machine and the leader's container, and return its exit code.

    :raises HostError: when there is no rsync here, or one that cannot do it.
    :raises ConnectError: when the leader, or the container on it, cannot be reached.
    """
    require_rsync(transfer)
    target = choose(cluster, None, key)
    return with_admission(cluster, lambda: _run(target, transfer))


def require_rsync(transfer: Transfer) -> None:
    """Make sure that this machine's rsync can do it: macOS brings openrsync, or rsync 2.

    Those two leave what is special in a remote path to a shell of the host's, outside the container.

    :raises HostError: when it cannot.
    """
    ssh.require_program("rsync", "rsync")
    paths = (transfer.path(at) for at in sorted(transfer.remote))
    special = next((path for path in paths if path and not _PLAIN.fullmatch(path)), None)
    if special is None:
        return
    asked = subprocess.run(["rsync", "--version"], capture_output=True, text=True, errors="replace", check=False)
    if not _PROTECTS_ARGUMENTS.match(asked.stdout):
        raise HostError(
            f"The rsync of this machine would leave {special!r} to a shell on the leader's host.",
            "Install rsync 3 or later (brew install rsync on macOS), or use only letters, digits and _@%+=:,./- in it.",
            path=special,
        )


def quoted(word: str) -> str:
    """Quote a word as rsync reads its --rsh: in single quotes, which stand for themselves when doubled."""
    return word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "''") + "'"


def command(target: ssh.SshTarget, transfer: Transfer, log: Path) -> tuple[str, ...]:
    """Return rsync's command line for a node's container; ssh's own messages go into a file."""
    # rsync puts the address behind these.
    shell = ["ssh", "-E", str(log), *ssh.arguments(target), "-T", *target.words[:-1]]
    return transfer.argv(" ".join(map(quoted, shell)), target.address, target.container)


def environment() -> dict[str, str]:
    """Return rsync's environment."""
    # The container's rsync, not the host's shell, must read file names and expand patterns.
    without = {name: value for name, value in os.environ.items() if name not in ("RSYNC_OLD_ARGS", "RSYNC_RSH")}
    return without | {"RSYNC_PROTECT_ARGS": "1"}


def _run(target: ssh.SshTarget, transfer: Transfer) -> int:
    with ssh.own_messages(target) as log:
        code = terminal.run(command(target, transfer, log), environment(), cleaned=True)
        if code in NOTHING_ANSWERS:
            ssh.raise_if_failed(target, log)
    if code in NOTHING_ANSWERS:
        ssh.check_container(target)
    return code


def _operands(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Give the words that are paths, with their places."""
    only_paths, is_value = False, False
    for at, word in enumerate(words):
        if is_value:
            is_value = False
        elif only_paths or not word.startswith("-") or word == "-":
            yield at, word
        elif word == "--":
            only_paths = True
        else:
            is_value = _takes_next(word)


def _takes_next(option: str) -> bool:
    """Tell whether an option's value is the next word."""
    if option.startswith("--"):
        name, equals, _ = option[2:].partition("=")
        _refuse_ours(option, name)
        return name in _LONG_WITH_VALUE and not equals
    for at, letter in enumerate(option[1:], start=1):
        _refuse_ours(option, letter)
        if letter in _SHORT_WITH_VALUE:
            return at == len(option) - 1
    return False


def _refuse_ours(option: str, name: str) -> None:
    if name in _OURS:
        raise UsageError(
            f"rsync's {option} cannot be given: toilctl reaches the container through it.",
            "Leave it out; ssh's own settings go into ~/.ssh/config, which is read.",
        )


def _check_sides(remote: Sequence[bool]) -> None:
    """Check which of the paths, the last being the destination, are the cluster's."""
    example = "Write the cluster's side as :PATH, such as: rsync-cluster NAME -av data.fa :/tmp/"
    if not any(remote):
        raise UsageError("No path is on the cluster.", example)
    if len(remote) == 1:
        return  # rsync lists what is there
    *sources, destination = remote
    if destination and any(sources):
        raise UsageError("Source and destination are both on the cluster.", f"{example}, or use ssh-cluster NAME cp.")
    if not destination and not all(sources):
        raise UsageError("Some sources are on the cluster and some are not.", "Fetch them in two commands.")
