"""How long 100,000 of Slurm's jobs take to read, and the memory for it: in a process that does nothing else."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

JOBS, SHAPES, RUNS = 100_000, 1_000, 5
_MARK = re.compile(r"\x1d(\w+)")
RECORDED = Path(__file__).parents[1] / "data/slurm/demand.txt"


def measure() -> Any:
    from report import Section

    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    return Section(f"Reading Slurm's queue: {JOBS:,} jobs in {SHAPES:,} shapes", [json.loads(done.stdout)])


def _measure() -> dict[str, Any]:
    from toilctl.engines.slurm import Slurm

    answer = _answer()
    before, seconds = _peak_mib(), []
    for _ in range(RUNS):
        began = time.perf_counter()
        demand = Slurm(lambda words: answer.replace("<mark>", _MARK.findall(words[-1])[0])).demand()
        seconds.append(time.perf_counter() - began)
    assert len(demand.jobs) == JOBS
    return {
        "median s": sorted(seconds)[RUNS // 2], "most s": max(seconds), "answer MB": len(answer) / 1e6,
        "imported and answer MiB": before, "peak MiB": _peak_mib(),
    }  # fmt: skip


def _answer() -> str:
    """Return what a queue of one recorded waiting job, many times in many sizes, would print, and its history."""
    jobs, _, history = RECORDED.read_text().partition("\x1d<mark>\n")
    (line,) = (one for one in jobs.split("\x1e<mark>\n") if one.endswith("toil_job_7_huge"))
    one = line.replace("276\x1f", "{0}\x1f").replace("mem=1500G", "mem={1}M").replace("toil_job_7", "toil_job_{0}")
    lines = (one.format(number, 256 + number % SHAPES) for number in range(JOBS))
    return "".join(f"{line}\x1e<mark>\n" for line in lines) + "\x1d<mark>\n" + history * (4_000_000 // len(history))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(_measure()))
