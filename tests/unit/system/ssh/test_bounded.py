"""What another machine writes is kept as far as there may be of it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from toilctl.system import ssh
from toilctl.system.ssh import bounded
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConnectError


def run(script: str, text: str = "", timeout_s: float = 60, **more: Any) -> subprocess.CompletedProcess[str]:
    return bounded.run(("bash", "-c", script), text, timeout_s, **more)


def test_output_messages_and_exit_code_come_back() -> None:
    done = run("cat; echo said >&2; printf '\\xff'; exit 3", "é\n")
    assert (done.stdout, done.stderr, done.returncode) == ("é\n\ufffd", "said\n", 3)


def test_program_that_does_not_read_what_it_is_given_is_no_error() -> None:
    assert run("exec true", "x" * 10**6).returncode == 0


@pytest.mark.parametrize("stream", [1, 2])
def test_program_that_writes_without_end_is_ended(stream: int) -> None:
    with pytest.raises(bounded.TooMuchError):
        run(f"exec yes >&{stream}", most=10**6)


@pytest.mark.parametrize("script", ["exec sleep 600", "sleep 3 & true", "exec yes >/dev/null"])
def test_patience_ends_whoever_holds_the_output(script: str) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run(script, timeout_s=0.5)


def test_leader_that_answers_without_end_is_one_sentence(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: object) -> None:
        raise bounded.TooMuchError

    monkeypatch.setattr(bounded, "run", too_much)
    with pytest.raises(ConnectError, match="Leader i-0aaa answers without end"):
        ssh.in_leader(cluster)(["true"])
