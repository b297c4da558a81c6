"""How long what a workflow asks for counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.autoscaler.builders import NOW, ago
from toilctl.autoscaler.memory.limits_asked import LimitsAsked
from toilctl.autoscaler.model.workflow_limits import Wish

ASKED = Wish("sort.py", ("c3.large=0..10",), storage="c3.large=100")


def test_limits_live_on_for_the_grace_after_the_workflow_and_no_longer() -> None:
    known = LimitsAsked()
    assert known.of((ASKED,), ago(100), 60) == (ASKED,)
    assert known.of((), ago(41), 60) == (replace(ASKED, until=ago(40)),)
    assert known.of((), ago(40), 60) == ()
    assert known.of((), NOW, 600) == ()


def test_workflow_that_comes_back_asks_anew() -> None:
    known = LimitsAsked()
    known.of((ASKED,), ago(100), 60)
    known.of((), ago(80), 60)
    again = replace(ASKED, limits=("c3.large=0..2",))
    assert known.of((again,), ago(60), 60) == (again,)
    assert known.of((), ago(30), 60) == (replace(again, until=NOW),)


def test_without_a_grace_limits_end_with_the_workflow() -> None:
    known = LimitsAsked()
    known.of((ASKED,), ago(30), 0)
    assert known.of((), NOW, 0) == ()


def test_of_very_many_workflows_that_ended_the_last_ones_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toilctl.autoscaler.memory.limits_asked._MOST", 2)
    known = LimitsAsked()
    for number in range(4):
        known.of((replace(ASKED, name=str(number)),), ago(40 - number), 600)
    assert [one.name for one in known.of((), NOW, 600)] == ["2", "3"]
