"""Traces that the real decisions replay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.unit.autoscaler.builders import offer, shape
from toilctl.autoscaler.simulation.hazards import NONE, Hazards
from toilctl.autoscaler.simulation.outcome import Simulated
from toilctl.autoscaler.simulation.simulate import simulate
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.scaling_policy import Policy

BOOT_S = 120.0
BOTH = "c4.8xlarge/c5.9xlarge:0.6"
ZONES = ("us-west-2a", "us-west-2b")


def traced(arrived_s: float = 0, run_s: float = 600, name: str = "sort", **needed: float) -> TraceJob:
    return TraceJob(name, shape(**needed), arrived_s, run_s)  # type: ignore[arg-type]


def replay(
    jobs: Iterable[TraceJob], of: Policy, boot_s: float = BOOT_S, hazards: Hazards = NONE, **how: Any
) -> Simulated:
    return simulate(jobs, of, {one: offer(str(one)) for one in of.node_types}, boot_s, hazards, **how)
