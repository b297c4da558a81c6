from pathlib import Path

import pytest

from toilctl.system import playbooks
from toilctl.system.playbooks import PlaybookResult
from toilctl.values.errors import ConnectError
from toilctl.verbs.connect.let_in import with_admission


class Attempts:
    """Connections that fail for a reason until the address is let in."""

    def __init__(self, reason="timeout"):
        self.reason, self.made = reason, 0

    def __call__(self):
        self.made += 1
        if self.made == 1:
            raise ConnectError("no", "next", reason=self.reason)
        return 5


@pytest.fixture
def playbook(monkeypatch):
    """Say what the playbook answers; returns the names of those that ran."""
    ran = []

    def answer(**data):
        def run(name, target, variables):
            ran.append((name, target.cluster, variables["region"]))
            return PlaybookResult("failed" not in data, (), data, Path("log"))

        monkeypatch.setattr(playbooks, "run", run)
        return ran

    return answer


def test_address_that_was_not_let_in_is_and_the_user_is_told(cluster, playbook, capsys):
    ran = playbook(opened=["198.51.100.7/32"])
    assert with_admission(cluster, Attempts()) == 5
    assert ran == [("open_ssh.yml", "c", "us-west-2")]
    assert "now open to 198.51.100.7/32" in capsys.readouterr().err


def test_node_that_is_silent_although_this_machine_is_let_in_stays_an_error(cluster, playbook):
    playbook(opened=[])
    attempts = Attempts()
    with pytest.raises(ConnectError):
        with_admission(cluster, attempts)
    assert attempts.made == 1


def test_failure_to_let_in_is_said_and_the_first_error_stays(cluster, playbook, capsys):
    playbook(failed=True)
    with pytest.raises(ConnectError):
        with_admission(cluster, Attempts())
    assert "could not be let in" in capsys.readouterr().err


@pytest.mark.parametrize("reason", ["permission", "host-key", "refused"])
def test_other_failures_open_nothing(cluster, playbook, reason):
    ran = playbook(opened=["x"])
    with pytest.raises(ConnectError):
        with_admission(cluster, Attempts(reason))
    assert ran == []


def test_private_addresses_are_not_a_matter_of_admission(cluster, playbook, monkeypatch):
    ran = playbook(opened=["x"])
    monkeypatch.setenv("TOILCTL_CONNECT_ADDRESS", "private")
    with pytest.raises(ConnectError):
        with_admission(cluster, Attempts())
    assert ran == []
