"""What run, runs and stop ask of a leader, and what becomes of its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from toilctl.autoscaler.model.plan import Infeasible
from toilctl.cli.views import runs as views
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConflictError, UsageError
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType
from toilctl.verbs.workflows import runs
from toilctl.workflows.runs import Run, RunState

LEADER = Node(
    "i-1", Role.LEADER, NodeType(("t2.medium",)), "t2.medium", "running", "us-west-2a", "172.31.0.5", None, False, ""
)
STORE = "aws:us-west-2:sort"
COMMAND = ("python", "sort.py", STORE)
DOCUMENT: dict[str, Any] = {
    "name": "sort-1", "state": "running", "command": list(COMMAND), "deployment": "sort", "job_store": STORE,
    "started_at": "2026-11-26T12:00:00+00:00", "ended_at": None, "seconds": 90.5, "exit_code": None,
    "attempts": [{"number": 1, "started_at": "2026-11-26T12:00:00+00:00", "ended_at": None, "exit_code": None}],
    "progress": {"done": 3, "running": 1, "queued": 2, "failed": 0, "issued": 6},
    "log": "/var/lib/toilctl/workflows/runs/sort-1/log", "invented_later": 1,
}  # fmt: skip


def cluster(**settings: str) -> Cluster:
    chosen = {tags.ENGINE: "slurm", **{f"toilctl:{name}": value for name, value in settings.items()}}
    return Cluster("c", "us-west-2", "0123abcd", "sg-1", chosen, (LEADER,))


class Leader:
    """Answers by verb, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Mapping[str, Any]] = {}
        self.answers: dict[str, Any] = {"runs.show": DOCUMENT, "runs.start": DOCUMENT}

    def ask(self, _cluster: Cluster, _key: object, verb: str, request: Mapping[str, Any], **_: object) -> Any:
        self.asked[verb] = request
        return self.answers[verb]

    @property
    def started(self) -> Mapping[str, Any]:
        return self.asked["runs.start"]


@pytest.fixture
def leader(monkeypatch: pytest.MonkeyPatch) -> Leader:
    stand_in = Leader()
    monkeypatch.setattr("toilctl.verbs.connect.ask_leader.ask", stand_in.ask)
    return stand_in


def start(*words: str, of: Cluster | None = None, **more: Any) -> runs.Started:
    return runs.start(of or cluster(), runs.RunRequest(tuple(words), **more), None)


def test_what_the_leader_tells_is_read_as_far_as_it_is_known() -> None:
    run = Run.of(DOCUMENT)
    assert (run.name, run.state, run.command, run.job_stores) == ("sort-1", RunState.RUNNING, COMMAND, (STORE,))
    assert run.progress is not None
    assert (run.progress.done, run.progress.queued, run.usd) == (3, 2, None)
    assert run.state.goes_on


def test_run_is_asked_for_with_the_job_store_of_its_command(leader: Leader) -> None:
    started = start(*COMMAND, name="mine")
    assert started.run.name == "sort-1"
    assert not started.restarted
    assert (leader.started["name"], leader.started["argv"], leader.started["job_store"], leader.started["restart"]) == (
        "mine", list(COMMAND), STORE, False,
    )  # fmt: skip


def test_variables_go_to_the_command_and_into_no_representation(leader: Leader) -> None:
    start(*COMMAND, environment={"TOKEN": "secret"})
    assert leader.started["environment"] == {"TOKEN": "secret"}
    assert "secret" not in repr(runs.RunRequest(environment={"TOKEN": "secret"}))


def test_old_spellings_are_rewritten_and_said(leader: Leader) -> None:
    started = start("cactus", "--metrics", STORE, "seqFile.txt", "out.hal")
    assert started.rewritten
    assert leader.started["job_store"] == STORE


def test_restart_without_a_command_has_the_one_of_before(leader: Leader) -> None:
    assert start(name="sort-1", restart=True).restarted
    assert leader.asked["runs.show"] == {"name": "sort-1"}
    assert set(leader.started["argv"]) == {*COMMAND, "--restart"}
    assert leader.started["restart"] is True


def test_restart_in_the_command_is_one_too(leader: Leader) -> None:
    assert start(*COMMAND, "--restart").restarted
    assert leader.started["argv"].count("--restart") == 1


def test_deployment_that_was_passed_over_is_told(leader: Leader) -> None:
    assert (start(*COMMAND).without, start(*COMMAND).also) == ("", ())
    leader.answers["runs.start"] = {**DOCUMENT, "without": "count", "also": ["older"]}
    started = start(*COMMAND)
    assert (started.without, started.also) == ("count", ("older",))
    assert "Deployment sort has it, and count, deployed last, has not. So have older; --deployment chooses." in (
        views.started(started)
    )


def test_no_command_is_a_usage_error(leader: Leader) -> None:
    with pytest.raises(UsageError, match="no command") as caught:
        start()
    assert "toilctl run c -- python" in caught.value.next_step
    assert leader.asked == {}


