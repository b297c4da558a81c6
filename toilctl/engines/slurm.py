"""Slurm, by its command line tools in the leader's container. Its nodes' names are EC2's instance ids."""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from toilctl.engines import slurm_jobs
from toilctl.engines.client import UNREADABLE, EngineNode, Run, ask, nonsense, unknown_node
from toilctl.engines.run_times import estimates
from toilctl.engines.slurm_names import expand, when
from toilctl.values.capacity import Resources
from toilctl.values.cluster import NodeState
from toilctl.values.errors import EngineError
from toilctl.values.jobs import Demand
from toilctl.values.wording import number

DRAINING: Final = "toilctl: draining"
"""The reason by which a node that is about to be terminated is told from one that a human drained."""
CORDONED: Final = "toilctl: cordoned"
TERMINATED: Final = "toilctl: terminated"
_SLURMS_OWN: Final = (
    "Duplicate jobid", "Epilog error", "Prolog error", "Kill task failed", "batch job complete failure",
)  # fmt: skip
"""Reasons for which Slurm itself drains a node, after a mishap with a job (``strings slurmctld``)."""

_NAME: Final = "Slurm"
_CUT: Final = "\x1d"
_MARK_BYTES: Final = 8
_HOLDING: Final = "CONFIGURING,COMPLETING,RUNNING,SUSPENDED,STOPPED,SIGNALING,RESIZING,STAGE_OUT"
"""The states of jobs that hold a node's resources."""
_ASK: Final = (
    "scontrol --oneliner show node",
    f"squeue --noheader --states={_HOLDING} --format='%i|%T|%N'",
)
_HISTORY: Final = "/var/log/slurm/jobcomp.log"
_HISTORY_BYTES: Final = 4_000_000
"""Some 10,000 jobs."""
_ASK_HISTORY: Final = f"if test -f {_HISTORY}; then tail --bytes={_HISTORY_BYTES} {_HISTORY}; fi"
_INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]+")
_NODE: Final = re.compile(r"NodeName=\S{1,256} (Arch=\S{1,64} )?CoresPerSocket=\d")
"""How a node begins. Whoever gives a node a reason of such a line may as well give it another state."""
# Values may have spaces (OS, Reason): what ends one is the next key.
_FIELD: Final = re.compile(r"\b(\w{1,64})=(.*?)(?=\s{1,8}\w{1,64}=|$)")
_MOST: Final = 10**12
"""No number of a node's is larger."""
# INVALID_REG: it has less than it claimed, and Slurm will not use it.
_GONE: Final = frozenset({"INVALID_REG", "DOWN", "FAIL", "ERROR", "UNKNOWN", "POWERED_DOWN", "POWERING_DOWN"})
_PLACEHOLDER: Final = "FUTURE"


@dataclass(frozen=True)
class Slurm:
    """A Slurm controller."""

    run: Run

    def nodes(self) -> tuple[EngineNode, ...]:
        """Return the nodes that have joined, and what runs on each."""
        listed, jobs = self._ask(*_ASK, mark=_mark())
        running = _running(jobs)
        return tuple(_node(fields, running) for fields in _listed(listed) if _PLACEHOLDER not in fields["State"])

    def demand(self) -> Demand:
        """Return the queued and running jobs, and how long those of each name took."""
        mark = _mark()
        queue = f"SLURM_BITSTR_LEN=0 squeue --noheader --noconvert --Format='{slurm_jobs.form(mark)}'"
        listed, history = self._ask(queue, _ASK_HISTORY, mark=mark)
        try:
            jobs, unread = slurm_jobs.jobs(listed, mark)
        except UNREADABLE:
            raise nonsense(_NAME, listed) from None
        problems = (f"Slurm tells of {number(unread, 'job')} what cannot be read; the others count.",) if unread else ()
        return Demand(jobs, estimates(slurm_jobs.runs(history)), problems=problems)

    def cordon(self, name: str) -> None:
        """Give a node no new jobs, until ``uncordon``."""
        self._update(name, "DRAIN", CORDONED)

    def uncordon(self, name: str) -> None:
        """Give a node jobs again."""
        # RESUME would fail on a node that is not drained, and raise a dead one.
        self._update(name, "UNDRAIN")

    def drain(self, name: str) -> None:
        """Give a node no new jobs, since it will be terminated; running jobs go on."""
        self._update(name, "DRAIN", DRAINING)

    def evacuate(self, node: EngineNode) -> None:
        """End what runs on a node that is about to be taken away: it is to run again elsewhere at once."""
        if node.running:
            ask(self.run, ("scontrol", "requeue", ",".join(node.running)), _NAME)
            self._release(node.running)

    def lost(self, node: EngineNode) -> None:
        """Take note that a node does not exist any more: what ran there is to run again at once."""
        if node.state is not NodeState.DOWN:
            self._update(node.name, "DOWN", TERMINATED)
            self._release(node.running)
        elif not node.running:
            ask(self.run, ("scontrol", "delete", f"NodeName={node.name}"), _NAME)

    def _release(self, jobs: Iterable[str]) -> None:
        """Let jobs run that Slurm put into its queue again, and holds back for two minutes."""
        for job in jobs:
            with suppress(EngineError):
                ask(self.run, ("scontrol", "update", f"JobId={job}", "StartTime=now"), _NAME)

    def _ask(self, first: str, second: str, *, mark: str) -> tuple[str, str]:
        """Return what two commands print; the second one runs when the first has not failed."""
        commands = f"{first} && echo '{_CUT}{mark}' && {second}"
        # Times in UTC wherever the leader is; and a job's name or a node's reason may be any bytes.
        script = f"export TZ=UTC0; {{ {commands}; }} | iconv -c -f UTF-8 -t UTF-8"
        printed, cut, more = ask(self.run, ("bash", "-o", "pipefail", "-c", script), _NAME).partition(f"{_CUT}{mark}\n")
        if not cut:
            raise nonsense(_NAME, printed)
        return printed, more

    def _update(self, name: str, state: str, reason: str | None = None) -> None:
        words = ["scontrol", "update", f"NodeName={name}", f"State={state}"]
        try:
            ask(self.run, words + ([f"Reason={reason}"] if reason else []), _NAME)
        except EngineError as error:
            if "Invalid node name" in error.message:
                raise unknown_node(name) from error
            raise


