"""estimate trace: what a recorded run's jobs would need of an autoscaled cluster, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toilctl.autoscaler.model.plan import Infeasible
from toilctl.autoscaler.simulation.outcome import WaitTimes
from toilctl.system import instance_table, price_table, variables
from toilctl.values.node_types import NodeType
from toilctl.values.units import HOUR_S
from toilctl.verbs.planning import replay
from toilctl.verbs.planning.replay import NodeUse, WantedPolicy
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.reports import advice


@dataclass(frozen=True, kw_only=True)
class TraceRequest:
    """What was asked for; None leaves it to the shared defaults."""

    files: tuple[Path, ...]
    wanted: WantedPolicy
    leader_node_type: NodeType | None = None
    boot_s: float = replay.BOOT_S


@dataclass(frozen=True, kw_only=True)
class TraceEstimate:
    """What the recorded jobs need, and what to type to get it."""

    files: tuple[str, ...]
    region: str
    jobs: int
    """Those that ran."""
    recorded_s: float
    makespan_s: float
    nodes: tuple[NodeUse, ...]
    workers_usd: float
    at_most: bool
    """Whether bids are in it: spot costs what the market asks, and never more than that."""
    leader_node_type: NodeType
    leader_usd: float | None
    """None when its price is not known."""
    prices_as_of: str
    source: str
    """Where prices and sizes of instance types are from."""
    waits: WaitTimes
    infeasible: tuple[Infeasible, ...]
    stuck: int
    """Jobs that could run and had no place when nothing happened any more."""
    unfinished: int
    """Jobs of the recording that are left out, for they never ended."""
    killed: int
    """Left out, too."""
    damaged_lines: int
    launch_command: str
    notes: tuple[str, ...]


def estimate(request: TraceRequest, provisioner: Provisioner) -> TraceEstimate:
    """Replay what was recorded against the autoscaler's own decisions, in simulated time.

    :raises UsageError: for files that are no traces, limits that cannot work, and instance types that are not there.
    """
    recorded = replay.read(request.files)
    one = replay.replay(recorded.jobs, request.wanted, request.boot_s)
    found, region = one.found, request.wanted.where
    leader = request.leader_node_type or NodeType.parse(variables.defaults()["leader_node_type"])
    billed = price_table.Nodes(leader, 1, int(variables.defaults()["leader_storage_gb"]))
    leader_cost = price_table.cost(region, [billed]).usd_per_hour
    return TraceEstimate(
        files=tuple(map(str, request.files)),
        region=region,
        jobs=len(found.runs),
        recorded_s=round(recorded.recorded_s, 1),
        makespan_s=round(found.makespan_s, 1),
        nodes=one.uses,
        workers_usd=round(found.usd, 4),
        at_most=one.at_most,
        leader_node_type=leader,
        leader_usd=None if leader_cost is None else round(leader_cost * found.makespan_s / HOUR_S, 4),
        prices_as_of=instance_table.shipped().prices_as_of,
        source=replay.source((one,)),
        waits=found.waits,
        infeasible=advice.with_words(found.infeasible),
        stuck=found.stuck,
        unfinished=recorded.unfinished,
        killed=recorded.killed,
        damaged_lines=recorded.damaged_lines,
        launch_command=one.launch_command(leader, provisioner),
        notes=tuple(replay.notes((one,))),
    )
