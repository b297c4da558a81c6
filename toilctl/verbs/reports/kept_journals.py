"""Autoscalers' journals: fetched from leaders, kept on this machine when a cluster goes, and read."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from toilctl.autoscaler.journal.report import JOURNAL
from toilctl.system import paths, progress, recordings, ssh
from toilctl.values import outside
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ToilctlError
from toilctl.verbs.connect import ask_leader, let_in
from toilctl.verbs.connect import ssh_cluster as sessions
from toilctl.verbs.reports import autoscaler_report
from toilctl.verbs.settings import scaling

FETCH_S: Final = 300.0
"""How long 50 MB of text, a tenth of that when compressed, may take."""
KEEP_S: Final = 20.0
"""How long a journal may keep a cluster from being destroyed, after the account was asked for the key pair."""
MOST_KEPT: Final = 50
MOST_LINES: Final = 500_000
"""Of a file: a leader's journals have some hundred thousand, each of which becomes a tick in memory."""
_SUFFIX: Final = ".jsonl.gz"


@dataclass(frozen=True)
class KeptJournal:
    """A journal that outlived its cluster."""

    path: Path
    region: str
    others: int = 0
    """How many older ones there are of clusters of that name."""


def fetch(cluster: Cluster, ssh_key: Path | None) -> bytes:
    """Return a running cluster's journal, as gzip has it; empty when there is none yet.

    :raises NotFoundError: when the cluster has no leader.
    :raises ConnectError: when the leader cannot be reached, or does not let us read.
    """
    key = sessions.session_key(cluster, ssh_key)
    with progress.step("Fetch the autoscaler's journal"):
        return let_in.with_admission(cluster, lambda: _fetch(ssh.leader_of(cluster, key), FETCH_S))


def keep(cluster: Cluster, ssh_key: Path | None) -> Path | None:
    """Keep the journal of a cluster that is about to be destroyed; None, and a note, when that cannot be."""
    if cluster.leader is None or not scaling.has_autoscaler(cluster):
        return None
    try:
        with progress.step("Keep the autoscaler's journal"):
            leader = sessions.choose(cluster, None, sessions.session_key(cluster, ssh_key))
            content = _fetch(leader, KEEP_S)
            return _write(cluster, content) if content else None
    except Exception as error:  # Whatever it is, the cluster has to go.
        why = error.message if isinstance(error, ToilctlError) else f"{error}."
        progress.note(f"The autoscaler's journal is not kept. {why}")
        return None


def kept(name: str, region: str | None) -> KeptJournal | None:
    """Return the newest journal that was kept of clusters of a name, in a region or any."""
    found = _oldest_first(f"{region or '*'}/{name}/*{_SUFFIX}")
    return KeptJournal(found[-1], found[-1].parent.parent.name, len(found) - 1) if found else None


def read(files: Iterable[Path]) -> Iterator[str]:
    """Yield the lines of files, packed by gzip or not, and of all journals in directories.

    :raises UsageError: for one that cannot be read.
    """
    for path in files:
        next_step = f"Name a copy of a leader's {JOURNAL}, or of what its rotation made of it."
        with recordings.readable(path, next_step):
            found = sorted(path.glob("*.jsonl*")) if path.is_dir() else [path]
        for one in found:
            yield from recordings.lines(one, next_step, MOST_LINES)


def lines(fetched: bytes) -> Iterator[str]:
    """Yield the lines of a running cluster's journal.

    :raises ConnectError: for a journal that is too long.
    """
    with ask_leader.understood("the autoscaler's journal"):
        yield from outside.lines(fetched, most_lines=MOST_LINES)


def _fetch(leader: ssh.SshTarget, timeout_s: float) -> bytes:
    # What ls has in reverse is oldest first: rotated files have the larger numbers.
    script = f'set -- $(ls -r {JOURNAL}* 2>/dev/null); [ $# = 0 ] || cat "$@" | gzip -c | base64 -w 0'
    text = autoscaler_report.as_root(leader, script, timeout_s)
    with ask_leader.understood("the autoscaler's journal"):
        packed = b64decode(text)
        # To its end, so that what is too large is refused here.
        return packed if sum(map(len, outside.unpacked(packed))) else b""


def _write(cluster: Cluster, content: bytes) -> Path:
    """Put a journal in its place at once, for nobody else to read, and remove the oldest of too many."""
    name = cluster.generation if cluster.generation.isalnum() else f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    path = paths.journals_dir() / cluster.region / cluster.name / f"{name}{_SUFFIX}"
    paths.made(path.parent)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    for old in _oldest_first(f"*/*/*{_SUFFIX}")[:-MOST_KEPT]:
        old.unlink(missing_ok=True)
    return path


def _oldest_first(pattern: str) -> list[Path]:
    return sorted(paths.journals_dir().glob(pattern), key=lambda path: (path.stat().st_mtime_ns, path))
