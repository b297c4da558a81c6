from __future__ import annotations

import operator
import time

import pytest

from toilctl.system.waiting import wait_until


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let sleeping move a clock of our own."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


def test_good_answer_is_returned_at_once(clock: list[float]) -> None:
    assert wait_until(lambda: 3, bool, timeout_s=10, every_s=1) == 3
    assert clock == []


def test_it_asks_again_until_the_answer_is_good(clock: list[float]) -> None:
    answers = iter([2, 1, 0])
    assert wait_until(lambda: next(answers), operator.not_, timeout_s=10, every_s=1) == 0
    assert clock == [1, 1]


def test_last_answer_is_returned_when_time_is_up(clock: list[float]) -> None:
    asked = iter(range(100))
    assert wait_until(lambda: next(asked), lambda _: False, timeout_s=3, every_s=1) == 3


def test_without_patience_it_asks_once(clock: list[float]) -> None:
    asked = iter(range(100))
    assert wait_until(lambda: next(asked), lambda _: False, timeout_s=0, every_s=1) == 0
    assert clock == []
