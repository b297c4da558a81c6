"""How long a whole decision takes, and the memory of a process that does nothing else.

100,000 jobs in up to 1,000 shapes, 20 node types; RUNS decisions on SEEDS different snapshots for each case, each case
in a process of its own. Times are the processor's: a decision waits for nothing.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

JOBS, SHAPES = 100_000, 1_000
RUNS, SEEDS = int(os.environ.get("RUNS", "100")), 5
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
# name: (maximum of each node type, nodes that are there, whether run times are known)
CASES = {
    "no node, no limit": (1_000_000, 0, False),
    "no node, run times known": (1_000_000, 0, True),
    "1,000 busy nodes": (1_000_000, 1000, False),
    "at most 20 of each": (20, 0, False),
}


def measure() -> Any:
    from report import Section

    rows = []
    for case in CASES:
        argv = [sys.executable, __file__, case]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
        rows.append({"case": case} | json.loads(done.stdout))
    return Section(f"A decision on {JOBS:,} jobs in {SHAPES:,} shapes, 20 node types: {RUNS} runs", rows)


def _measure(case: str) -> dict[str, Any]:
    from toilctl.autoscaler.decide.decide import decide

    before = _peak_mib()
    seconds, launched, shapes = [], 0, 0
    for seed in range(SEEDS):
        snapshot, policy = _world(case, seed)
        for _ in range(RUNS // SEEDS):
            began = time.process_time()
            plan = decide(snapshot, policy, NOW)
            seconds.append(time.process_time() - began)
        launched = sum(launch.count for launch in plan.launches)
        shapes = len({job.shape for job in snapshot.demand.jobs})
    seconds.sort()
    return {
        "median s": seconds[len(seconds) // 2], "p99 s": seconds[int(len(seconds) * 0.99) - 1], "most s": seconds[-1],
        "imported MiB": before, "peak MiB": _peak_mib(), "shapes": shapes, "launched": launched,
    }  # fmt: skip


def _world(case: str, seed: int) -> tuple[Any, Any]:
    import packing_mixes

    from toilctl.autoscaler.model.snapshot import NodeView, Snapshot
    from toilctl.values.cluster import NodeState
    from toilctl.values.jobs import Demand, Job
    from toilctl.values.scaling_policy import Limits, NodeLimits, Policy
    from toilctl.values.tuning import Tuning

    most, there, known = CASES[case]
    draw = random.Random(seed)
    shapes = packing_mixes.shapes("many shapes", JOBS, spot=True, seed=seed, most=SHAPES // 2)
    offers = {one.offer.node_type: one.offer for one in packing_mixes.candidates(spot=True, sizes=2)}
    # Jobs of a shape have one name, as the steps of a workflow do.
    names = {shape: f"step-{at}" for at, shape in enumerate(dict.fromkeys(shapes))}
    jobs = [Job(str(at), names[shape], shape) for at, shape in enumerate(shapes)]
    nodes = []
    for number in range(there):
        offer = draw.choice(list(offers.values()))
        at = draw.randrange(len(jobs))
        jobs[at] = Job(jobs[at].job_id, jobs[at].name, jobs[at].shape, f"i-{number}", NOW - timedelta(seconds=60))
        nodes.append(
            NodeView(
                f"i-{number}", offer.node_type, offer.node_type.instance_types[0], "us-west-2a", "running",
                NOW - timedelta(hours=1), "auto-1", NodeState.JOINED, (jobs[at].job_id,), offer.resources,
                joined_before=True, usd_per_hour=offer.usd_per_hour,
            )
        )  # fmt: skip
    times = {job.name: draw.uniform(10, 3000) for job in jobs} if known else {}
    policy = Policy(
        Limits(NodeLimits(node_type, 0, most) for node_type in offers),
        Tuning(1800, 0.1, 30, 0.5, 300, 900, 0, 0, 0), ("us-west-2a",),
    )  # fmt: skip
    return Snapshot(nodes=tuple(nodes), demand=Demand(tuple(jobs), times), offers=offers), policy


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
