"""Slurm's queue and history, read from what its commands print."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from toilctl.engines.client import UNREADABLE
from toilctl.engines.slurm_names import expand, numbers, when
from toilctl.values import job_names
from toilctl.values.jobs import Job, Shape

SERVICE: Final = "toilctl-service"
"""The comment by which the Toil plugin marks a job that runs until others are done."""
NONPREEMPTIBLE: Final = "nonpreemptible"
"""The feature of nodes that EC2 does not take away, which the Toil plugin and role slurm give."""
PREEMPTIBLE: Final = "preemptible"

_CUT: Final = "\x1f"
_END: Final = "\x1e"
# With width 0 squeue cuts nothing off. Free text comes last; a job's name may be any text.
_FIELDS: Final = (
    "JobArrayID", "StateCompact", "tres-alloc", "MinTmpDisk", "NumNodes", "Feature", "EligibleTime", "SubmitTime",
    "StartTime", "RestartCnt", "ReqNodes", "NodeList", "Reason", "Comment", "Name",
)  # fmt: skip

_UNITS_MIB: Final = {"": 1, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2, "P": 1024**3}
_AMOUNT: Final = re.compile(r"([\d.]+)([KMGTP]?)")
_TOIL_NAME: Final = re.compile(r"toil_job_\d+_(.*)", re.DOTALL)
_ARRAY: Final = re.compile(r"(?P<array>\d+)_\[(?P<tasks>[^%\]]*)(?:%(?P<limit>\d+))?\]")
_MOST_CORES: Final = 10**6
_MOST_MIB: Final = 2**40
# Of a record in Slurm's history what comes before the job's name, and after it.
_BEFORE_NAME: Final = re.compile(r"^JobId=\d{1,20} UserId=[^=\n]{1,200} GroupId=[^=\n]{1,200} Name=", re.MULTILINE)
_AFTER_NAME: Final = re.compile(
    r" JobState=(?P<state>\w{1,40}) Partition=\S{1,200} TimeLimit=\S{1,40} "
    r"StartTime=(?P<start>\S{1,40}) EndTime=(?P<end>\S{1,40}) NodeList=.* ExitCode=\d{1,10}:\d{1,10} ?\n",
    re.DOTALL,
)
# Not demand yet: other jobs come first, whatever nodes there are.
_LATER: Final = frozenset({"Dependency", "JobArrayTaskLimit"})
_HELD: Final = {
    "JobHeldUser": "a user holds it",
    "JobHeldAdmin": "an administrator holds it",
    "JobHoldMaxRequeue": "it was started too often in vain",
    "launch failed requeued held": "it could not be started and is held",
    "DependencyNeverSatisfied": "a job that it depends on did not succeed",
    "BadConstraints": "Slurm can run it on no node with its constraints",
    "DeadLine": "its deadline has passed",
    "Licenses": "it waits for a licence",
    "Reservation": "it waits for a reservation",
}
_LIMITS: Final = ("Assoc", "QOS", "InvalidAccount", "InvalidQOS", "PartitionDown", "PartitionInactive", "PartitionTime")
_HOLDING_STATES: Final = {"RH": "it is held after a requeue", "SE": "it is held after a special exit"}


class _Line(NamedTuple):
    """One job, or the waiting tasks of one array, in the order of ``_FIELDS``."""

    job_id: str
    state: str
    tres: str
    tmp_disk: str
    nodes_wanted: str
    features: str
    eligible: str
    submitted: str
    started: str
    restarts: str
    nodes_named: str
    nodes: str
    reason: str
    comment: str
    name: str

    @property
    def runs(self) -> bool:
        """Whether it holds resources: it runs, is suspended, starts or ends."""
        return self.state != "PD" and bool(self.nodes)


def form(mark: str) -> str:
    """Return what ``squeue --Format`` shall print for ``jobs`` to read. Times must be in UTC.

    :param mark: what ends each job's record; none of a job's own texts may have it.
    """
    return f":0{_CUT},".join(_FIELDS) + f":0{_END}{mark}"


def jobs(answer: str, mark: str) -> tuple[tuple[Job, ...], int]:
    """Return the queued and running jobs that squeue printed in ``form``, and of how many more it told in vain.

    A job on several nodes comes once for each. Jobs that wait for other jobs are left out: no node helps them. Whatever
    a job is called, and its comment says, is read as this job's own.

    :raises ValueError: when nothing of it can be read.
    """
    found: list[Job] = []
    running_tasks = _running_tasks(answer, mark)
    read = unread = 0
    for record in _records(answer, mark):
        try:
            line = _Line(*record.split(_CUT, len(_FIELDS) - 1))
            found += _running(line) if line.runs else _waiting(line, running_tasks)
            read += 1
        except UNREADABLE:
            unread += 1
    if unread and not read:
        raise ValueError(answer)
    return tuple(found), unread


def _running_tasks(answer: str, mark: str) -> Counter[str]:
    """Return how many tasks run of each array."""
    counted = Counter[str]()
    for record in _records(answer, mark):
        if "_" in record[: record.find(_CUT)]:
            fields = record.split(_CUT, len(_FIELDS) - 1)
            if len(fields) == len(_FIELDS) and _Line(*fields).runs:
                counted[fields[0].partition("_")[0]] += 1
    return counted


def _records(answer: str, mark: str) -> Iterator[str]:
    """Yield what is told of each job; one by one, since there may be 100,000."""
    ends, start = f"{_END}{mark}\n", 0
    while (end := answer.find(ends, start)) >= 0:
        yield answer[start:end]
        start = end + len(ends)
    if answer[start:].strip():
        raise ValueError(answer[start:])


def runs(history: str) -> Iterator[tuple[str, float]]:
    """Yield name and seconds of each job that succeeded, from the end of what Slurm's jobcomp/filetxt wrote.

    It writes names as they are, so a name may have the words of a record. A record counts when it begins a line, after
    the whole end of the one before it, and ends whole: pieces of records in a name are part of that name, and a name in
    which another record begins costs its own job alone. What cannot be told is a name that has one whole record and
    more, line by line: whoever names a job so makes up run times, as can whoever runs jobs of another's name.
    """
    befores = list(_BEFORE_NAME.finditer(history))
    ends = [*(one.start() for one in befores[1:]), len(history)]
    follows = True
    for before, until in zip(befores, ends, strict=False):
        # The last of them: a name may have these words, too.
        end = history.rfind(" JobState=", before.end(), until)
        after = _AFTER_NAME.fullmatch(history, end, until) if end >= 0 else None
        counts, follows = follows, after is not None
        if not counts or after is None:
            continue
        started, ended = when(after["start"]), when(after["end"])
        if after["state"] == "COMPLETED" and started and ended and ended >= started:
            yield _name(history[before.end() : end]), (ended - started).total_seconds()


def _running(line: _Line) -> Iterator[Job]:
    nodes = expand(line.nodes)
    shape = _shape(line.tres, line.tmp_disk, line.features, len(nodes))
    for node in nodes:
        yield Job(line.job_id, _name(line.name), shape, node, when(line.started), _is_service(line))


def _waiting(line: _Line, running_tasks: Counter[str]) -> Iterator[Job]:
    if line.reason in _LATER:
        return
    shape = _shape(line.tres, line.tmp_disk, line.features, 1)
    # A job that may start later is eligible only then.
    since = when(line.submitted if line.reason == "BeginTime" else line.eligible) or when(line.submitted)
    for job_id in _task_ids(line.job_id, running_tasks):
        yield Job(job_id, _name(line.name), shape, None, since, _is_service(line), _held(line))


def _is_service(line: _Line) -> bool:
    return line.comment.startswith(SERVICE)


def _task_ids(job_id: str, running_tasks: Counter[str]) -> Iterable[str]:
    """Return the ids that wait: of an array, as many of its tasks as may run at once."""
    array = _ARRAY.fullmatch(job_id)
    if array is None:
        return (job_id,)
    tasks = [f"{array['array']}_{number}" for number in numbers(array["tasks"])]
    limit = int(array["limit"]) - running_tasks[array["array"]] if array["limit"] else len(tasks)
    return tasks[: max(0, limit)]


def _held(line: _Line) -> str:
    """Return why Slurm would not run a waiting job on an empty node either."""
    known = _HOLDING_STATES.get(line.state) or _HELD.get(line.reason)
    return known or _limit(line.reason) or _not_yet(line) or _unlaunchable(line)


def _limit(reason: str) -> str:
    return f"a limit of Slurm's keeps it back: {reason}" if reason.startswith(_LIMITS) else ""


def _not_yet(line: _Line) -> str:
    # Slurm starts a job that lost its node two minutes later at the earliest; by then it wants another.
    by_user = line.reason == "BeginTime" and line.restarts == "0"
    return f"it is not to start before {line.eligible.replace('T', ' ')} UTC" if by_user else ""


def _unlaunchable(line: _Line) -> str:
    if line.nodes_named:
        return f"it asks for {line.nodes_named} by name"
    if line.nodes_wanted.split("-")[0] not in ("0", "1"):
        return f"it asks for {line.nodes_wanted} nodes at once"
    return _impossible(line.features)


@lru_cache(maxsize=4096)
def _impossible(features: str) -> str:
    if all(map(_foreign, _alternatives(features))):
        return f"it asks for a feature that no node type gives: {features}"
    return ""


@lru_cache(maxsize=4096)
def _shape(tres: str, tmp_disk: str, features: str, nodes: int) -> Shape:
    """Return what a job asks of each of its nodes; ``tres`` counts all of them: ``cpu=2,mem=600M,node=1,billing=2``."""
    amounts = dict(one.split("=", 1) for one in tres.split(",") if "=" in one)
    cores = -(-int(amounts["cpu"]) // nodes)
    if not 0 <= cores <= _MOST_CORES:
        raise ValueError(tres)
    return Shape(
        cores=float(cores),
        memory_mib=-(-_mib(amounts.get("mem", "0")) // nodes),
        disk_mib=_mib(tmp_disk),
        preemptible=any(NONPREEMPTIBLE not in names for names in _alternatives(features) if not _foreign(names)),
    )


def _alternatives(features: str) -> tuple[frozenset[str], ...]:
    """Return the sets of features of which a node needs one: ``a&b|c``."""
    plain = re.sub(r"[\[\]() ]", "", features.replace("(null)", ""))
    return tuple(frozenset(filter(None, re.split("[&,]", one))) for one in plain.split("|"))


def _foreign(names: frozenset[str]) -> bool:
    return not names <= {PREEMPTIBLE, NONPREEMPTIBLE} or len(names) > 1


def _mib(amount: str) -> int:
    found = _AMOUNT.fullmatch(amount)
    if found is None or float(found[1]) * _UNITS_MIB[found[2]] > _MOST_MIB:
        raise ValueError(amount)
    return -(-round(float(found[1]) * _UNITS_MIB[found[2]] * 1024) // 1024)


def _name(name: str) -> str:
    """Return the kind of a job, without what Toil puts before its name: a number of its own."""
    toil = _TOIL_NAME.fullmatch(name)
    return job_names.kind(toil[1] if toil else name)
