"""What the autoscaler's metrics are called and mean, and the numbers of one tick as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.model.snapshot import Snapshot
from toilctl.values.jobs import Job, Shape


@dataclass(frozen=True)
class Measure:
    """A metric."""

    name: str
    """As Prometheus has it; that of a counter ends in ``_total``."""
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Of a histogram, in seconds."""


_SHAPE: Final = ("cores", "memory_mib", "disk_mib", "preemptible")
MOST_SHAPES: Final = 200
"""Of so many shapes, those with the most jobs, the numbers are told one by one: each costs a server memory."""
MOST_CODES: Final = 50
OTHER: Final = "other"
"""The label of all that is told together."""
UNKNOWN: Final = "unknown"
"""The node type of a node that runs jobs and that EC2 does not list."""

NODES_DESIRED: Final = Measure(
    "toilctl_nodes_desired", "How many workers of a node type there shall be.", ("node_type",)
)
NODES_CURRENT: Final = Measure(
    "toilctl_nodes_current", "How many workers of a node type EC2 lists, in whatever phase.", ("node_type",)
)
NODES: Final = Measure(
    "toilctl_nodes", "How many workers of a node type are in a phase, such as booting or draining.",
    ("node_type", "phase"),
)  # fmt: skip
BACKED_OFF: Final = Measure(
    "toilctl_node_type_backed_off", "Whether a node type rests because its nodes failed to join.", ("node_type",)
)
JOBS_WAITING: Final = Measure(
    "toilctl_jobs_waiting", "How many jobs of a shape wait, infeasible ones among them.", _SHAPE
)
WAITING_BECAUSE: Final = Measure(
    "toilctl_jobs_waiting_by_reason", "How many feasible jobs wait for a reason, such as launching or maximum.",
    ("reason",),
)  # fmt: skip
JOBS_RUNNING: Final = Measure(
    "toilctl_jobs_running", "How many jobs of a shape run on workers of a node type.", ("node_type", *_SHAPE)
)
JOBS_INFEASIBLE: Final = Measure(
    "toilctl_jobs_infeasible", "How many jobs of a shape no allowed node type can run, by what they lack.",
    (*_SHAPE, "lacking"),
)  # fmt: skip
USD_PER_HOUR: Final = Measure(
    "toilctl_cost_usd_per_hour", "What the workers with a known price cost now, in USD per hour."
)
USD: Final = Measure(
    "toilctl_cost_usd_total", "What the workers have cost since the autoscaler's journal begins, in USD."
)
LAST_TICK: Final = Measure("toilctl_last_tick_timestamp_seconds", "When the last tick began, since the epoch.")
ENGINE_ANSWERS: Final = Measure("toilctl_engine_answers", "Whether the engine told its jobs at the last tick.")
EC2_ANSWERS: Final = Measure("toilctl_ec2_answers", "Whether EC2 was asked and told its nodes at the last tick.")
PAUSED: Final = Measure("toilctl_paused", "Whether a person has paused the autoscaler.")
INFO: Final = Measure("toilctl_info", "Always 1; the labels tell the cluster and toilctl's version.",
                      ("cluster", "version"))  # fmt: skip
GAUGES: Final = (
    NODES_DESIRED, NODES_CURRENT, NODES, BACKED_OFF, JOBS_WAITING, WAITING_BECAUSE, JOBS_RUNNING, JOBS_INFEASIBLE,
    USD_PER_HOUR, LAST_TICK, ENGINE_ANSWERS, EC2_ANSWERS, PAUSED, INFO,
)  # fmt: skip

FAILURES: Final = Measure(
    "toilctl_failures_total", "What the autoscaler began and that failed, by EC2's code, or the part that failed.",
    ("action", "reason"),
)  # fmt: skip
LAUNCHES: Final = Measure(
    "toilctl_node_launches_total", "How many workers of a node type launches were begun for.", ("node_type",)
)
TERMINATIONS: Final = Measure(
    "toilctl_node_terminations_total", "How many workers terminations were begun for.", ("reason",)
)
INTERRUPTIONS: Final = Measure(
    "toilctl_interruptions_total", "How many interruptions of spot workers EC2 gave notice of.",
    ("instance_type", "zone", "kind"),
)  # fmt: skip
COUNTERS: Final = (FAILURES, LAUNCHES, TERMINATIONS, INTERRUPTIONS)

