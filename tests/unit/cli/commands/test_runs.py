"""run, runs, logs and stop as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from toilctl.cli.app import app
from toilctl.cli.base import render
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConflictError
from toilctl.verbs.workflows import follow, runs
from toilctl.workflows.runs import Run, RunState

CLUSTER = Cluster("my", "us-west-2", "0123abcd", "sg-1", {}, ())
RUN = Run.of(
    {"name": "sort-1", "state": "running", "command": ["python", "sort.py"], "started_at": "2026-11-26T12:00:00+00:00"}
)


@pytest.fixture
def typed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Type a command; what a leader would do is said beforehand."""
    monkeypatch.setattr(runs, "find", lambda *_: CLUSTER)
    render.set_output(render.Output.TEXT)
    return lambda *words: CliRunner().invoke(app, [*words])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[runs.RunRequest]:
    """What was to be run."""
    requests: list[runs.RunRequest] = []

    def start(_cluster: Cluster, request: runs.RunRequest, _key: object) -> runs.Started:
        requests.append(request)
        return runs.Started("my", "us-west-2", RUN, request.restart, (("--metrics", "", "it takes a value"),))

    monkeypatch.setattr(runs, "start", start)
    return requests


def test_words_behind_the_hyphens_are_the_commands_own(typed: Callable[..., Any], asked: list[runs.RunRequest]) -> None:
    said = typed("run", "my", "--name", "mine", "--", "python", "sort.py", "--logLevel", "INFO", "--name", "its")
    assert said.exit_code == 0, said.output
    assert asked == [runs.RunRequest(("python", "sort.py", "--logLevel", "INFO", "--name", "its"), "mine")]
    assert "--metrics became nothing: it takes a value" in said.stdout
    assert "toilctl logs my sort-1 -f" in said.stdout


def test_variables_are_those_that_are_written_or_those_of_here(
    typed: Callable[..., Any], asked: list[runs.RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "of here")
    said = typed("run", "my", "--env", "A=b=c", "--env", "TOKEN", "--env", "EMPTY=", "--", "true")
    assert said.exit_code == 0, said.output
    assert asked[0].environment == {"A": "b=c", "TOKEN": "of here", "EMPTY": ""}


@pytest.mark.parametrize(
    ("variable", "problem"), [("NONE_HERE", "NONE_HERE is not set here"), ("=x", "no variable's name"), ("1A=x", "1A")]
)
def test_variable_that_cannot_be_is_refused(
    typed: Callable[..., Any], asked: list[runs.RunRequest], variable: str, problem: str
) -> None:
    said = typed("run", "my", "--env", variable, "--", "true")
    assert (said.exit_code, asked) == (2, [])
    assert problem in " ".join(said.output.split())


def test_command_that_is_not_set_apart_is_refused_before_options_get_lost(
    typed: Callable[..., Any], asked: list[runs.RunRequest]
) -> None:
    said = typed("run", "my", "python", "sort.py", "--logLevel", "INFO")
    assert (said.exit_code, asked) == (2, [])
    assert "toilctl run my -- python sort.py" in said.output


@pytest.mark.parametrize(("state", "code", "ends"), [("succeeded", 0, 0), ("failed", 3, 3), ("lost", None, 5)])
def test_waiting_shows_the_log_and_ends_as_the_workflow_did(
    typed: Callable[..., Any], asked: list[runs.RunRequest], monkeypatch: pytest.MonkeyPatch, state: str,
    code: int | None, ends: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(follow, "to_the_end", lambda *_: print("the log"))
    monkeypatch.setattr(runs, "show", lambda *_: replace(RUN, state=RunState(state), exit_code=code))
    said = typed("run", "--wait", "my", "--", "true")
    assert said.exit_code == ends
    assert "the log" in said.stdout


def test_ctrl_c_ends_the_view_and_not_the_run(
    typed: Callable[..., Any], asked: list[runs.RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "to_the_end", interrupted)
    said = typed("run", "--wait", "my", "--", "true")
    assert said.exit_code == 130
    assert "'sort-1' goes on" in said.output
    assert "toilctl logs my sort-1 -f" in said.output


def test_stop_that_cannot_says_so(typed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConflictError("It does not end.", "Add --force.")

    monkeypatch.setattr(runs, "stop", refuse)
    said = typed("stop", "my")
    assert said.exit_code == ConflictError.exit_code
    assert "--force" in said.output
