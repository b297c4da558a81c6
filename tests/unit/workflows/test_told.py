"""A leader's answers about runs and deployments, whatever they are."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.odd_values import IDS, LARGE, ODD, only, values
from toilctl.values.errors import ConflictError, ConnectError, ToilctlError
from toilctl.values.outside import document
from toilctl.verbs.connect import ask_leader
from toilctl.workflows import told
from toilctl.workflows.deployment_answers import Installed, Prepared
from toilctl.workflows.runs import Run

RUN: dict[str, Any] = {
    "name": "sort-1", "state": "running", "command": ["python", "sort.py"], "deployment": "sort", "job_store": "file:x",
    "started_at": "2026-11-26T12:00:00+00:00", "ended_at": None, "seconds": 90.5, "exit_code": None,
    "attempts": [{"started_at": "2026-11-26T12:00:00", "ended_at": None, "exit_code": None}],
    "progress": {"done": 3, "running": None, "queued": 2, "failed": 0, "issued": 6}, "log": "/x", "reason": "",
}  # fmt: skip


def short(error: ToilctlError) -> bool:
    return len(str(error)) < 1500


@pytest.mark.parametrize("key", RUN)
@pytest.mark.parametrize("value", ODD, ids=IDS)
def test_run_with_something_odd_in_it_is_read_or_refused(key: str, value: Any) -> None:
    _read_run(RUN | {key: value})


@settings(deadline=None, max_examples=examples(100))
@given(values | st.fixed_dictionaries(dict.fromkeys(RUN, values)))
@example([])
@example(RUN | {"name": "x; rm -rf ~"})
@example(RUN | {"attempts": [[]]})
@example(RUN | {"progress": {"done": LARGE}})
def test_any_answer_is_a_run_or_one_error(answer: Any) -> None:
    _read_run(answer)


def _read_run(answer: Any) -> None:
    with only(ConnectError, check=short), ask_leader.understood("runs.show"):
        run = Run.of(answer)
        assert all(begin.tzinfo is UTC for begin, _ in run.spans)
        assert told.name(run.name) == run.name


PREPARED = ("toil", "python", "unchanged", "installs", "incoming", "lacking", "lacking_wheels", "before")
INSTALLED = ("native", "on_workers", "packages", "toil", "python", "commands")


@settings(deadline=None, max_examples=examples(100))
@given(values | st.fixed_dictionaries({}, optional=dict.fromkeys((*PREPARED, *INSTALLED), values)))
def test_any_answer_about_a_deployment_is_one_or_one_error(answer: Any) -> None:
    with only(ConnectError, ConflictError, check=short), ask_leader.understood("deployments.prepare"):
        assert set(Prepared.of(answer, ("count.py",), ()).files) <= {"count.py"}
    with only(ConnectError, check=short), ask_leader.understood("deployments.install"):
        Installed.of(answer)


@settings(deadline=None, max_examples=examples(100))
@given(st.text() | values.map(lambda value: json.dumps({"refused": value}, default=str)))
@example("9" * 5000)
@example("[" * 100_000)
@example('{"answer": ' + "[" * 60 + "]" * 60 + "}")
@example('{"refused": {"code": "usage", "message": "x", "next_step": "", "facts": {"message": 1, "self": 2}}}')
@example('{"refused": {"code": "output-lost", "message": "x", "next_step": ""}}')
@example('{"refused": {"code": [], "message": "x", "next_step": "", "facts": 3}}')
def test_any_answer_is_read_or_one_error_that_is_shown(text: str) -> None:
    with only(ToilctlError, check=lambda error: error.exit_code not in (130, 141)):
        ask_leader.answered(text, "runs.show")


def test_refusal_says_what_it_likes_and_keeps_its_facts() -> None:
    refused = {"code": "usage", "message": "x", "next_step": "", "facts": {"message": "y", "self": "z"}}
    with pytest.raises(ToilctlError) as caught:
        ask_leader.answered(json.dumps({"refused": refused}), "runs.show")
    assert (caught.value.message, caught.value.facts) == ("x", {"message": "y", "self": "z"})


def test_refusal_has_no_say_in_what_this_machine_goes_by() -> None:
    refused = {
        "code": "conflict",
        "message": "x",
        "next_step": "",
        "facts": {"appliance_image": "evil", "toil_needed": 1},
    }
    with pytest.raises(ToilctlError) as caught:
        ask_leader.answered(json.dumps({"refused": refused}), "deployments.prepare")
    assert caught.value.facts == {"toil_needed": 1}


def test_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_leader, "document", lambda text: document(text, most=10))
    with pytest.raises(ConnectError, match="cannot be read"):
        ask_leader.answered('{"answer": [1, 2, 3]}', "runs.show")
