"""Files on their way into the leader's container: named ones, by rsync, over the cluster's ssh."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from toilctl.system import progress, ssh
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConflictError, ConnectError, ToilctlError, UsageError
from toilctl.values.outside import brief
from toilctl.verbs.connect import ask_leader, rsync_cluster
from toilctl.verbs.connect.let_in import with_admission
from toilctl.verbs.connect.ssh_cluster import choose

# What is named (0: with zeros between) is known to differ, whatever its time and size (I); a link's file goes for the
# link (L), with its permissions and time (p, t). Letters, since macOS's openrsync has few long names.
_OPTIONS: Final = ("-LptI0", "--partial", "--files-from=-")
_NAMED: Final = re.compile(r'"(?P<path>[^"]+)"(?: failed)?(?: \([^)]*\))?: (?P<why>[^\n(]+?) \(\d+\)')
_OF_OPENRSYNC: Final = re.compile(
    r"^rsync\(\d+\): error: '?(?P<path>[^\n']+?)'?: (?:\(l\)stat|stat|open\w*): (?P<why>[^\n]+)$", re.MULTILINE
)
_VANISHED: Final = re.compile(r'file has vanished: "(?P<path>[^"]+)"')


def send(  # noqa: PLR0913 - whom, what, and where
    cluster: Cluster, ssh_key: Path | None, root: Path, names: Sequence[str], directory: str, *, what: str = "file"
) -> None:
    """Copy files below ``root`` to the same names below a directory of the leader's container; no names, no connection.

    :raises UsageError: naming the file that cannot be read.
    :raises ConnectError: when the leader cannot be reached.
    """
    if not names:
        return
    transfer = rsync_cluster.parse([*_OPTIONS, f"{root.resolve()}/", f":{directory}/"])
    rsync_cluster.require_rsync(transfer)
    target = choose(cluster, None, ssh_key)
    size = sum((root / name).stat().st_size for name in names)
    plural = "" if len(names) == 1 else "s"
    with progress.step(f"Send {len(names)} {what}{plural} ({_readable(size)})"):
        with_admission(cluster, lambda: _send(target, transfer, names))


def _send(target: ssh.SshTarget, transfer: rsync_cluster.Transfer, names: Sequence[str]) -> None:
    with ssh.own_messages(target) as messages:
        done = subprocess.run(
            rsync_cluster.command(target, transfer, messages), input=b"\0".join(map(_listed, names)),
            capture_output=True, env=rsync_cluster.environment(), check=False,
        )  # fmt: skip
        if done.returncode in rsync_cluster.NOTHING_ANSWERS:
            ssh.raise_if_failed(target, messages)
    if done.returncode in rsync_cluster.NOTHING_ANSWERS:
        ssh.check_container(target)
    if done.returncode:
        raise _failure(done.returncode, done.stderr.decode(errors="replace"))


def _listed(name: str) -> bytes:
    """Return a name as rsync reads it in a list: openrsync skips what begins as a comment."""
    encoded = os.fsencode(name)
    return b"./" + encoded if encoded.startswith((b"#", b";")) else encoded


def _failure(code: int, said: str) -> ToilctlError:
    """Return what rsync's words mean."""
    vanished, named = _VANISHED.search(said), _NAMED.search(said) or _OF_OPENRSYNC.search(said)
    if vanished:
        path = brief(vanished["path"])
        return UsageError(f"{path} was removed while it was being copied.", "Type the same command again.", path=path)
    path, why = (brief(named["path"]), brief(named["why"])) if named else ("", "")
    if named and not re.search(r"\[(receiver|generator)\]", said, re.IGNORECASE):
        return UsageError(f"{path} could not be copied: {why}.", "Make it readable.", path=path)
    if named:
        return ConflictError(f"The leader could not take {path}: {why}.", "Make room for it there.", path=path)
    last = ask_leader.last_words(said, code)
    return ConnectError(f"The files did not reach the leader: {last}", "Type the same command again.")


def _readable(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
