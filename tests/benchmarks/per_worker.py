"""What one more worker costs: Ansible's tasks on it, computing here, and time; and where a launch's time goes."""

from __future__ import annotations

from typing import Any

from rehearsal import BOOT_TASKS, PULL_TASKS, ZONE, Measured, rehearsal
from report import Section

MORE = 3


def measure() -> Section:
    return Section(
        "Per new worker, and where a launch of a leader and one worker spends its time",
        [row for image in ("prepared", "plain") for row in _measure(image)],
    )


def _measure(image: str) -> list[dict[str, Any]]:
    with rehearsal(image) as world:
        launch = world.toilctl(
            "launch-cluster", "bench", "-z", ZONE, "--node-type", "t2.micro", "-w", "1", "--key-pair-name", "k"
        )
        one = world.toilctl("scale-cluster", "bench", "-w", "2")
        more = world.toilctl("scale-cluster", "bench", "-w", str(2 + MORE))
        world.toilctl("destroy-cluster", "bench")
    return [
        _row(f"{image}: launch, leader and 1 worker", launch, 2),
        _row(f"{image}: 1 worker more", one, 1),
        _row(f"{image}: {MORE} workers more", more, MORE),
        {
            "what": f"{image}: each further worker",
            "tasks per node": round(len(more.of_hosts()) / MORE, 1),
            "cpu s": (more.cpu_s - one.cpu_s) / (MORE - 1),
            "wall s": (more.wall_s - one.wall_s) / (MORE - 1),
            "in tasks s": (more.in_ansible() - one.in_ansible()) / (MORE - 1),
            "boot wait s": (more.spent_in(BOOT_TASKS) - one.spent_in(BOOT_TASKS)) / (MORE - 1),
            "pull and start s": (more.spent_in(PULL_TASKS) - one.spent_in(PULL_TASKS)) / (MORE - 1),
        },
    ]


def _row(what: str, measured: Measured, nodes: int) -> dict[str, Any]:
    return {
        "what": what,
        "tasks per node": round(len(measured.of_hosts()) / nodes, 1),
        "cpu s": measured.cpu_s,
        "wall s": measured.wall_s,
        "in tasks s": measured.in_ansible(),
        "boot wait s": measured.spent_in(BOOT_TASKS),
        "pull and start s": measured.spent_in(PULL_TASKS),
    }
