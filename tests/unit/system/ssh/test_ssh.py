import os
import shlex
import subprocess
import sys

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


def test_what_a_node_says_beside_a_log_steers_no_terminal(cluster, monkeypatch, tmp_path, capfd):
    (tmp_path / "ssh").write_text(
        "#!/bin/sh\nprintf 'log\\n'; printf '\\033]0;x\\007\\033[2Jno \\377\\nrun' >&2; exit 4\n"
    )
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with ssh.streaming(ssh.SshTarget(cluster, cluster.leader), "follow") as (process, out):
        assert out.read() == b"log\n"
    assert process.returncode == 4
    assert capfd.readouterr().err == "\\x1b]0;x\\x07\\x1b[2Jno \ufffd\nrun\n"


CAPTURE = """
from toilctl.system import ssh
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.node_types import NodeType
t = NodeType.parse("t2.micro")
n = Node("i-0aaa", Role.LEADER, t, "t2.micro", "running", "us-west-2a", None, "127.0.0.1", False, "")
print(ascii(ssh.capture(ssh.SshTarget(Cluster("c", "us-west-2", "0", "sg-1", {}, (n,)), n), "true", text="\\u2026")))
"""


def test_locale_of_this_machine_is_not_the_nodes(tmp_path):
    (tmp_path / "ssh").write_text("#!/bin/sh\ncat; printf ' \\303\\274 \\374'\n")
    (tmp_path / "ssh").chmod(0o755)
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "XDG_STATE_HOME": str(tmp_path)}
    environment = os.environ | ascii_only | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-c", CAPTURE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == ascii("\u2026 ü \ufffd") + "\n"
