import subprocess

import pytest

from toilctl.system.ssh import agent


@pytest.mark.parametrize("named", ["IdentityAgent {agent}", 'IdentityAgent "{agent}"', "IdentityAgent $OTHER", ""])
def test_agent_is_the_one_that_ssh_asks(tmp_path, monkeypatch, named):
    """As on macOS, where the environment has an agent of the system's, and the configuration a password manager's."""
    listing = "case $SSH_AUTH_SOCK in *'1 Password'*) echo ssh-ed25519 AAAA;; *) exit 1;; esac"
    at = tmp_path / "1 Password/agent.sock"
    for name, text in (("ssh", f"cat '{tmp_path}/told'"), ("ssh-add", listing)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    # What ssh -G prints of it.
    told = "user me\n" + (named.format(agent=at).replace("IdentityAgent", "identityagent") + "\n" if named else "")
    (tmp_path / "told").write_text(told)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("OTHER", str(at))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "of-the-system") if named else str(at))
    assert list(agent.public_keys()) == ["ssh-ed25519 AAAA"]


def test_ssh_that_asks_no_agent_is_believed(tmp_path, monkeypatch):
    (tmp_path / "config").write_text("Host *\n  OfTheFuture yes\n  IdentityAgent none\n")
    real = subprocess.run

    def run(argv, **options):
        assert argv[0] != "ssh-add"
        return real([*argv, "-F", str(tmp_path / "config")] if argv[0] == "ssh" else argv, **options)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere")
    assert list(agent.public_keys()) == []


def test_key_file_names_a_key_without_what_somebody_wrote_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = agent.key_file("ssh-ed25519 AAAA a comment")
    assert path.read_text() == "ssh-ed25519 AAAA\n"
    assert [path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777] == [0o600, 0o700]
    assert agent.key_file("ssh-ed25519 AAAA") == path
    assert agent.key_file("ssh-ed25519 AAAB") != path
    assert list(path.parent.glob("*.[!p]*")) == []