def _mark() -> str:
    """Return a word that nobody can have put into a job's name, or a node's reason, before it was asked for."""
    return secrets.token_hex(_MARK_BYTES)


def _running(jobs: str) -> Mapping[str, tuple[str, ...]]:
    """Return the jobs that hold each node's resources; pending ones have no nodes."""
    running = defaultdict[str, tuple[str, ...]](tuple)
    for line in filter(None, jobs.split("\n")):
        job, _, rest = line.strip().partition("|")
        state, cut, nodes = rest.partition("|")
        if not cut:
            raise nonsense(_NAME, line)
        try:
            names = expand(nodes) if nodes and state != "PENDING" else []
        except ValueError:
            raise nonsense(_NAME, line) from None
        for name in names:
            running[name] += (job,)
    return running


def _listed(answer: str) -> Iterator[dict[str, str]]:
    known = False
    for line in filter(None, map(str.strip, answer.split("\n"))):
        if not known and line == "No nodes in the system":
            return
        if known and not _NODE.match(line):
            # The rest of a reason that has several lines.
            continue
        known = True
        # The first of two wins: a reason, which comes last, may be any text.
        fields = dict(reversed(_FIELD.findall(line)))
        if not {"NodeName", "State", "CPUTot", "RealMemory"} <= fields.keys():
            raise nonsense(_NAME, line)
        yield fields


def _node(fields: Mapping[str, str], running: Mapping[str, tuple[str, ...]]) -> EngineNode:
    name = fields["NodeName"]
    try:
        disk = _number(fields.get("TmpDisk", "0"))
        resources = Resources(_number(fields["CPUTot"]), _number(fields["RealMemory"]), disk)
        used = _used(fields)
    except UNREADABLE:
        raise nonsense(_NAME, str(dict(fields))) from None
    return EngineNode(
        name=name,
        instance_id=name if _INSTANCE_ID.fullmatch(name) else None,
        private_address=fields.get("NodeAddr"),
        state=_state(fields),
        running=running.get(name, ()),
        resources=resources,
        idle_since=None if name in running else when(fields.get("LastBusyTime", "")),
        used=used,
    )


def _used(fields: Mapping[str, str]) -> Resources | None:
    if not {"CPUAlloc", "AllocMem"} <= fields.keys():
        return None
    # Slurm does not keep account of disk.
    return Resources(_number(fields["CPUAlloc"]), _number(fields["AllocMem"]), 0)


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _MOST:
        raise ValueError(number)
    return number


def _state(fields: Mapping[str, str]) -> NodeState:
    flags = set(fields["State"].rstrip("*").split("+"))
    if flags & _GONE:
        return NodeState.DOWN
    if "DRAIN" in flags:
        # Nobody wants a node back that Slurm gave up, but it is not a person's to look at either.
        given_up = fields.get("Reason", "").startswith((DRAINING, *_SLURMS_OWN))
        return NodeState.DRAINING if given_up else NodeState.CORDONED
    return NodeState.JOINED
