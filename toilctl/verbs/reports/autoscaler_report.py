"""What an autoscaler tells of itself on its leader: the last report in full, and the journal's last lines."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toilctl.autoscaler.journal.report import JOURNAL, LAST_REPORT, TickReport
from toilctl.system import progress, ssh
from toilctl.values import outside, tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConnectError
from toilctl.values.scaling_policy import Limits
from toilctl.verbs.connect import ask_leader, let_in
from toilctl.verbs.connect import ssh_cluster as sessions
from toilctl.verbs.reports import advice
from toilctl.verbs.reports.remedies import Place
from toilctl.workflows import told


@dataclass(frozen=True)
class AutoscalerAnswer:
    """What was found; reports of another toilctl's are read as far as they are known."""

    report: TickReport | None
    """The last one; None before the first tick."""
    age_s: float | None
    """How long ago that was, by the leader's clock."""
    journal: tuple[TickReport, ...] = ()
    """Oldest first, without nodes and errors."""


def ask(cluster: Cluster, ssh_key: Path | None, lines: int = 0) -> AutoscalerAnswer:
    """Read an autoscaler's last report, and so many lines of its journal.

    :raises ConnectError: when the leader cannot be reached, or does not let us read.
    """
    key = sessions.session_key(cluster, ssh_key)
    script = f"date +%s; cat {LAST_REPORT} 2>/dev/null || echo; tail -n {lines} {JOURNAL} 2>/dev/null; true"
    with progress.step("Ask the leader"):
        text = let_in.with_admission(cluster, lambda: as_root(ssh.leader_of(cluster, key), script))
    # Sentences of a leader with an older toilctl have the words already, without the name.
    found = understood(text.replace("toilctl autoscale NAME", f"toilctl autoscale {cluster.name}"))
    place = Place(cluster.name, Limits.parse(cluster.settings.get(tags.LIMITS, "")))
    return AutoscalerAnswer(
        found.report and advice.completed(found.report, place),
        found.age_s,
        tuple(advice.completed(one, place) for one in found.journal),
    )


def understood(text: str) -> AutoscalerAnswer:
    """Read the leader's answer: its time in seconds, the last report (or an empty line), the journal's lines."""
    now, last, *journal = [*text.split("\n"), "", ""]
    report = _report(last)
    age_s = None
    if report:
        with ask_leader.understood("what the autoscaler last saw"):
            age_s = max(0.0, told.number(float(now)) - told.when(report.at).timestamp())
    return AutoscalerAnswer(report, age_s, tuple(one for line in journal if (one := _report(line))))


def as_root(leader: ssh.SshTarget, script: str, timeout_s: float = ssh.TIMEOUT_S) -> str:
    """Run a script on a leader, whose autoscaler's files are the root user's, and return what it prints.

    :raises ConnectError: when the leader cannot be reached, or does not let us read.
    """
    try:
        return ssh.capture(leader, f"sudo -n sh -c {shlex.quote(script)}", timeout_s)
    except subprocess.CalledProcessError as error:
        raise _unread(leader, ask_leader.last_words(error.stderr, error.returncode)) from error
    except subprocess.TimeoutExpired as error:
        raise _unread(leader, f"no answer in {error.timeout:g} s") from error


def _unread(leader: ssh.SshTarget, why: str) -> ConnectError:
    return ConnectError(
        f"The leader {leader.node.instance_id} does not show its autoscaler's reports: {why}.",
        f"Look there: toilctl ssh-cluster --host {leader.cluster.name}", instance_id=leader.node.instance_id,
    )  # fmt: skip


def _report(line: str) -> TickReport | None:
    """Read a line of a journal; one that a full disk cut off is passed over."""
    try:
        return TickReport.of(outside.document(line))
    except ValueError:
        return None
