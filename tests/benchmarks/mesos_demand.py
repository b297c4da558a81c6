"""What 100,000 queued jobs cost a Mesos workflow to publish, and the autoscaler to read: processor time of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

JOBS, SHAPES = 100_000, 1_000
ROOT = Path(__file__).parents[2]


def measure() -> Any:
    from report import Section

    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    return Section(f"Demand on Mesos: {JOBS:,} jobs in {SHAPES:,} shapes", [json.loads(done.stdout)])


def _measure() -> dict[str, Any]:
    sys.path.insert(0, str(ROOT / "roles/appliance/files"))
    with tempfile.TemporaryDirectory() as directory:
        os.environ["TOILCTL_DEMAND_DIR"] = directory
        return _in(Path(directory))


def _in(directory: Path) -> dict[str, Any]:
    from toil.job import JobDescription
    from toilctl_plugin.batch_systems.publishing import publishing

    from toilctl.engines.mesos_demand import demand
    from toilctl.engines.published import Published

    jobs = [JobDescription(_needed(number), f"job-{number % 20}") for number in range(SHAPES)]
    builtin = type("BuiltIn", (SimpleNamespace,), {"issueBatchJob": lambda _, job_id, *__: job_id})
    workflow = publishing(builtin)()
    issuing = _seconds(lambda: [workflow.issueBatchJob(number, jobs[number % SHAPES]) for number in range(JOBS)])
    writing = _seconds(workflow.publication.flush)
    published = Published(directory)
    read = lambda: demand(published.workflows(), (), published.run_times_s())  # noqa: E731 - measured twice
    first, next_tick = _seconds(read), _seconds(read)
    assert len(read().jobs) == JOBS
    return {
        "workflow, issuing s": issuing, "workflow, writing s": writing, "autoscaler, first tick s": first,
        "autoscaler, next tick s": next_tick, "file MB": sum(one.stat().st_size for one in directory.iterdir()) / 1e6,
    }  # fmt: skip


def _needed(number: int) -> dict[str, Any]:
    return {"cores": 1, "memory": 2**28 + number * 2**20, "disk": 2**30, "preemptible": number % 2 == 0}


def _seconds(do: Callable[[], Any]) -> float:
    began = time.process_time()
    do()
    return time.process_time() - began


if __name__ == "__main__":
    print(json.dumps(_measure()))