@pytest.mark.parametrize(
    ("settings", "words", "possible"),
    [
        ({}, (), False),
        ({"limits": "c5.large=0..2"}, (), True),
        ({"engine": "mesos"}, (), True),
        ({"limits": "c5.large=0..2"}, ("--batchSystem", "single_machine"), False),
        ({"limits": "c5.large=0..2"}, ("--batchSystem=single_machine",), False),
    ],
)
def test_leader_is_told_whether_workers_may_come(
    leader: Leader, settings: dict[str, str], words: tuple[str, ...], possible: bool
) -> None:
    start(*COMMAND, *words, of=cluster(**settings))
    assert leader.started["workers_possible"] is possible


def test_job_store_far_away_is_said(leader: Leader, capsys: pytest.CaptureFixture[str]) -> None:
    start("python", "sort.py", "aws:us-east-1:sort")
    assert "us-east-1 and the cluster in us-west-2" in capsys.readouterr().err


def test_list_has_costs(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[Any] = []

    def within(_cluster: Cluster, _key: object, groups: list[Any]) -> list[float | None]:
        spans.extend(groups)
        return [1.5]

    monkeypatch.setattr("toilctl.verbs.reports.run_costs.within", within)
    monkeypatch.setattr("toilctl.verbs.reports.explain.never_run", lambda *_: ())
    leader.answers["runs.list"] = {"now": "2026-11-26T13:00:00+00:00", "runs": [DOCUMENT]}
    (run,) = runs.listing(cluster(), None).runs
    assert run.usd == 1.5
    ((begin, end),) = spans[0]
    assert (end - begin).total_seconds() == 3600


@pytest.mark.parametrize(("state", "was_running"), [("stopped", True), ("succeeded", False)])
def test_stop_says_whether_there_was_something_to_stop(leader: Leader, state: str, was_running: bool) -> None:
    leader.answers["runs.stop"] = {"run": DOCUMENT | {"state": state}, "was_running": was_running}
    stopped = runs.stop(cluster(), None, None, force=True)
    assert (stopped.run.state, stopped.was_running) == (state, was_running)
    assert (leader.asked["runs.stop"]["name"], leader.asked["runs.stop"]["force"]) == (None, True)


@pytest.mark.parametrize(("shared", "paths"), [("nfs", ["/shared"]), ("/mnt/data", ["/mnt/data"]), ("", [])])
def test_leader_is_told_what_workers_can_see(leader: Leader, shared: str, paths: list[str]) -> None:
    start(*COMMAND, of=cluster(shared=shared))
    assert leader.started["shared"] == paths


@pytest.mark.parametrize(("state", "code", "expected"), [("succeeded", 0, 0), ("failed", 3, 3), ("stopped", 130, 130)])
def test_waiting_ends_with_the_workflows_exit_code(state: str, code: int, expected: int) -> None:
    assert runs.exit_code(Run.of(DOCUMENT | {"state": state, "exit_code": code})) == expected


def test_lost_run_has_no_exit_code_but_a_reason() -> None:
    lost = Run.of(DOCUMENT | {"state": "lost", "reason": "the leader was rebooted"})
    with pytest.raises(ConflictError, match="lost: the leader was rebooted"):
        runs.exit_code(lost)


def _view(name: str) -> Callable[..., str]:
    from toilctl.cli.views import runs as run_views

    view: Callable[..., str] = getattr(run_views, name)
    return view


def test_list_for_people_has_progress_time_and_cost_and_the_way_on() -> None:
    failed = Run.of(DOCUMENT | {"state": "failed", "exit_code": 1, "name": "sort-2", "seconds": 3725})
    shown = _view("runs")(runs.RunList("c", "us-west-2", (failed, Run.of(DOCUMENT))))
    lines = shown.splitlines()
    assert lines[1].split()[:7] == ["sort-2", "failed", "3", "1", "2", "0", "1:02:05"]
    assert "Run 'sort-2' failed after 1:02:05 with exit code 1." in lines
    assert "toilctl run c --name sort-2 --restart" in lines[-1]


def test_no_runs_are_no_error_but_an_invitation() -> None:
    assert "toilctl run c -- COMMAND" in _view("runs")(runs.RunList("c", "us-west-2", ()))


@pytest.mark.parametrize(("state", "told"), [("running", True), ("succeeded", False)])
def test_jobs_that_can_never_run_are_told_while_a_run_goes_on(
    leader: Leader, monkeypatch: pytest.MonkeyPatch, state: str, told: bool
) -> None:
    never = Infeasible(Shape(64, 1024, 1024, False), 2, ("huge",), "cores", "It needs 64 cores: m5.large has 2 cores.")
    monkeypatch.setattr("toilctl.verbs.reports.run_costs.within", lambda *_: [None])
    monkeypatch.setattr("toilctl.verbs.reports.explain.never_run", lambda *_: (never,) * 5)
    leader.answers["runs.list"] = {"now": "2026-11-26T13:00:00+00:00", "runs": [DOCUMENT | {"state": state}]}
    found = runs.listing(cluster(), None)
    assert found.never_run == ((never,) * 5 if told else ())
    line = "2 jobs can never run here (huge). It needs 64 cores: m5.large has 2 cores.\n"
    shown = _view("runs")(found)
    assert shown.endswith(f"\n\n{line * 3}2 kinds more, and why: toilctl explain {found.cluster}") is told
