"""What made-up traces cost under the autoscaler's decisions and under Toil's own, in simulated time.

Toil's are its ``ClusterScaler``'s: the packing of all jobs that are issued (BinPackedFit), the smoothing, the limits,
with its defaults, which are ours, too. Both get the same jobs, nodes, prices, boot times and hazards, and the same
estimates of run times. What Toil takes off a node's size for the system is left out, since sizes here are without it.
As in Toil, a node that is too many goes when it runs nothing; it waits for no idle timeout.
JOBS says how many jobs there are, as a list with commas; of many, ours decide alone.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from packing_mixes import candidates
from report import Section

from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.model.plan import ScaleIn, ScaleOut, ScalingPlan
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.snapshot import Offer, Snapshot
from toilctl.autoscaler.simulation.cost_bound import least_usd
from toilctl.autoscaler.simulation.hazards import NONE, Hazards
from toilctl.autoscaler.simulation.simulate import simulate
from toilctl.autoscaler.simulation.workloads import ArrivalPattern, generate
from toilctl.system import variables
from toilctl.values.jobs import Job
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy, zip_limits
from toilctl.values.tuning import Tuning
from toilctl.values.units import HOUR_S

SIZES = tuple(map(int, os.environ.get("JOBS", "2000,100000").split(",")))
MOST_FOR_TOIL = 3_000
"""Toil's packing looks at every job at every tick: for 10,000 that takes some 7 s, and a day has 2,880 ticks."""
HOURS, BOOT_S, SEED, MOST = 24, 240.0, 1, (40, 10)
SPOT, ON_DEMAND = "m5.4xlarge", "r5.8xlarge"
ROUGH = Hazards(0.1, 0.1, SEED)
_MIB = 1024**2


def measure() -> Section:
    rows = [
        _row(size, pattern, hazards, who)
        for size in SIZES for pattern in ArrivalPattern for hazards in (NONE, ROUGH)
        for who in (("ours", "Toil") if size <= MOST_FOR_TOIL else ("ours",))
    ]  # fmt: skip
    return Section(f"Made-up jobs in {HOURS} h: the autoscaler's decisions beside Toil's", rows)


def _row(size: int, pattern: ArrivalPattern, hazards: Hazards, who: str) -> dict[str, Any]:
    jobs = generate(pattern, size, HOURS * HOUR_S, SEED).jobs
    offers = _offers()
    policy = Policy(zip_limits(offers, (0, 0), MOST), Tuning.of(variables.defaults()), ("us-west-2a", "us-west-2b"))
    began = time.process_time()
    chosen = decide if who == "ours" else Toils(policy, offers)
    found = simulate(jobs, policy, offers, BOOT_S, hazards, decide=chosen, every_tick=who != "ours")
    taken_s = time.process_time() - began
    least = least_usd([run.job for run in found.runs], offers)
    return {
        "jobs": size, "pattern": pattern.value, "hazards": "some" if hazards is ROUGH else "none", "who": who,
        "USD": found.usd, "of bound": found.usd / least, "takes h": found.makespan_s / HOUR_S,
        "wait 95 % min": found.waits.most_s / 60, "nodes": len(found.lives),
        "idle h": sum(life.idle_s for life in found.lives) / HOUR_S, "not run": len(jobs) - len(found.runs),
        "s": taken_s,
    }  # fmt: skip


def _offers() -> dict[NodeType, Offer]:
    named = {(SPOT, True), (ON_DEMAND, False)}
    found = [one.offer for one in candidates(spot=True)]
    return {
        one.node_type: one for one in found if (one.node_type.instance_types[0], one.node_type.preemptible) in named
    }


class Toils:
    """Decides as Toil's cluster scaler does: an instance of it, with a provisioner that only names node types."""

    def __init__(self, policy: Policy, offers: dict[NodeType, Offer]) -> None:
        from toil.provisioners.abstractProvisioner import Shape
        from toil.provisioners.clusterScaler import ClusterScaler

        self._shape = Shape
        self._types = {self._node(one, offers[one]): one for one in policy.node_types}
        config = SimpleNamespace(
            targetTime=policy.tuning.target_time_s, betaInertia=policy.tuning.beta_inertia,
            minNodes=[one.min_nodes for one in policy.limits], maxNodes=[one.max_nodes for one in policy.limits],
            preemptibleCompensation=policy.tuning.preemptible_compensation, assume_zero_overhead=True,
        )  # fmt: skip
        named = {shape: str(kind) for shape, kind in self._types.items()}
        bus = SimpleNamespace(publish=lambda _: None)
        leader = SimpleNamespace(batchSystem=None, provisioner=None, toilState=SimpleNamespace(bus=bus))
        self._scaler = ClusterScaler(SimpleNamespace(getAutoscaledInstanceShapes=lambda: named), leader, config)

    def _node(self, node_type: NodeType, offer: Offer) -> Any:
        given = offer.resources
        # An hour is Toil's slice of a node's time.
        return self._shape(HOUR_S, given.memory_mib * _MIB, given.cores, given.disk_mib * _MIB, node_type.preemptible)

    def __call__(self, snapshot: Snapshot, policy: Policy, now: datetime) -> ScalingPlan:
        """Return how many nodes come and go."""
        known = snapshot.demand.run_times_s
        self._scaler.jobNameToAvgRuntime = dict(known)
        self._scaler.totalAvgRuntime = sum(known.values()) / len(known) if known else 0.0
        there = Counter(node.node_type for node in snapshot.nodes)
        counts = {shape: there[kind] for shape, kind in self._types.items()}
        wanted, _ = self._scaler.getEstimatedNodeCounts(self._jobs(snapshot), counts)
        more = {self._types[shape]: count - counts[shape] for shape, count in wanted.items()}
        aside = {one.offering for one in snapshot.set_aside}
        launches = [ScaleOut(kind, count, without=tuple(aside)) for kind, count in more.items() if count > 0]
        idle = {kind: [node.instance_id for node in snapshot.nodes if node.node_type == kind and node.idle_since]
                for kind in more}  # fmt: skip
        going = [one for kind, count in more.items() if count < 0 for one in idle[kind][:-count]]
        return ScalingPlan(tuple(launches), scale_in=(ScaleIn(tuple(going), EndReason.IDLE),) if going else ())

    def _jobs(self, snapshot: Snapshot) -> list[Any]:
        """Return all jobs that are issued, running ones among them, as Toil packs them."""
        demand = snapshot.demand
        known = [*((job, 1) for job in demand.jobs), *demand.counted]
        return [one for job, count in known for one in [self._job(job)] * count]

    def _job(self, job: Job) -> Any:
        taken_s, shape = self._scaler.getAverageRuntime(job.name, job.service), job.shape
        return self._shape(
            taken_s, shape.memory_mib * _MIB, shape.cores, shape.disk_mib * _MIB, shape.preemptible
        )  # fmt: skip
