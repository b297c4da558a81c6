"""How long each phase of `make demo` takes: with everything cached, and from nothing when COLD is set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import Section

ROOT = Path(__file__).parents[2]


def measure() -> Section:
    with tempfile.TemporaryDirectory(prefix="toilctl-bench-") as directory:
        env = os.environ | {"XDG_STATE_HOME": directory}
        runs: dict[str, dict[str, float]] = {}
        if os.environ.get("COLD"):
            # The images go, and with them every rehearsal cloud's start in seconds.
            toilctl = str(Path(sys.executable).with_name("toilctl"))
            subprocess.run([toilctl, "local", "down", "--images"], env=env, check=True, stdout=subprocess.DEVNULL)
            runs["cold s"] = _demo(Path(directory), env | {"XDG_CACHE_HOME": f"{directory}/cache"})
        runs["cached s"] = _demo(Path(directory), env)
    phases = runs["cached s"]
    rows: list[dict[str, Any]] = [{"phase": one, **{run: times[one] for run, times in runs.items()}} for one in phases]
    rows.append({"phase": "total", **{run: sum(times.values()) for run, times in runs.items()}})
    return Section("make demo", rows)


def _demo(directory: Path, env: dict[str, str]) -> dict[str, float]:
    report = directory / "demo.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "demo/demo.py"), "--json", str(report)],
        env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout[-4000:] + done.stderr[-2000:])
    times: dict[str, float] = json.loads(report.read_text())["seconds"]
    return times
