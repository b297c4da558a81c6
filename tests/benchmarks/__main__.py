"""Measure what toilctl promises about speed and size: `make bench`, or `python tests/benchmarks NAME…`."""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import autoscaler_install
import aws_calls
import decision
import demo_phases
import idle_tick
import job_wait
import mesos_demand
import packing
import per_worker
import policies
import slurm_queue
import start_up
from report import Section
from rich.console import Console

SECTIONS = {
    "start-up": start_up.measure,
    "aws-calls": aws_calls.measure,
    "per-worker": per_worker.measure,
    "autoscaler-install": autoscaler_install.measure,
    "idle-tick": idle_tick.measure,
    "slurm-queue": slurm_queue.measure,
    "mesos-demand": mesos_demand.measure,
    "job-wait": job_wait.measure,
    "decision": decision.measure,
    "packing": packing.measure,
    "policies": policies.measure,
    "demo": demo_phases.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--json", type=Path, default=Path("dist/bench.json"), help="default: %(default)s")
    arguments = parser.parse_args()
    console = Console(highlight=False, width=120)
    results: dict[str, Section] = {}
    for name in arguments.names or SECTIONS:
        console.print(f"Measuring {name} …")
        results[name] = SECTIONS[name]()
        console.print(results[name].table())
    arguments.json.parent.mkdir(exist_ok=True)
    about = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    arguments.json.write_text(json.dumps(about | {name: one.rows for name, one in results.items()}, indent=2) + "\n")
    console.print(f"Written to {arguments.json}")


main()
