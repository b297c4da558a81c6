"""Slurm, by its command line tools in the leader's container. Its nodes' names are EC2's instance ids."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from toilctl.capacity import Resources
from toilctl.cluster import NodeState
from toilctl.engines import EngineNode, Run, ask, nonsense, unknown_node
from toilctl.errors import EngineError

DRAINING: Final = "toilctl: draining"
"""The reason by which a node that is about to be terminated is told from one that a human drained."""
CORDONED: Final = "toilctl: cordoned"

_NAME: Final = "Slurm"
_CUT: Final = "----"
_ASK: Final = ("sh", "-c", f"scontrol --oneliner show node && echo {_CUT} && squeue --noheader --format='%i|%T|%N'")
_INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]+")
# Values may have spaces (OS, Reason): what ends one is the next key.
_FIELD: Final = re.compile(r"(\w+)=(.*?)(?=\s+\w+=|\s*$)")
_GONE: Final = frozenset({"DOWN", "FAIL", "ERROR", "UNKNOWN", "POWERED_DOWN", "POWERING_DOWN"})
_PLACEHOLDER: Final = "FUTURE"
_RANGE: Final = re.compile(r"(?P<before>[^\[]*)\[(?P<numbers>[^\]]*)\](?P<after>.*)")


@dataclass(frozen=True)
class Slurm:
    """A Slurm controller."""

    run: Run

    def nodes(self) -> tuple[EngineNode, ...]:
        """Return the nodes that have joined, and what runs on each."""
        listed, cut, jobs = ask(self.run, _ASK, _NAME).partition(f"{_CUT}\n")
        if not cut:
            raise nonsense(_NAME, listed)
        running = _running(jobs)
        return tuple(_node(fields, running) for fields in _listed(listed) if _PLACEHOLDER not in fields["State"])

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

    def _update(self, name: str, state: str, reason: str | None = None) -> None:
        words = ["scontrol", "update", f"NodeName={name}", f"State={state}"]
        try:
            ask(self.run, words + ([f"Reason={reason}"] if reason else []), _NAME)
        except EngineError as error:
            if "Invalid node name" in error.message:
                raise unknown_node(name) from error
            raise


def expand(nodes: str) -> Iterator[str]:
    """Yield the names in a list as Slurm abbreviates it: ``a[1-3,7],b``."""
    for part in re.split(r",(?![^\[]*\])", nodes):
        found = _RANGE.fullmatch(part)
        if found is None:
            yield part
            continue
        for number in _numbers(found["numbers"]):
            yield from expand(f"{found['before']}{number}{found['after']}")


def _numbers(ranges: str) -> Iterator[str]:
    for one in ranges.split(","):
        first, _, last = one.partition("-")
        yield from (str(number).zfill(len(first)) for number in range(int(first), int(last or first) + 1))


def _running(jobs: str) -> Mapping[str, tuple[str, ...]]:
    """Return the jobs that hold each node's resources; pending ones have no nodes."""
    running = defaultdict[str, tuple[str, ...]](tuple)
    for line in jobs.splitlines():
        job, _, rest = line.strip().partition("|")
        state, cut, nodes = rest.partition("|")
        if not cut:
            raise nonsense(_NAME, line)
        try:
            names = list(expand(nodes)) if nodes and state != "PENDING" else []
        except ValueError:
            raise nonsense(_NAME, line) from None
        for name in names:
            running[name] += (job,)
    return running


def _listed(answer: str) -> Iterator[dict[str, str]]:
    for line in filter(None, map(str.strip, answer.splitlines())):
        if line == "No nodes in the system":
            return
        # The first of two wins: a reason, which comes last, may be any text.
        fields = dict(reversed(_FIELD.findall(line)))
        if not {"NodeName", "State", "CPUTot", "RealMemory"} <= fields.keys():
            raise nonsense(_NAME, line)
        yield fields


def _node(fields: Mapping[str, str], running: Mapping[str, tuple[str, ...]]) -> EngineNode:
    name = fields["NodeName"]
    try:
        disk = int(fields.get("TmpDisk", "0"))
        resources = Resources(int(fields["CPUTot"]), int(fields["RealMemory"]), disk)
    except ValueError:
        raise nonsense(_NAME, str(dict(fields))) from None
    return EngineNode(
        name=name,
        instance_id=name if _INSTANCE_ID.fullmatch(name) else None,
        private_address=fields.get("NodeAddr"),
        state=_state(fields),
        running=running.get(name, ()),
        resources=resources,
    )


def _state(fields: Mapping[str, str]) -> NodeState:
    flags = set(fields["State"].rstrip("*").split("+"))
    if flags & _GONE:
        return NodeState.DOWN
    if "DRAIN" in flags:
        return NodeState.DRAINING if fields.get("Reason", "").startswith(DRAINING) else NodeState.CORDONED
    return NodeState.JOINED
