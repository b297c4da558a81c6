"""autoscale simulate: a trace against one policy or several, with boot times, interruptions and shortages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from toilctl.autoscaler.model.plan import Infeasible, Waiting
from toilctl.autoscaler.simulation import cost_bound
from toilctl.autoscaler.simulation.hazards import Hazards
from toilctl.autoscaler.simulation.outcome import WaitTimes, most_at_once
from toilctl.autoscaler.simulation.workloads import ArrivalPattern, generate
from toilctl.charts import draw
from toilctl.charts.of_simulation import picture_of
from toilctl.system import instance_table, progress
from toilctl.values.units import HOUR_S
from toilctl.verbs.planning import replay
from toilctl.verbs.planning.replay import NodeUse, Replay, WantedPolicy
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.reports import advice

AS_GIVEN: Final = "as given"


@dataclass(frozen=True)
class Generated:
    """A trace that is made up."""

    pattern: ArrivalPattern
    jobs: int = 10_000
    hours: float = 24.0
    """Within these they arrive."""
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.jobs} made-up jobs ({self.pattern}) in {self.hours:g} h, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class SimulateRequest:
    """What was asked for."""

    source: Generated | tuple[Path, ...]
    policies: tuple[tuple[str, WantedPolicy], ...]
    """Each with what it is called."""
    boot_s: float = replay.BOOT_S
    hazards: Hazards = field(default_factory=Hazards)
    plot: Path | None = None


@dataclass(frozen=True, kw_only=True)
class PolicyOutcome:
    """What came of a policy."""

    policy: str
    jobs: int
    """Those that ran."""
    makespan_s: float
    usd: float
    least_usd: float
    """What no schedule on these node types can be below, not even one that knows the future."""
    over_least: float | None
    """How many times that it cost; None when nothing ran."""
    at_most: bool
    """Whether bids are in the cost."""
    launches: int
    most_at_once: int
    node_hours: float
    idle_hours: float
    waits: WaitTimes
    interruptions: int
    lost_hours: float
    """Of jobs, which began in vain."""
    refusals: int
    """How often an instance type could not be had in a zone."""
    nodes: tuple[NodeUse, ...]
    infeasible: tuple[Infeasible, ...]
    stuck: int
    """Jobs that never came to an end."""
    waiting: tuple[Waiting, ...]
    """Those of them that waited to the end, and why; the others lost their worker too often."""
    launch_command: str


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What came of all policies."""

    trace: str
    recorded: bool
    """Whether jobs ran like this once; others are made up."""
    jobs: int
    recorded_s: float
    region: str
    boot_s: float
    hazards: Hazards
    prices_as_of: str
    source: str
    """Where prices and sizes of instance types are from."""
    outcomes: tuple[PolicyOutcome, ...]
    plots: tuple[Path, ...]
    notes: tuple[str, ...]


def simulate(request: SimulateRequest, provisioner: Provisioner) -> Simulation:
    """Let the autoscaler decide on a trace under each policy, in simulated time.

    :raises UsageError: for files that are no traces, limits that cannot work, instance types that are not there, and
        a plot that cannot be written.
    """
    if request.plot:
        draw.check(request.plot)
    source = request.source
    if recorded := not isinstance(source, Generated):
        trace, called = replay.read(source), ", ".join(map(str, source))
    else:
        trace, called = generate(source.pattern, source.jobs, source.hours * HOUR_S, source.seed), str(source)
    replays: list[Replay] = []
    for name, wanted in request.policies:
        with progress.step(f"Simulate {len(trace.jobs)} jobs, {name}"):
            replays.append(replay.replay(trace.jobs, wanted, request.boot_s, request.hazards))
    names = [name for name, _ in request.policies]
    pictures = (picture_of(one.found, name) for one, name in zip(replays, names, strict=True))
    return Simulation(
        trace=called,
        recorded=recorded,
        jobs=len(trace.jobs),
        recorded_s=round(trace.recorded_s, 1),
        region=request.policies[0][1].where,
        boot_s=request.boot_s,
        hazards=request.hazards,
        prices_as_of=instance_table.shipped().prices_as_of,
        source=replay.source(replays),
        outcomes=tuple(_outcome(name, one, provisioner) for name, one in zip(names, replays, strict=True)),
        plots=draw.draw([*pictures], request.plot) if request.plot else (),
        notes=tuple(replay.notes(replays, recorded=recorded)),
    )


def _outcome(name: str, one: Replay, provisioner: Provisioner) -> PolicyOutcome:
    found = one.found
    least = cost_bound.least_usd([run.job for run in found.runs], one.offers)
    return PolicyOutcome(
        policy=name,
        jobs=len(found.runs),
        makespan_s=round(found.makespan_s, 1),
        usd=round(found.usd, 4),
        least_usd=round(least, 4),
        over_least=round(found.usd / least, 3) if least else None,
        at_most=one.at_most,
        launches=len(found.lives),
        most_at_once=most_at_once(found.lives),
        node_hours=round(sum(life.seconds for life in found.lives) / HOUR_S, 3),
        idle_hours=round(sum(life.idle_s for life in found.lives) / HOUR_S, 3),
        waits=found.waits,
        interruptions=found.interruptions,
        lost_hours=round(found.lost_s / HOUR_S, 3),
        refusals=found.refusals,
        nodes=one.uses,
        infeasible=advice.with_words(found.infeasible),
        stuck=found.stuck,
        waiting=advice.with_words(found.waiting),
        launch_command=one.launch_command(None, provisioner),
    )
