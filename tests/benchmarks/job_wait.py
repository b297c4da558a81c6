"""From "a job waits" to "it runs" on an autoscaled cluster without workers, split into what takes the time."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from rehearsal import BOOT_TASKS, ZONE, Rehearsal, rehearsal
from report import Section

from toilctl.autoscaler.journal.report import JOURNAL, TickReport

RUNS = 3
PATIENCE_S = 180
ON_LEADER = "/var/lib/toilctl/bench"
LAUNCH_TASKS = ("Launch what is missing of",)
JOIN_TASKS = ("Wait until the engine counts the node in",)
CALLBACK = Path(__file__).parent / "callbacks/bench_times.py"
LAUNCH = (
    "launch-cluster", "bench", "-z", ZONE, "--leader-node-type", "t2.medium", "--node-types", "t2.small",
    "--min-nodes", "0", "--max-nodes", "1", "--scale-interval", "5", "--idle-timeout", "1", "--key-pair-name", "k",
)  # fmt: skip


def measure() -> Section:
    with rehearsal("prepared") as world:
        world.toilctl(*LAUNCH)
        _record_tasks(world)
        runs = [_one(world) for _ in range(RUNS)]
        world.toilctl("destroy-cluster", "bench")
    rows = [{"part": part, "median s": median(run[part] for run in runs)} for part in runs[0]]
    return Section(f"From a waiting job to a running one, {RUNS} times, a decision every 5 s", rows)


def _record_tasks(world: Rehearsal) -> None:
    """Let the autoscaler's playbooks write down when each task ran."""
    unit = "/etc/systemd/system/toilctl-autoscaler.service.d"
    settings = "\\n".join([
        "[Service]", f"Environment=ANSIBLE_CALLBACK_PLUGINS={ON_LEADER} ANSIBLE_CALLBACKS_ENABLED=bench_times",
        f"Environment=BENCH_TIMES={ON_LEADER}/times", "",
    ])  # fmt: skip
    _on_host(world, f"mkdir -p {ON_LEADER} {unit} && cat > {ON_LEADER}/bench_times.py", input=CALLBACK.read_text())
    _on_host(world, f"printf {shlex.quote(settings)} > {unit}/bench.conf && systemctl daemon-reload")
    _on_host(world, "systemctl restart toilctl-autoscaler")


def _one(world: Rehearsal) -> dict[str, float]:
    _until(lambda: not _reports(world)[-1].node_counts, world)
    _on_host(world, f"rm -f {ON_LEADER}/times")
    wrapped = "date +%s.%N && hostname"
    began = float(_on_leader(world, "date +%s.%N").split()[0])
    _on_leader(world, f"sbatch -o /tmp/ran --mem 256 --wrap {shlex.quote(wrapped)}")
    _until(lambda: _has_ended(world), world)
    tasks = [json.loads(line) for line in _on_host(world, f"cat {ON_LEADER}/times").splitlines()]
    node = next(task["host"] for task in tasks if task["host"].startswith("i-") and _is(task, JOIN_TASKS))
    ran = float(_toilctl(world, "ssh-cluster", "--node", node, "bench", "cat", "/tmp/ran").split()[0])
    ticks = (datetime.fromisoformat(one.at).timestamp() for one in _reports(world) if _launches(one))
    decided = next(at for at in ticks if at > began - 1)
    launched, booted, joined = (
        max(task["ended"] for task in tasks if _is(task, names)) for names in (LAUNCH_TASKS, BOOT_TASKS, JOIN_TASKS)
    )
    ready = min(task["began"] for task in tasks if _is(task, JOIN_TASKS))
    moments = {
        "tick: until it is decided": decided, "API: until EC2 has launched": launched,
        "boot: until ssh answers": booted, "Ansible: until the engine's agent starts": ready,
        "join: until the engine counts it in": joined, "placement: until the job runs": ran,
    }  # fmt: skip
    parts, before = {}, began
    for part, moment in moments.items():
        parts[part], before = moment - before, moment
    return parts | {"total": ran - began}


def _is(task: dict[str, Any], names: tuple[str, ...]) -> bool:
    return task["outcome"] == "ok" and task["task"].split(" : ")[-1].startswith(names)


def _launches(one: TickReport) -> bool:
    return any(action.action == "launch" for action in one.actions)


def _reports(world: Rehearsal) -> list[TickReport]:
    return [TickReport.of(json.loads(line)) for line in _on_host(world, f"cat {JOURNAL}").splitlines()]


def _has_ended(world: Rehearsal) -> bool:
    return not _on_leader(world, "squeue --noheader").strip()


def _until(condition: Any, world: Rehearsal) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(_toilctl(world, "explain", "bench"))
        time.sleep(0.5)


def _on_host(world: Rehearsal, script: str, input: str = "") -> str:
    return _toilctl(world, "ssh-cluster", "--host", "bench", "sudo", "sh", "-c", script, input=input)


def _on_leader(world: Rehearsal, script: str) -> str:
    return _toilctl(world, "ssh-cluster", "bench", "sh", "-c", script)


def _toilctl(world: Rehearsal, *words: str, input: str = "") -> str:
    argv = [str(Path(sys.executable).with_name("toilctl")), *words]
    done = subprocess.run(argv, env=world.env, input=input, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{argv}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout
