import shlex

import pytest

from toilctl.system import ssh
from toilctl.values.errors import HostError, NotFoundError, UsageError


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
