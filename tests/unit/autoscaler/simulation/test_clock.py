"""When the next decision is due in simulated time."""

from __future__ import annotations

from toilctl.autoscaler.simulation.clock import TickClock


def test_decisions_are_an_interval_apart() -> None:
    clock, due_s = TickClock(30), []
    for _ in range(3):
        due_s.append(clock.due_s)
        clock.decided(clock.due_s, None)
    assert due_s == [0, 30, 60]


def test_news_are_decided_on_at_once_and_the_next_decision_is_an_interval_later() -> None:
    clock = TickClock(30)
    clock.decided(0, None)
    clock.hear(12.5)
    assert clock.due_s == 12.5
    clock.decided(12.5, None)
    assert clock.due_s == 42.5


def test_news_right_after_a_decision_wait_for_the_next_look() -> None:
    clock = TickClock(30)
    clock.decided(0, None)
    clock.hear(0.1)
    assert clock.due_s == 0.5


def test_news_right_after_a_decision_that_was_left_out_wait_as_long() -> None:
    clock = TickClock(10)
    clock.decided(0, None)
    clock.skip(1000)
    clock.hear(840.15)
    assert clock.due_s == 840.5
    on_time = TickClock(10)
    on_time.decided(0, None)
    on_time.skip(1000)
    on_time.hear(840)
    assert on_time.due_s == 840


def test_plan_that_asks_for_a_decision_sooner_gets_one_but_not_within_a_second() -> None:
    clock = TickClock(30)
    clock.decided(0, 20)
    assert clock.due_s == 20
    clock.decided(20, 20.2)
    assert clock.due_s == 21
    clock.decided(21, 99)
    assert clock.due_s == 51


def test_decisions_before_a_time_are_left_out() -> None:
    clock = TickClock(30)
    clock.decided(0, None)
    clock.skip(100)
    assert clock.due_s == 120
    clock.skip(60)
    assert clock.due_s == 120
    clock.skip(float("inf"))
    assert clock.due_s == 120
