"""scale_out.yml and scale_in.yml as the autoscaler runs them, and what it makes of their events."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.autoscaler.builders import tuning
from toilctl.autoscaler.execute.playbooks import Playbooks, launch_answer
from toilctl.autoscaler.model.plan import ScaleOut
from toilctl.autoscaler.model.playbook_events import Ended, LaunchAnswered, LaunchRefusal
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.autoscaler.model.snapshot import Offering
from toilctl.autoscaler.model.workflow_limits import Wish, read
from toilctl.system import aws
from toilctl.system import playbooks as runner
from toilctl.values.cluster import Engine, Node, Role
from toilctl.values.node_types import NodeType

MICRO, SPOT = NodeType.parse("t2.micro"), NodeType.parse("c4.8xlarge:0.6")
NO_CAPACITY = {"code": "InsufficientInstanceCapacity", "message": "none", "instance_type": "t2.micro", "zone": "a"}
SETTINGS = AutoscalerSettings.of({
    "cluster_name": "my", "region": "us-west-2", "engine": "slurm", "leader_address": "10.0.0.1",
    "node_types": ["t2.micro"], "limits": ["t2.micro=0..20"], "zones": ["us-west-2a"], "node_storage_gb": 50,
    "tuning": str(tuning()), "boot_timeout_s": 1,
})  # fmt: skip


@pytest.fixture
def playbooks(tmp_path: Path) -> Playbooks:
    return Playbooks(SETTINGS, tmp_path, threading.Event())


def test_launch_that_ec2_filled_is_known():
    answer = launch_answer("auto-1", {"node_type": "t2.micro", "launched": ["i-1"], "instance_ids": ["i-1"]})
    assert answer == LaunchAnswered("auto-1", MICRO, frozenset({"i-1"}))


def test_launch_that_ec2_filled_partly_is_known_with_its_refusals():
    error = {"code": "partial", "message": "1 of 2 …", "facts": {"node_type": "t2.micro", "errors": [NO_CAPACITY]}}
    result = {"launched": ["i-1"], "instance_ids": ["i-1"], "errors": [NO_CAPACITY], "toilctl_error": error}
    refused = LaunchRefusal("InsufficientInstanceCapacity", "none", "t2.micro", "a")
    assert launch_answer("auto-1", result) == LaunchAnswered("auto-1", MICRO, frozenset({"i-1"}), (refused,))


def test_launch_of_which_the_answer_was_lost_is_unknown_and_set_aside():
    error = {"code": "error", "message": "Slow down.", "facts": {"aws_code": "RequestLimitExceeded"}}
    result = {"toilctl_error": error, "invocation": {"module_args": {"node_type": "c4.8xlarge:0.6"}}}
    refused = LaunchRefusal("RequestLimitExceeded", "Slow down.")
    assert launch_answer("auto-1", result) == LaunchAnswered("auto-1", SPOT, None, (refused,))


def test_module_that_breaks_says_so_of_its_node_type():
    result = {"msg": "MODULE FAILURE", "invocation": {"module_args": {"node_type": "t2.micro"}}}
    answer = launch_answer("auto-1", result, failed=True)
    assert answer == LaunchAnswered("auto-1", MICRO, None, (LaunchRefusal("Failed", "MODULE FAILURE"),))
    assert launch_answer("auto-1", {"msg": "no idea"}, failed=True) is None


def test_launch_without_any_offering_left_sets_nothing_aside_again():
    own = {"code": "SetAside", "message": "", "instance_type": "t2.micro", "zone": "a"}
    facts = {"node_type": "t2.micro", "errors": [own], "aws_code": "SetAside"}
    result = {"toilctl_error": {"code": "capacity", "message": "", "facts": facts}}
    assert launch_answer("auto-1", result) == LaunchAnswered("auto-1", MICRO, frozenset())


def test_playbooks_get_what_they_need(playbooks, monkeypatch, tmp_path):
    calls: list[tuple[Any, ...]] = []

    def run(playbook: str, target: Any, variables: Any, **options: Any) -> runner.PlaybookResult:
        calls.append((playbook, target, variables, options["intent"], options["stop"]))
        lost = runner.Failure("i-2", "Join", "no munge", unreachable=False)
        return runner.PlaybookResult(True, (lost,), {"terminated": ["i-1"], "still_running": ["i-2"]}, tmp_path)

    monkeypatch.setattr(runner, "run", run)
    launch = ScaleOut(SPOT, 2, without=(Offering("c4.8xlarge", "us-west-2a", spot=True),))
    ended = playbooks.scale_out("auto-1", [launch], lambda _: None)
    assert ended == Ended("auto-1", True, "0 launched and set up", failed_nodes={"i-2": "Join: no munge"})
    node = Node("i-1", Role.WORKER, MICRO, "t2.micro", "running", "a", "172.31.0.5", None, False, "")
    ended = playbooks.scale_in("scale-in-1", {"i-1": node}, force=False)
    assert (ended.terminated, ended.message) == ({"i-1"}, "1 terminated, 1 drained and still busy")
    key = {"ansible_ssh_private_key_file": str(tmp_path / "ssh" / "id_ed25519")}
    without = [{"instance_type": "c4.8xlarge", "zone": "us-west-2a"}]
    launches = [{"node_type": "c4.8xlarge:0.6", "count": 2, "without": without}]
    target, stop = runner.PlaybookTarget("us-west-2", "my"), playbooks.stop
    assert calls == [
        ("scale_out.yml", target, {"launches": launches, "boot_timeout_s": 1, **key}, "auto-1", stop),
        (
            "scale_in.yml", target, {"instance_ids": ["i-1"], "force": False, "drain_patience_s": 0, **key},
            "scale-in-1", stop,
        ),
    ]  # fmt: skip


def test_root_volume_that_a_workflow_asks_for_goes_along_with_the_launch(tmp_path, monkeypatch):
    calls = []

    def run(name, target, variables, **more):
        calls.append(variables["launches"])
        return runner.PlaybookResult(True, (), {}, tmp_path)

    monkeypatch.setattr(runner, "run", run)
    wish = Wish("sort.py", ("t2.micro=0..2",), storage="t2.micro=300")
    wider = SETTINGS.widened(read([wish], SETTINGS.policy, "my"))
    Playbooks(wider, tmp_path, threading.Event()).scale_out("auto-1", [ScaleOut(MICRO, 1)], lambda _: None)
    assert calls == [[{"node_type": "t2.micro", "count": 1, "without": [], "storage_gb": 300}]]


def test_launch_waits_for_a_node_no_longer_than_until_it_is_replaced(tmp_path, monkeypatch):
    waits: list[float] = []

    def run(_: Any, __: Any, variables: Any, **___: Any) -> runner.PlaybookResult:
        waits.append(variables["boot_timeout_s"])
        return runner.PlaybookResult(True, (), {}, tmp_path)

    monkeypatch.setattr(runner, "run", run)
    for boot_s in (300.0, 1200.0):
        one = replace(SETTINGS, boot_timeout_s=boot_s)
        Playbooks(one, tmp_path, threading.Event()).scale_out("auto-1", [], lambda _: None)
    assert waits == [300, 900]


def test_failed_playbook_advises_no_command_where_nobody_typed_one(playbooks, monkeypatch, tmp_path):
    lost = runner.Failure("i-2", "Join", "no munge", unreachable=False)
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.PlaybookResult(False, (lost,), {}, tmp_path / "x.log"))
    ended = playbooks.scale_out("auto-1", [], lambda _: None)
    assert ended.message == (
        f"'Join' failed on i-2: no munge. {tmp_path}/x.log has all of it; the next ticks go on from here."
    )


def test_scale_in_sees_all_nodes_where_the_engine_knows_them_by_address(tmp_path, monkeypatch):
    intents: list[str] = []

    def run(*_: Any, intent: str, **__: Any) -> runner.PlaybookResult:
        intents.append(intent)
        return runner.PlaybookResult(True, (), {}, tmp_path)

    monkeypatch.setattr(runner, "run", run)
    for engine in Engine:
        Playbooks(replace(SETTINGS, engine=engine), tmp_path, threading.Event()).scale_in("s-1", {}, force=False)
    assert dict(zip(Engine, intents, strict=True)) == {Engine.MESOS: "", Engine.SLURM: "s-1"}


class Console:
    """EC2's console output of an instance on Nitro, or of one that is not."""

    def __init__(self, *, nitro: bool) -> None:
        self.nitro = nitro

    def get_console_output(self, InstanceId: str, **options: bool) -> dict[str, str]:
        if options and not self.nitro:
            error = RuntimeError("UnsupportedOperation")
            error.response = {"Error": {"Code": "UnsupportedOperation"}}  # type: ignore[attr-defined]
            raise error
        return {"Output": f"{InstanceId}: {'now' if options else 'at boot'}\n"}


@pytest.mark.parametrize(("nitro", "text"), [(True, "i-1: now\n"), (False, "i-1: at boot\n")])
def test_console_output_is_kept_for_root_alone(playbooks, tmp_path, monkeypatch, nitro, text):
    monkeypatch.setattr(aws, "client", lambda *_: Console(nitro=nitro))
    playbooks.save_console("i-1")
    file = tmp_path / "consoles" / "i-1.log"
    assert file.read_text() == text
    assert file.stat().st_mode & 0o077 == 0


def test_old_console_outputs_go_and_a_refusal_is_written_down(playbooks, tmp_path, monkeypatch):
    def refuse(*_: str) -> Any:
        raise RuntimeError("not allowed")

    monkeypatch.setattr(aws, "client", refuse)
    (tmp_path / "consoles").mkdir()
    for number in range(9, 59):
        (tmp_path / "consoles" / f"i-{number}.log").touch()
        os.utime(tmp_path / "consoles" / f"i-{number}.log", (number, number))
    playbooks.save_console("i-59")
    kept = {path.name for path in (tmp_path / "consoles").iterdir()}
    assert kept == {f"i-{number}.log" for number in range(10, 60)}
    assert "not allowed" in (tmp_path / "consoles" / "i-59.log").read_text()
