"""How long a new host is waited for."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.mark.parametrize(
    ("message", "elapsed_s", "final"),
    [
        ("ssh: connect to host 172.31.0.5 port 22: Connection refused", 299, False),
        ("ssh: connect to host 172.31.0.5 port 22: No route to host", 299, False),
        ("ssh: connect to host 172.31.0.5 port 22: Connection timed out", 300, True),
        ("admin@172.31.0.5: Permission denied (publickey).", 5, False),
        ("admin@172.31.0.5: Permission denied (publickey).", 16, True),
        ("Host key verification failed.", 0, True),
        ("no such identity: /tmp/key: No such file or directory", 0, True),
    ],
)
def test_only_what_waiting_mends_is_waited_for(
    message: str, elapsed_s: float, final: bool, first_contact: ModuleType
) -> None:
    assert first_contact.is_final(f"Failed to connect to the host via ssh: {message}", elapsed_s, 300) is final
