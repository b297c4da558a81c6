"""What the drain script makes of a controller that changes between its questions."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.checkout import ROOT

SCRIPT = ROOT / "roles/drain/files/slurm_drain.py"


class Controller:
    """Answers as scontrol and squeue do, for nodes (name → state) and jobs (id → abbreviated nodes)."""

    def __init__(self, nodes: dict[str, str], jobs: dict[str, str] | None = None) -> None:
        self.nodes, self.jobs = nodes, jobs or {}
        self.reasons = dict.fromkeys(nodes, "")
        self.just_before: dict[str, Callable[[], None]] = {}
        """What happens just before the first question of a kind is answered."""

    def output(self, command: str, *words: str) -> str:
        kind = words[0] if command == "scontrol" else command
        self.just_before.pop(kind, lambda: None)()
        return str(getattr(self, kind)(*words[1:]))

    def show(self, *_: str) -> str:
        line = "NodeName={0} Arch=x86_64 State={1}+DYNAMIC_NORM TmpDisk=1 Reason={2}\n".format
        return "".join(line(name, state, self.reasons[name]) for name, state in self.nodes.items())

    def update(self, node_name: str, state: str, reason: str) -> str:
        names = node_name.removeprefix("NodeName=").split(",")
        if not self.nodes.keys() >= set(names):
            raise subprocess.CalledProcessError(1, "scontrol", "", "slurm_update error: Invalid node name specified")
        for name in names:
            self.nodes[name] = {"State=DRAIN": f"{self.nodes[name]}+DRAIN", "State=DOWN": "DOWN"}[state]
            self.reasons[name] = reason.removeprefix("Reason=")
        return ""

    def squeue(self, *_: str) -> str:
        return "".join(f"{job} {nodes}\n" for job, nodes in self.jobs.items())


@pytest.fixture
def drain(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("slurm_drain", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run(controller: Controller, ids: list[str], *, timeout_s: float = 0.0, force: bool = False) -> Any:
        monkeypatch.setattr(script, "output", controller.output)
        monkeypatch.setattr(script, "POLL_S", 0.0)
        return script.drain(ids, timeout_s, force)

    return run


def test_idle_node_is_drained_at_once_and_says_who_did_it(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-1": "IDLE", "i-2": "IDLE"})
    assert drain(controller, ["i-1"]) == {"drained": ["i-1"], "still_running": {}, "cordoned": ["i-1"]}
    assert controller.nodes == {"i-1": "IDLE+DRAIN", "i-2": "IDLE"}
    assert controller.reasons["i-1"] == "toilctl: draining"


def test_busy_node_stays_cordoned(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-1": "MIXED"}, {"7": "i-1"})
    assert drain(controller, ["i-1"])["still_running"] == {"i-1": ["7"]}
    assert controller.nodes == {"i-1": "MIXED+DRAIN"}


def test_job_that_starts_while_the_node_is_being_cordoned_is_seen(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-1": "IDLE"})
    controller.just_before["update"] = lambda: controller.jobs.update({"7": "i-1"})
    assert drain(controller, ["i-1"])["still_running"] == {"i-1": ["7"]}


def test_suspended_job_counts_although_its_node_looks_idle(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-1": "IDLE+DRAIN"}, {"7": "i-1"})
    assert drain(controller, ["i-1"])["drained"] == []


def test_node_that_is_busy_without_a_job_in_the_queue_counts_as_busy(drain: Callable[..., Any]) -> None:
    assert drain(Controller({"i-1": "IDLE+COMPLETING"}), ["i-1"])["still_running"] == {"i-1": []}


def test_job_on_several_nodes_is_seen_on_each(drain: Callable[..., Any]) -> None:
    controller = Controller(dict.fromkeys(["i-08", "i-09", "i-10"], "ALLOCATED"), {"7_3": "i-0none,i-[08-09,10]"})
    assert drain(controller, ["i-09", "i-10"])["still_running"] == {"i-09": ["7_3"], "i-10": ["7_3"]}


def test_node_that_the_controller_never_had_is_drained(drain: Callable[..., Any]) -> None:
    assert drain(Controller({"i-2": "IDLE"}), ["i-1"])["drained"] == ["i-1"]


def test_node_that_joins_meanwhile_is_not_taken_for_one_that_never_did(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-2": "IDLE"})
    controller.just_before["update"] = lambda: (
        controller.nodes.update({"i-1": "IDLE"}),
        controller.reasons.update({"i-1": ""}),
    )[0]
    result = drain(controller, ["i-1", "i-2"])
    assert (result["drained"], result["still_running"]) == (["i-2"], {"i-1": []})


def test_node_that_goes_meanwhile_does_not_keep_others_from_being_cordoned(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-1": "IDLE", "i-2": "IDLE"})
    controller.just_before["update"] = lambda: controller.nodes.pop("i-1") and None
    assert drain(controller, ["i-1", "i-2"])["drained"] == ["i-1", "i-2"]
    assert controller.nodes == {"i-2": "IDLE+DRAIN"}


def test_reason_of_a_human_is_kept(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-1": "IDLE+DRAIN"})
    controller.reasons["i-1"] = "was State=IDLE, by ann"
    assert drain(controller, ["i-1"]) == {"drained": ["i-1"], "still_running": {}, "cordoned": []}
    assert controller.reasons["i-1"] == "was State=IDLE, by ann"


@pytest.mark.parametrize("line", ["NodeName=i-2", "x NodeName=i-2 State=IDLE+DRAIN", "State=x", "----"])
def test_line_of_a_reason_is_no_node(drain: Callable[..., Any], line: str) -> None:
    controller = Controller({"i-1": "IDLE+DRAIN", "i-2": "IDLE"})
    controller.reasons["i-1"] = f"swap\n{line}\n{line}"
    assert drain(controller, ["i-1", "i-2"])["cordoned"] == ["i-2"]
    controller.nodes = dict(reversed(controller.nodes.items()))
    assert drain(controller, ["i-1", "i-2"])["drained"] == ["i-1", "i-2"]


def test_jobs_that_end_in_time_let_the_node_go(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-1": "MIXED"}, {"7": "i-1"})
    first = controller.squeue

    def squeue(*words: str) -> str:
        listed = first(*words)
        controller.jobs.clear()
        controller.nodes["i-1"] = "IDLE+DRAIN"
        return listed

    controller.squeue = squeue  # type: ignore[method-assign]
    assert drain(controller, ["i-1"], timeout_s=60)["drained"] == ["i-1"]


def test_force_takes_the_jobs_away(drain: Callable[..., Any]) -> None:
    controller = Controller({"i-1": "MIXED"}, {"7": "i-1"})
    assert drain(controller, ["i-1"], force=True)["drained"] == ["i-1"]
    assert controller.nodes == {"i-1": "DOWN+DRAIN"}
