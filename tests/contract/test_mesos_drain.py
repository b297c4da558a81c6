"""The drain role's script, as the role runs it, against answers that a real Mesos 1.12.0 gave."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.mesos_master import Answer, MesosMaster, Moment

SCRIPT = Path(__file__).parents[2] / "roles/drain/files/mesos_agents.py"
NODE = "172.31.0.52"
AGENT = "0ce729e7-30e8-4943-8437-99ff294c41f2-S1"
FRAMEWORK = "0ce729e7-30e8-4943-8437-99ff294c41f2-0000"
TASKS = {f"{FRAMEWORK}/8", f"{FRAMEWORK}/9"}
OLD, YOUNG = 5000.0, 20.0

BUSY = Moment.recorded("running", OLD)
EMPTY = BUSY.without_tasks()
RESTARTED = Moment.recorded("master-restarted", YOUNG)
BACK = Moment.recorded("running", YOUNG)
DEACTIVATED = Moment.recorded("deactivated", YOUNG)

Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Run the script through stdin as Ansible does; ``patience_s`` is how long a silent master is waited for."""

    def run(master: MesosMaster, verb: str, *words: str, patience_s: float = 60) -> subprocess.CompletedProcess[str]:
        settings = {"MARKS": tmp_path / "marks", "POLL_S": 0.02, "PATIENCE_S": patience_s}
        return subprocess.run(
            [sys.executable, "-", verb, f"127.0.0.1:{master.port}", *words],
            input=SCRIPT.read_text(), capture_output=True, text=True, check=False, timeout=180,
            env=os.environ | {f"TOILCTL_{name}": str(value) for name, value in settings.items()},
        )  # fmt: skip

    return run


def drain(script: Script, master: MesosMaster, *nodes: str, timeout_s: float = 60, force: bool = False) -> Any:
    done = script(master, "drain", str(timeout_s), str(force).lower(), *(nodes or (NODE,)))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def marks(tmp_path: Path) -> list[str]:
    return [mark.name for mark in (tmp_path / "marks").glob("*")]


def test_idle_agent_is_marked_deactivated_and_drained_at_once(script: Script, tmp_path: Path) -> None:
    with MesosMaster(EMPTY) as master:
        assert drain(script, master) == {"drained": [NODE], "still_running": {}, "cordoned": [NODE]}
    assert [(call.kind, call.agent) for call in master.calls] == [("DEACTIVATE_AGENT", AGENT)]
    assert master.paths == ["/slaves", "/tasks", "/metrics/snapshot"]
    assert marks(tmp_path) == [AGENT]


def test_agent_is_drained_when_its_tasks_have_ended(script: Script) -> None:
    deactivated = Moment.recorded("deactivated", OLD)
    with MesosMaster(BUSY, deactivated, deactivated, deactivated.without_tasks()) as master:
        assert drain(script, master)["drained"] == [NODE]
    assert master.kinds() == ["DEACTIVATE_AGENT"]


def test_agent_that_is_busy_until_the_time_is_up_stays_deactivated(script: Script, tmp_path: Path) -> None:
    with MesosMaster(BUSY) as master:
        result = drain(script, master, timeout_s=0.2)
    assert (result["drained"], set(result["still_running"][NODE])) == ([], TASKS)
    assert isinstance(master.now, Moment)
    assert master.now.agent(AGENT)["deactivated"]
    assert marks(tmp_path) == [AGENT]


def test_agent_that_a_human_deactivated_is_not_marked(script: Script, tmp_path: Path) -> None:
    with MesosMaster(Moment.recorded("deactivated", OLD)) as master:
        assert drain(script, master, timeout_s=0)["cordoned"] == []
    assert (master.calls, marks(tmp_path)) == ([], [])


def test_restart_in_the_middle_neither_ends_the_drain_nor_gives_the_agent_tasks(script: Script) -> None:
    script_of_master = (BUSY, RESTARTED, RESTARTED, BACK, DEACTIVATED, DEACTIVATED.without_tasks())
    with MesosMaster(*script_of_master) as master:
        assert drain(script, master) == {"drained": [NODE], "still_running": {}, "cordoned": [NODE]}
    assert master.kinds() == ["DEACTIVATE_AGENT"] * 2
    assert master.paths.count("/slaves") == len(script_of_master)


