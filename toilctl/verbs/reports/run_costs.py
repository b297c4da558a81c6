"""What a cluster cost within spans of time: its leader by the clock, its workers by their autoscaler's journal."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from toilctl.autoscaler.journal.report import JOURNAL
from toilctl.system import price_table, progress, ssh
from toilctl.values import outside
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ToilctlError
from toilctl.values.units import HOUR_S
from toilctl.verbs.connect import let_in
from toilctl.verbs.connect import ssh_cluster as sessions
from toilctl.verbs.settings import scaling
from toilctl.workflows import told

Span = tuple[datetime, datetime]

_READER: Final = """
import bisect, glob, json, re, sys
wanted, line = json.loads(sys.argv[2]), re.compile(r'^{"at":"([^"]+)".*"usd":([0-9.eE+-]+),"seconds":')
seen = sorted(
    found.groups() for path in glob.glob(sys.argv[1] + "*") for text in open(path, errors="replace")
    if (found := line.match(text))
)
times = [at for at, _ in seen]
print(json.dumps([float(seen[at - 1][1]) if (at := bisect.bisect_right(times, one)) else 0.0 for one in wanted]))
"""
"""Runs on the leader's host: a journal of weeks stays there. Times are ISO 8601 in UTC, which sort as text."""


def within(cluster: Cluster, ssh_key: Path | None, spans: Sequence[Sequence[Span]]) -> list[float | None]:
    """Return the USD of each group of spans; None where a price or the journal is not known.

    :raises ConnectError: when the leader cannot be reached.
    """
    leaders = price_table.there([cluster.leader] if cluster.leader else ())
    leader = price_table.cost(cluster.region, leaders).usd_per_hour
    if leader is None or not any(spans):
        return [None] * len(spans)
    if not scaling.has_autoscaler(cluster):
        workers = price_table.cost(cluster.region, price_table.there(cluster.workers))
        usd_per_hour = None if workers.usd_per_hour is None else leader + workers.usd_per_hour
        return [_by_the_clock(group, usd_per_hour) for group in spans]
    journal = _journal(cluster, ssh_key, {time for group in spans for span in group for time in span})
    return [_with_journal(group, leader, journal) for group in spans]


def _journal(cluster: Cluster, ssh_key: Path | None, times: Iterable[datetime]) -> Mapping[datetime, float]:
    """Return what the workers had cost by some times; empty when the journal cannot be read."""
    wanted = sorted(times)
    texts = json.dumps([one.astimezone(UTC).isoformat(timespec="milliseconds") for one in wanted])
    key = sessions.session_key(cluster, ssh_key)
    command = f"sudo -n /usr/bin/python3 - {JOURNAL} {shlex.quote(texts)}"
    try:
        answer = let_in.with_admission(cluster, lambda: ssh.capture(ssh.leader_of(cluster, key), command, text=_READER))
        costs = map(told.number, told.items(outside.document(answer)))
        return dict(zip(wanted, costs, strict=True))
    except (subprocess.SubprocessError, ValueError, ToilctlError) as error:
        progress.debug(f"What it cost cannot be told: {error}")
        return {}


def _with_journal(group: Sequence[Span], leader: float, journal: Mapping[datetime, float]) -> float | None:
    leaders = _by_the_clock(group, leader)
    if leaders is None or not journal:
        return None
    return leaders + sum(max(0.0, journal[end] - journal[start]) for start, end in group)


def _by_the_clock(group: Sequence[Span], usd_per_hour: float | None) -> float | None:
    if usd_per_hour is None:
        return None
    return sum((end - start).total_seconds() for start, end in group) / HOUR_S * usd_per_hour
