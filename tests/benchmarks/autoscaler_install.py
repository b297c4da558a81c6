"""What toilctl costs on the leader: its archive, the time to install it, its files, and the autoscaler's memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rehearsal import ZONE, Measured, Rehearsal, rehearsal
from report import Section

ROLE = "autoscaler : "
ASK = """
unit=toilctl-autoscaler.service
pid=$(systemctl show --property MainPID --value $unit)
echo "installed $(du --summarize --block-size=1K /opt/toilctl | cut -f 1)"
echo "resident $(grep VmRSS /proc/$pid/status | tr -dc 0-9)"
echo "peak $(grep VmHWM /proc/$pid/status | tr -dc 0-9)"
"""
"""KiB."""
TICKS_S = 70
"""Long enough for two ticks at the default interval."""


def measure() -> Section:
    rows = _archive_rows()
    with rehearsal("prepared") as world:
        rows += _leader_rows(world)
    return Section(f"toilctl {version('toilctl')} on the leader", rows)


def _archive_rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="toilctl-bench-") as cache:
        cold, made = _make(cache)
        cached, _ = _make(cache)
        path = Path(made["path"])
        with zipfile.ZipFile(path) as archive:
            parts = sum(name.startswith("parts/") for name in archive.namelist())
        rows = [_row("archive, MB", path.stat().st_size / 1e6), _row("wheels in it", parts)]
    return [*rows, _row("making it, s", cold), _row("making it again, s", cached)]


def _make(cache: str) -> tuple[float, dict[str, str]]:
    began = time.perf_counter()
    command = ["env", f"XDG_CACHE_HOME={cache}", sys.executable, "-m", "toilctl.bundle"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, json.loads(done.stdout)


def _leader_rows(world: Rehearsal) -> list[dict[str, Any]]:
    launch = [
        "launch-cluster", "bench", "-z", ZONE, "--node-types", "t2.micro", "--min-nodes", "0", "--max-nodes", "2",
        "--key-pair-name", "k",
    ]  # fmt: skip
    first = world.toilctl(*launch)
    again = world.toilctl(*launch)
    time.sleep(TICKS_S)
    told = dict(line.split() for line in _on_leader(world).splitlines())
    world.toilctl("destroy-cluster", "bench")
    return [
        _row("installing it on a new leader, s", _in_role(first)),
        _row("of a launch that takes, s", first.wall_s),
        _row("second run of the role, s", _in_role(again)),
        _row("installed, MB", int(told["installed"]) * 1024 / 1e6),
        _row("resident memory of the autoscaler, MB", int(told["resident"]) * 1024 / 1e6),
        _row("peak of it, MB", int(told["peak"]) * 1024 / 1e6),
    ]


def _on_leader(world: Rehearsal) -> str:
    toilctl = str(Path(sys.executable).with_name("toilctl"))
    command = [toilctl, "ssh-cluster", "--host", "bench", f"sudo bash -ec '{ASK}'"]
    done = subprocess.run(command, env=world.env, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout


def _in_role(measured: Measured) -> float:
    names = {one["task"].split(" : ")[-1] for one in measured.tasks if one["task"].startswith(ROLE)}
    return measured.spent_in(tuple(names))


def _row(what: str, value: float) -> dict[str, Any]:
    return {"what": what, "value": value}