def test_agent_that_a_restarted_master_does_not_list_counts_as_running(script: Script) -> None:
    with MesosMaster(RESTARTED) as master:
        result = drain(script, master, timeout_s=0.1)
    assert result["still_running"] == {NODE: ["unknown: the master restarted 20 s ago"]}
    assert result["drained"] == []


def test_agent_that_does_not_come_back_is_drained_when_the_master_is_old_enough(script: Script) -> None:
    with MesosMaster(RESTARTED, Moment.recorded("master-restarted", 121)) as master:
        assert drain(script, master)["drained"] == [NODE]


def test_agent_that_an_old_master_never_had_is_drained_at_once(script: Script) -> None:
    with MesosMaster(BUSY) as master:
        assert drain(script, master, "172.31.0.99", timeout_s=60)["drained"] == ["172.31.0.99"]
    assert master.calls == []


def test_answers_from_before_and_after_a_restart_are_not_put_together(script: Script) -> None:
    reborn = Moment.recorded("master-restarted", 0.0)
    with MesosMaster(BUSY, RESTARTED, BACK) as master:
        master.just_after["/slaves"] = lambda: master.turn_to(reborn)
        result = drain(script, master, timeout_s=0)
    # It was listed, and no task was: but by two masters.
    assert (result["drained"], list(result["still_running"])) == ([], [NODE])


@pytest.mark.parametrize(
    "down", [Answer(503, "No leader elected"), Answer(silent=True), Answer(body='{"sl', missing=9), Answer(body="<p>")]
)
def test_master_that_is_down_in_the_middle_is_asked_again(script: Script, down: Answer) -> None:
    with MesosMaster(BUSY, down, down, RESTARTED, BACK.without_tasks()) as master:
        assert drain(script, master)["drained"] == [NODE]


def test_master_that_stays_down_ends_the_drain_with_a_sentence(script: Script) -> None:
    with MesosMaster(BUSY, Answer(503, "No leader elected")) as master:
        done = script(master, "drain", "0.1", "true", NODE, patience_s=0.2)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "does not answer, so nothing more was done: HTTP Error 503" in done.stderr


def test_master_that_refuses_connections_ends_the_drain_with_a_sentence(script: Script) -> None:
    master = MesosMaster(BUSY)
    with master:
        pass
    began = time.monotonic()
    done = script(master, "drain", "0", "false", NODE, patience_s=0.2)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert time.monotonic() - began < 30


def test_force_takes_the_tasks_away_and_forgets_the_agent(script: Script, tmp_path: Path) -> None:
    with MesosMaster(BUSY) as master:
        assert drain(script, master, timeout_s=0, force=True) == {
            "drained": [NODE], "still_running": {}, "cordoned": [NODE],
        }  # fmt: skip
    assert master.kinds() == ["DEACTIVATE_AGENT", "DRAIN_AGENT"]
    assert master.calls[-1].arguments["max_grace_period"] == {"nanoseconds": 0}
    assert master.calls[-1].arguments["mark_gone"] is True
    assert marks(tmp_path) == []


def test_unknown_agent_is_drained_by_force(script: Script) -> None:
    with MesosMaster(RESTARTED) as master:
        assert drain(script, master, timeout_s=0, force=True)["drained"] == [NODE]
    assert master.calls == []


def test_agent_may_be_named_by_its_instance_id_or_by_the_address_in_its_process_id(script: Script) -> None:
    moment = Moment.recorded("idle", OLD)
    moment.agent(AGENT)["attributes"]["instance_id"] = "i-0aaa"
    moment.agent("172.31.0.51")["hostname"] = "worker.internal"
    with MesosMaster(moment) as master:
        assert drain(script, master, "i-0aaa", "172.31.0.51")["cordoned"] == ["172.31.0.51", "i-0aaa"]


def test_tasks_beyond_the_first_page_keep_an_agent(script: Script) -> None:
    moment = Moment.recorded("running", OLD)
    mine, *_ = moment.tasks
    ended = {"state": "TASK_FINISHED", "statuses": [{"state": "TASK_FINISHED", "timestamp": 1.0}]}
    moment.tasks = [mine, *(mine | ended | {"id": f"old-{number}"} for number in range(6000))]
    with MesosMaster(moment) as master:
        assert drain(script, master, timeout_s=0)["still_running"] == {NODE: [f"{FRAMEWORK}/9"]}


