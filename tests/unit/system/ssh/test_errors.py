from pathlib import Path

import pytest

from toilctl.system.ssh import agent, errors
from toilctl.values.errors import ConnectError, HostError

CHANGED = """@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Host key for i-0aaa has changed and you have requested strict checking.
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("log", "reason", "text"),
    [
        (CHANGED, "host-key", "ssh-keygen -R i-0aaa -f '/s/known_hosts'"),
        ("admin@54.1.2.3: Permission denied (publickey).", "permission", "key pair 'k' with --ssh-key"),
        ("Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures", "permission", "ssh-add"),
        ("@ UNPROTECTED PRIVATE KEY FILE! @\nadmin@h: Permission denied (publickey).", "key-file", "chmod 600"),
        ('Load key "/k": error in libcrypto\nadmin@h: Permission denied (x).', "key-file", "error in libcrypto"),
        ("ssh: connect to host 54.1.2.3 port 22: Connection timed out", "timeout", "security group"),
        ("ssh: connect to host 54.1.2.3 port 22: Operation timed out", "timeout", "security group"),
        ("Connection timed out during banner exchange", "timeout", "booting"),
        ("ssh: connect to host 54.1.2.3 port 22: Connection refused", "refused", "Try again"),
        ("ssh: connect to host 54.1.2.3 port 22: No route to host", "no-route", "TOILCTL_CONNECT_ADDRESS"),
        ("Connection to 54.1.2.3 closed by remote host.\nConnection to 54.1.2.3 closed.", "lost", "tmux"),
        ("Timeout, server 54.1.2.3 not responding.", "lost", "tmux"),
        ("Bad owner or permissions on /root/.ssh/config", "ssh", "Bad owner or permissions"),
    ],
)  # fmt: skip
def test_failures_say_why_and_what_next(log, reason, text):
    error = errors.explain(log, errors.SshAttempt("c", "i-0aaa", "admin@54.1.2.3", Path("/s/known_hosts"), "k", None))
    assert isinstance(error, ConnectError)
    assert error.facts["reason"] == reason
    assert text in str(error)
    assert error.next_step


REFUSED = "sign_and_send_pubkey: signing failed for ED25519 from agent: agent refused operation\n"
DENIED = "admin@54.1.2.3: Permission denied (publickey)."


@pytest.mark.parametrize(
    ("log", "message"),
    [(DENIED, "admin@54.1.2.3 does not accept that key of your ssh agent."), (REFUSED + DENIED, "it may be locked")],
)
def test_key_of_the_agent_is_called_so(log, message, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    key = agent.key_file("ssh-ed25519 AAAA")
    error = errors.explain(log, errors.SshAttempt("c", "i", "admin@54.1.2.3", Path("/k"), "k", key))
    assert message in error.message


def test_taken_local_port_is_this_machines_fault():
    log = "bind [127.0.0.1]:5050: Address already in use\nchannel_setup_fwd_listener_tcpip: cannot listen to port: 5050"
    error = errors.explain(log, errors.SshAttempt("c", "i", "a@b", Path("/k"), "", None))
    assert isinstance(error, HostError)
    assert "5050" in error.message or "in use" in error.message


@pytest.mark.parametrize(
    "log", ["", "Warning: Permanently added 'i-0aaa' (ED25519) to the list of known hosts.\nConnection to h closed.\n"]
)
def test_commands_own_exit_code_255_is_no_failure_of_ssh(log):
    assert errors.explain(log, errors.SshAttempt("c", "i", "a@b", Path("/k"), "", None)) is None
