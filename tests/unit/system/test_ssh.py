import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from toilctl.system import ssh, ssh_errors
from toilctl.values.errors import ConnectError, HostError, NotFoundError, UsageError


def settings_of(options):
    assert options[::2] == ("-o",) * (len(options) // 2)
    return dict(option.split("=", 1) for option in options[1::2])


def test_host_keys_are_kept_per_cluster_under_the_instance_id(cluster, tmp_path):
    chosen = settings_of(ssh.options(ssh.SshTarget(cluster, cluster.leader)))
    assert chosen["UserKnownHostsFile"] == str(tmp_path / "state/toilctl/clusters/us-west-2/c/known_hosts")
    assert chosen["HostKeyAlias"] == "i-0aaa"
    assert chosen["GlobalKnownHostsFile"] == "/dev/null"
    assert chosen["StrictHostKeyChecking"] == "accept-new"


def test_given_key_is_the_only_one_offered(cluster):
    chosen = settings_of(ssh.options(ssh.SshTarget(cluster, cluster.leader, Path("/keys/k.pem"))))
    assert (chosen["IdentityFile"], chosen["IdentitiesOnly"]) == ("/keys/k.pem", "yes")


def test_without_a_key_the_agent_decides(cluster):
    assert "IdentitiesOnly" not in settings_of(ssh.options(ssh.SshTarget(cluster, cluster.leader)))


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_asked_where_stdin_is_no_terminal(cluster, monkeypatch, terminal):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: terminal))
    chosen = settings_of(ssh.options(ssh.SshTarget(cluster, cluster.leader)))
    assert chosen.get("BatchMode") == (None if terminal else "yes")


def test_ssh_reads_paths_with_spaces_and_percent_signs_as_they_are(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "100% my state"))
    argv = ["ssh", "-G", "-F", "none", *ssh.options(ssh.SshTarget(cluster, cluster.leader)), "host"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert f"userknownhostsfile {tmp_path}/100% my state/toilctl/clusters/us-west-2/c/known_hosts" in shown


def test_public_address_is_used_and_the_private_one_on_request(cluster, monkeypatch):
    target = ssh.SshTarget(cluster, cluster.leader)
    assert target.login == "admin@54.1.2.3"
    monkeypatch.setenv("TOILCTL_CONNECT_ADDRESS", "private")
    assert target.login == "admin@172.31.0.5"


def test_node_without_an_address_is_not_found(cluster, node):
    with pytest.raises(NotFoundError, match="has no address"):
        ssh.SshTarget(cluster, node(public_address=None, private_address=None)).login  # noqa: B018


def test_words_reach_the_container_as_they_are():
    words = ["printf", "%s\n", "a b", "$HOME", "it's", '"', "", "*"]
    command = ssh.in_container("toil_leader", words)
    executed = command.split("; code=")[0]
    shell = ["bash", "-c", 'exec "$@"', "bash"]
    assert shlex.split(executed) == ["sudo", "-n", "docker", "exec", "-i", "toil_leader", *shell, *words]


def test_missing_key_file_is_a_usage_error(cluster, tmp_path):
    target = ssh.SshTarget(cluster, cluster.leader, tmp_path / "none.pem")
    with pytest.raises(UsageError, match=r"no private key .*none\.pem"):
        ssh.run(target, "true")


def test_machine_without_ssh_is_told_what_to_install(cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="openssh-client"):
        ssh.run(ssh.SshTarget(cluster, cluster.leader), "true")


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
    error = ssh_errors.explain(
        log, ssh_errors.SshAttempt("c", "i-0aaa", "admin@54.1.2.3", Path("/s/known_hosts"), "k", None)
    )
    assert isinstance(error, ConnectError)
    assert error.facts["reason"] == reason
    assert text in str(error)
    assert error.next_step


def test_taken_local_port_is_this_machines_fault():
    log = "bind [127.0.0.1]:5050: Address already in use\nchannel_setup_fwd_listener_tcpip: cannot listen to port: 5050"
    error = ssh_errors.explain(log, ssh_errors.SshAttempt("c", "i", "a@b", Path("/k"), "", None))
    assert isinstance(error, HostError)
    assert "5050" in error.message or "in use" in error.message


@pytest.mark.parametrize(
    "log", ["", "Warning: Permanently added 'i-0aaa' (ED25519) to the list of known hosts.\nConnection to h closed.\n"]
)
def test_commands_own_exit_code_255_is_no_failure_of_ssh(log):
    assert ssh_errors.explain(log, ssh_errors.SshAttempt("c", "i", "a@b", Path("/k"), "", None)) is None