def test_agents_that_are_gone_are_marked_so_and_their_marks_go(script: Script, tmp_path: Path) -> None:
    with MesosMaster(EMPTY, Answer(silent=True), EMPTY) as master:
        drain(script, master)
        done = script(master, "remove", NODE, "172.31.0.99")
    assert json.loads(done.stdout) == [NODE]
    assert master.kinds() == ["DEACTIVATE_AGENT", "MARK_AGENT_GONE"]
    assert marks(tmp_path) == []


def test_marks_of_agents_that_nobody_lists_go_after_a_day(script: Script, tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    for name, age_s in {"gone-S0": 90_000, "gone-S1": 10, AGENT: 90_000}.items():
        (tmp_path / "marks" / name).touch()
        os.utime(tmp_path / "marks" / name, (time.time() - age_s,) * 2)
    with MesosMaster(BUSY) as master:
        assert json.loads(script(master, "remove", "172.31.0.99").stdout) == []
    assert sorted(marks(tmp_path)) == [AGENT, "gone-S1"]


def test_restarted_master_has_nothing_to_forget(script: Script) -> None:
    with MesosMaster(RESTARTED) as master:
        assert json.loads(script(master, "remove", NODE).stdout) == []


def test_marks_that_cannot_be_written_end_the_drain_before_an_agent_is_deactivated(
    script: Script, tmp_path: Path
) -> None:
    (tmp_path / "marks").write_text("not a directory")
    with MesosMaster(BUSY) as master:
        done = script(master, "drain", "0", "false", NODE)
    assert (done.returncode, master.calls) == (1, [])
    assert "Nobody would know who deactivated" in done.stderr


def test_link_in_place_of_the_marks_is_not_followed(script: Script, tmp_path: Path) -> None:
    """Who works in the leader's container can write where they are, and the script is the host's root."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other/old").touch()
    os.utime(tmp_path / "other/old", (0, 0))
    (tmp_path / "marks").symlink_to("other")
    with MesosMaster(EMPTY) as master:
        done = script(master, "drain", "0", "false", NODE)
        assert (done.returncode, master.calls) == (1, [])
        assert "Nobody would know who deactivated" in done.stderr
        assert json.loads(script(master, "remove", NODE).stdout) == [NODE]
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["old"]


def test_mark_that_is_a_link_leads_nowhere(script: Script, tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / AGENT).symlink_to(tmp_path / "made")
    with MesosMaster(EMPTY) as master:
        assert drain(script, master)["drained"] == [NODE]
        assert not (tmp_path / "made").exists()
        assert json.loads(script(master, "remove", NODE).stdout) == [NODE]
    assert marks(tmp_path) == []


def test_what_is_no_mark_ends_no_removal(script: Script, tmp_path: Path) -> None:
    (tmp_path / "marks" / AGENT).mkdir(parents=True)
    (tmp_path / "marks/directory").mkdir()
    (tmp_path / "marks/dangling").symlink_to("nowhere")
    for name in ("directory", "dangling"):
        os.utime(tmp_path / "marks" / name, (0, 0), follow_symlinks=False)
    with MesosMaster(EMPTY) as master:
        assert drain(script, master)["drained"] == [NODE]
        assert json.loads(script(master, "remove", NODE).stdout) == [NODE]
    assert sorted(marks(tmp_path)) == [AGENT, "directory"]


@pytest.mark.parametrize("agent_id", ["../escaped", "/nowhere/escaped", "", ".", 7])
def test_id_that_is_none_is_no_answer_and_no_path(script: Script, tmp_path: Path, agent_id: object) -> None:
    moment = copy.deepcopy(EMPTY)
    moment.agent(AGENT)["id"] = agent_id
    with MesosMaster(moment) as master:
        done = script(master, "drain", "0", "false", NODE, patience_s=0.1)
    assert (done.returncode, master.calls) == (1, [])
    assert "does not answer, so nothing more was done" in done.stderr
    assert not (tmp_path / "escaped").exists()
