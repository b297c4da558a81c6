"""What follows from EC2's notices: which nodes get no more jobs, which jobs run again, and when nodes are given up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from toilctl.autoscaler.decide.run_times import left_s
from toilctl.autoscaler.decide.workers import Member, Workers
from toilctl.autoscaler.model.phases import Phase
from toilctl.values.cluster import NodeState
from toilctl.values.jobs import Job

EVACUATE_S: Final = 30.0
"""How long before its end a node is given up: Slurm and Mesos need some seconds to end what runs there.

EC2's notice comes two minutes before (EC2 user guide, "Spot Instance interruption notices").
"""


def draining(workers: Workers) -> tuple[str, ...]:
    """Return the nodes with a notice to which the engine still gives jobs; a person's that may stay are left alone."""
    return tuple(
        member.node.instance_id
        for member in workers.in_phase(Phase.INTERRUPTED, Phase.AT_RISK)
        if member.node.engine_state is NodeState.JOINED and not (member.node.fixed and member.phase is Phase.AT_RISK)
    )


def evacuated(workers: Workers, now: datetime) -> tuple[str, ...]:
    """Return the nodes that are given up now: what runs there is to run again elsewhere at once."""
    return tuple(one.node.instance_id for one in _held(workers) if _end(one) <= now)


def wake_at(workers: Workers, now: datetime) -> datetime | None:
    """Return when the next node is to be given up; None when none is."""
    return min((end for one in _held(workers) if (end := _end(one)) > now), default=None)


def again(workers: Workers, run_times_s: Mapping[str, float], now: datetime) -> tuple[Job, ...]:
    """Return the running jobs that will need a place elsewhere: those that are not expected to end in time.

    ``situation`` counts them among the jobs that wait, so ``scale_out`` launches for them as for any other.
    """
    ends = {member.node.instance_id: _end(member) for member in workers.in_phase(Phase.INTERRUPTED)}
    return tuple(_late((job for job in workers.running if job.node in ends), ends, run_times_s, now)) if ends else ()


def _late(
    jobs: Iterable[Job], ends: Mapping[str, datetime], run_times_s: Mapping[str, float], now: datetime
) -> Iterable[Job]:
    for job in jobs:
        left = left_s(job, run_times_s, now)
        if left is None or now + timedelta(seconds=left) > ends[job.node or ""]:
            yield job


def _held(workers: Workers) -> Iterable[Member]:
    """Yield the nodes that EC2 takes away and the engine still counts on."""
    for member in workers.in_phase(Phase.INTERRUPTED):
        if member.node.engine_state not in (None, NodeState.DOWN) and not _given_up(member):
            yield member


def _given_up(member: Member) -> bool:
    return member.node.engine_state is NodeState.DRAINING and not member.node.running


def _end(member: Member) -> datetime:
    """Return when a node is given up."""
    notice = member.node.notice
    if notice is None or notice.takes_at is None:
        raise ValueError(f"{member.node.instance_id} is not taken away")
    return notice.takes_at - timedelta(seconds=EVACUATE_S)