DECISION_TIME: Final = Measure(
    "toilctl_decision_duration_seconds", "How long a tick's decision took, without asking and doing.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
TICK_TIME: Final = Measure(
    "toilctl_tick_duration_seconds", "How long a tick took as a whole.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)  # fmt: skip
WAIT_TIME: Final = Measure(
    "toilctl_job_wait_seconds", "How long jobs waited that one tick saw waiting and a later one running.",
    buckets=(1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200),
)  # fmt: skip
HISTOGRAMS: Final = (DECISION_TIME, TICK_TIME, WAIT_TIME)

Labels = tuple[str, ...]
Numbers = Mapping[Labels, float]
"""By the values of a measure's labels, in their order."""


def gauges(report: TickReport, snapshot: Snapshot | None) -> dict[Measure, Numbers]:
    """Return the numbers of all gauges; what nobody knows at this tick has none."""
    found: dict[Measure, Numbers] = {one: {} for one in GAUGES}
    found |= {
        USD_PER_HOUR: {(): report.usd_per_hour},
        LAST_TICK: {(): datetime.fromisoformat(report.at).timestamp()},
        ENGINE_ANSWERS: {(): report.jobs_known},
        EC2_ANSWERS: {(): report.nodes_known},
        PAUSED: {(): report.paused},
        INFO: {(report.cluster, report.version): 1},
    }
    if report.nodes_known:
        found |= _nodes(report, snapshot)
    if report.jobs_known and snapshot is not None:
        found |= _jobs(report, snapshot)
    return found


def _nodes(report: TickReport, snapshot: Snapshot | None) -> dict[Measure, Numbers]:
    none = dict.fromkeys(report.desired, 0)
    at = datetime.fromisoformat(report.at)
    resting = {str(one.node_type): 1 for one in snapshot.back_offs if one.until and one.until > at} if snapshot else {}
    return {
        NODES_DESIRED: _by_one(report.desired),
        NODES_CURRENT: _by_one({**none, **report.node_counts}),
        NODES: Counter((node.node_type, node.phase) for node in report.nodes),
        BACKED_OFF: _by_one({**none, **resting}),
    }


def _by_one(counts: Mapping[str, float]) -> Numbers:
    return {(name,): count for name, count in counts.items()}


def _jobs(report: TickReport, snapshot: Snapshot) -> dict[Measure, Numbers]:
    jobs = snapshot.demand.jobs
    types = {node.instance_id: str(node.node_type) for node in snapshot.nodes}
    waiting = Counter(job.shape for job in jobs if job.node is None)
    running = Counter((types.get(job.node, UNKNOWN), job.shape) for job in jobs if job.node is not None)
    told = _most(waiting, running)
    return {
        JOBS_WAITING: _added((_shape(shape, told), count) for shape, count in waiting.items()),
        JOBS_RUNNING: _added(((kind, *_shape(shape, told)), count) for (kind, shape), count in running.items()),
        WAITING_BECAUSE: _added(((str(jobs.reason),), jobs.count) for jobs in report.waiting),
        JOBS_INFEASIBLE: _added(
            ((*_shape(jobs.shape, told), jobs.lacking), jobs.count) for jobs in report.infeasible
        ),
    }  # fmt: skip


def _most(waiting: Mapping[Shape, int], running: Mapping[tuple[str, Shape], int]) -> set[Shape]:
    counts = Counter(waiting)
    for (_, shape), count in running.items():
        counts[shape] += count
    return {shape for shape, _ in counts.most_common(MOST_SHAPES)}


def _shape(shape: Shape, told: set[Shape]) -> Labels:
    if shape not in told:
        return (OTHER,) * len(_SHAPE)
    return f"{shape.cores:g}", str(shape.memory_mib), str(shape.disk_mib), str(shape.preemptible).lower()


def _added(numbers: Iterable[tuple[Labels, int]]) -> Numbers:
    found: Counter[Labels] = Counter()
    for labels, count in numbers:
        found[labels] += count
    return found


def failures(report: TickReport) -> Iterator[Labels]:
    """Yield action and reason of what failed: EC2's codes where it refused, else who failed."""
    for result in report.results:
        if not result.ok:
            who = "engine" if result.action == "undrain" else "playbook"
            yield from ((result.action, reason) for reason in result.codes or (who,))
    # A tick that fails is no result: it is an error of its own moment.
    yield from ((one.action, "error") for one in report.errors if one.action == "tick" and one.at == report.at)


class WaitTimer:
    """Remembers since when the jobs wait that the last tick saw waiting, and those alone."""

    def __init__(self) -> None:
        self._since: dict[str, datetime] = {}

    def over(self, jobs: Iterable[Job], now: datetime) -> list[float]:
        """Take in a tick's jobs; return how long those waited that run now, in seconds."""
        before, self._since = self._since, {}
        times = []
        for job in jobs:
            if job.node is None:
                self._since[job.job_id] = job.since or before.get(job.job_id, now)
            # A job on several nodes is listed with each, and waited once.
            elif before and (since := before.pop(job.job_id, None)):
                times.append(max(0.0, ((job.since or now) - since).total_seconds()))
        return times
