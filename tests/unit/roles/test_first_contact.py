"""How long a new host is waited for."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

DENIED = "admin@172.31.0.5: Permission denied (publickey)."
AWAY = "ssh: connect to host 172.31.0.5 port 22: Connection refused"


@pytest.mark.parametrize(
    ("message", "elapsed_s", "denied_s", "final"),
    [
        (AWAY, 299, None, False),
        ("ssh: connect to host 172.31.0.5 port 22: No route to host", 299, None, False),
        ("ssh: connect to host 172.31.0.5 port 22: Connection timed out", 300, None, True),
        (DENIED, 5, 0, False),
        (DENIED, 200, 0, False),
        (DENIED, 200, 14, False),
        (DENIED, 200, 16, True),
        (DENIED, 300, 0, True),
        ("Host key verification failed.", 0, None, True),
        ("no such identity: /tmp/key: No such file or directory", 0, None, True),
    ],
)
def test_only_what_waiting_mends_is_waited_for(
    message: str, elapsed_s: float, denied_s: float | None, final: bool, first_contact: ModuleType
) -> None:
    told = f"Failed to connect to the host via ssh: {message}"
    assert first_contact.is_final(told, elapsed_s, 300, denied_s) is final


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def contact(first_contact: ModuleType, monkeypatch: pytest.MonkeyPatch, said: Callable[[float], str | None]) -> float:
    """Wait for a host that says so at each time; return how long that took, whatever came of it."""
    clock = Clock()
    monkeypatch.setattr(first_contact, "time", clock)

    def execute(*_: Any, **__: Any) -> dict[str, Any]:
        if message := said(clock.now):
            raise first_contact.AnsibleConnectionFailure(message)
        return {"rc": 0}

    task = SimpleNamespace(args={"timeout_s": 300}, async_val=0, check_mode=False, action="first_contact")
    action = first_contact.ActionModule.__new__(first_contact.ActionModule)
    monkeypatch.setattr(first_contact.ActionBase, "run", lambda *_: {})
    action._task, action._low_level_execute_command = task, execute
    try:
        action.run()
    except first_contact.AnsibleConnectionFailure:
        return clock.now
    return clock.now


def test_host_whose_sshd_comes_late_has_as_long_to_make_its_user_as_one_whose_comes_at_once(
    first_contact: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(now: float) -> str | None:
        return AWAY if now < 120 else DENIED if now < 130 else None

    assert contact(first_contact, monkeypatch, slow) == 130


def test_host_that_lets_nobody_in_is_given_up_soon_after_its_first_answer(
    first_contact: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert contact(first_contact, monkeypatch, lambda now: AWAY if now < 120 else DENIED) == 135
    assert contact(first_contact, monkeypatch, lambda _: DENIED) == 15
