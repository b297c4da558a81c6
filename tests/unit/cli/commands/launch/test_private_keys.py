"""Private keys that launch-cluster finds, or refuses before anything is made."""

from __future__ import annotations

import subprocess

import pytest

USUAL = ("launch-cluster", "my-cluster", "--nodeType", "t2.micro", "-z", "us-west-2a", "--keyPairName", "k", "-w", "3")


@pytest.fixture(autouse=True)
def _nothing_is_launched(account, monkeypatch) -> None:
    monkeypatch.setattr("toilctl.system.playbooks.run", lambda *_, **__: pytest.fail("A playbook was started."))


def test_private_key_that_does_not_match(toilctl, key_file):
    result = toilctl(*USUAL, "--ssh-key", str(key_file("another")))
    assert result.exit_code == 2
    assert "is not the private key of key pair 'k'." in result.stderr


def test_private_key_that_is_not_there(toilctl):
    result = toilctl(*USUAL, "--ssh-key", "/nowhere/k")
    assert (result.exit_code, "There is no private key /nowhere/k." in result.stderr) == (2, True)


def test_private_key_that_is_nowhere(toilctl, home):
    (home / ".ssh" / "k").unlink()
    result = toilctl(*USUAL)
    assert result.exit_code == 4
    assert "neither in the ssh agent nor in ~/.ssh" in result.stderr
    assert "ssh-add" in result.stderr


def test_private_key_that_is_not_in_the_agent(toilctl, home, key_file, agent):
    (home / ".ssh" / "k").unlink()
    agent(key_file("another"))
    assert toilctl(*USUAL).exit_code == 4
    agent(key_file("k"))
    planned = toilctl(*USUAL, "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert "private key: in the ssh agent" in planned.stdout


@pytest.mark.parametrize("where", ["named", "in ~/.ssh"])
def test_private_key_with_a_passphrase_is_refused_before_anything_is_made(toilctl, home, agent, where):
    key = home / ".ssh" / "k"
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key], check=True)
    named = ("--ssh-key", str(key)) if where == "named" else ()
    result = toilctl(*USUAL, *named)
    assert result.exit_code == 2, result.stdout
    assert "has a passphrase, and the ssh agent does not have this key" in result.stderr
    assert f"ssh-add {key}" in result.stderr


def test_private_key_with_a_passphrase_that_the_agent_has_is_the_agents(toilctl, home, agent, key_file):
    agent(key_file("k"))
    key = home / ".ssh" / "k"
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key], check=True)
    for named in ((), ("--ssh-key", str(key))):
        planned = toilctl(*USUAL, *named, "--dry-run")
        assert "private key: in the ssh agent" in planned.stdout, planned.stderr


def test_downloaded_private_key_that_others_may_read(toilctl, home):
    (home / ".ssh" / "k").rename(home / ".ssh" / "k.pem")
    (home / ".ssh" / "k.pem").chmod(0o644)
    result = toilctl(*USUAL)
    assert (result.exit_code, f"chmod 600 {home}/.ssh/k.pem" in result.stderr) == (2, True)
